package fleet

import (
	"fmt"
	"slices"
	"time"

	"github.com/urban-robot/urban-robot/protocol"
)

// Stage is how far an attempt to put a release into service has come.
type Stage uint8

// Every stage. The first five follow each other; the others are ends.
const (
	StagePending      Stage = iota + 1 // accepted
	StageDeploying                     // being prepared and started
	StageCandidate                     // its health is checked
	StageBaking                        // it holds the seat
	StageGood                          // it held the seat through the whole bake
	StageBad                           // it failed, and is refused
	StageInconclusive                  // an outage elsewhere: nothing is known
	StageSuperseded                    // a newer one came
	StageAborted                       // the driver or the operator ended it
)

// String is the one spelling.
func (s Stage) String() string {
	return enumName("Stage", int(s), "pending", "deploying", "candidate", "baking", "good", "bad", "inconclusive", "superseded", "aborted")
}

// Stages lists every stage.
func Stages() []Stage {
	return []Stage{
		StagePending, StageDeploying, StageCandidate, StageBaking, StageGood, StageBad, StageInconclusive, StageSuperseded, StageAborted,
	}
}

// MarshalText writes the stage as String does; the zero Stage is empty.
func (s Stage) MarshalText() ([]byte, error) {
	if s == 0 {
		return nil, nil
	}
	return []byte(s.String()), nil
}

// UnmarshalText reads what MarshalText has written.
func (s *Stage) UnmarshalText(text []byte) error {
	if *s = 0; len(text) == 0 {
		return nil
	}
	for _, known := range Stages() {
		if known.String() == string(text) {
			*s = known
			return nil
		}
	}
	return fmt.Errorf("stage %q is unknown", text)
}

// Failure names why a release or a step of its rollout failed, beside the reasons of health checks.
type Failure string

// Every failure of a rollout that no health check finds.
const (
	FailureSetup          Failure = "setup_failed"    // its setup ended with an error
	FailureSetupTimeout   Failure = "setup_timeout"   // its setup did not end in time
	FailureExited         Failure = "exited"          // its process ended before it was promoted
	FailureCrashed        Failure = "crashed"         // its process ended in the bake
	FailureStartupTimeout Failure = "startup_timeout" // it did not identify or was not ready in time
	FailureDriver         Failure = "driver_error"    // the driver or the machine: not the release
	FailureUnknown        Failure = "unknown_release" // there is none of this name
	FailureTimeout        Failure = "rollout_timeout" // it came to no end
	FailureOperator       Failure = "operator"        // a person said so
	FailureBudget         Failure = "identify_budget" // no Discord login is left for it
	FailureHalted         Failure = "halted"          // the fleet was halted meanwhile
)

// Why a fleet is halted.
const (
	HaltedReverts = "reverts" // too many in their window: rollouts stop
	HaltedCrashes = "crashes" // too many in their window: restarts stop
)

// Attempt is one try to put a release into service. The zero Attempt is none.
type Attempt struct {
	Release    Release   `json:"release"`
	Generation uint64    `json:"generation"` // 0: nobody deployed it, a client brought it
	Stage      Stage     `json:"stage"`
	Reason     string    `json:"reason"`  // of its end
	Detail     string    `json:"detail"`  // for people
	Who        string    `json:"who"`     // a person, a webhook, a poll
	At         time.Time `json:"at"`      // of the newest stage
	Crashes    int       `json:"crashes"` // of its processes that were started again
}

func (a Attempt) underWay() bool { return a.Release != "" && a.Stage <= StageBaking }

// Rollout returns where the fleet's rollout stands.
func (f Fleet) Rollout() RolloutRecord { return f.rollout }

// newer reports whether a is known to be newer than b: by the order in which they were deployed, else by their own versions.
func (t *turn) newer(a, b Release) bool {
	ra, _ := t.releases.Get(a)
	rb, _ := t.releases.Get(b)
	switch {
	case a == b:
		return false
	case ra.Generation != 0 || rb.Generation != 0:
		return ra.Generation > rb.Generation
	}
	return Newer(a, b)
}

// declined says why a deploy is not begun, and 0 where it is.
func (t *turn) declined(fact Deploy) (Outcome, string) {
	r := fact.Release
	a := t.rollout.Attempt
	before, _ := t.releases.Get(r)
	switch {
	case fact.Only == IfNew && before.Generation != 0, fact.Only == IfFirst && t.rollout.Generation != 0:
		return Unchanged, "nothing new"
	case fact.Only == IfWanted && before.State == ReleaseUnproven && before.Reason == string(FailureOperator):
		return Refused, fmt.Sprintf("a person has gone back from release %s; deploy it by hand if it is wanted again", r)
	case t.rollout.Halted != "":
		return Refused, fmt.Sprintf("the fleet is halted (%s); a developer has to look, then try-again resumes", t.rollout.Halted)
	case t.tokenRejected:
		return Refused, "Discord rejected the fleet's token"
	case t.bad(r):
		return Refused, t.quarantined(r).Message + ", or say try-again"
	case a.underWay() && a.Release == r:
		return Unchanged, fmt.Sprintf("release %s is under way already (%s)", r, a.Stage)
	case !a.underWay() && t.rollout.Desired == r && t.serves(r):
		return Unchanged, fmt.Sprintf("release %s is in service already", r)
	}
	return 0, ""
}

// deploy begins to put a release into service, or says why not.
func (t *turn) deploy(e Event, fact Deploy) {
	if outcome, why := t.declined(fact); outcome != 0 {
		t.respond(e, outcome, why)
		return
	}
	r := fact.Release
	t.supersede(r)
	t.rollout.Generation++
	t.rollout.Desired = r
	known, _ := t.releases.Get(r)
	known.Release, known.Generation = r, t.rollout.Generation
	if known.State == 0 { // the time of a good one says when it was proven: to want it again proves nothing
		known.State, known.At = ReleaseUnproven, t.at
	}
	if known.State == ReleaseUnproven {
		known.Reason = "" // it was taken back, and is wanted again
	}
	t.releases = t.releases.Set(r, known)
	t.record(known)
	t.begin(Attempt{Release: r, Generation: t.rollout.Generation, Stage: StagePending, Who: fact.Who, Detail: fact.Message})
	t.advance(StageDeploying)
	t.alert(AlertInfo, "rollout started", r, "", fact.Message)
	t.respond(e, Accepted, fmt.Sprintf("release %s is being deployed as generation %d", r, t.rollout.Generation))
	for id := range t.Policy.Shards {
		s := t.seat(id)
		if c, ok := t.clients.Get(s.Holder); ok && s.Phase == SeatHeld && s.Release == r && !s.Swap.active() {
			t.beginBake(s, c) // it is there already
		}
		t.unsettle(id)
	}
}

// serves reports whether every seat is a release's.
func (t *turn) serves(r Release) bool {
	for id := range t.Policy.Shards {
		if s := t.seat(id); s.Phase == SeatVacant || s.Release != r {
			return false
		}
	}
	return true
}

// supersede ends the attempt that is under way for a newer one. It is not bad.
func (t *turn) supersede(by Release) {
	a := t.rollout.Attempt
	if !a.underWay() {
		return
	}
	t.end(StageSuperseded, "", "by release "+string(by))
}

func (t *turn) begin(a Attempt) {
	a.At = t.at
	t.rollout.Attempt = a
	t.rollout.AttemptBy = t.at.Add(t.attemptLimit())
	t.wake = earliest(t.wake, t.rollout.AttemptBy)
	t.changed = true
}

// attemptLimit is far above what the steps of an attempt may take together.
func (t *turn) attemptLimit() time.Duration {
	h := t.Policy.Health
	return 2*(t.Policy.Rollout.SetupTimeout+t.Policy.Ready+h.CandidateDeadline+t.Policy.Handover.Deadline+h.Bake) + 10*h.Interval
}

// advance brings the attempt to its next stage.
func (t *turn) advance(to Stage) {
	a := &t.rollout.Attempt
	if a.Stage >= to {
		return
	}
	t.note(EventRecord{Event: "rollout advanced", Release: a.Release, From: a.Stage.String(), To: to.String(), Detail: a.Who})
	a.Stage, a.At = to, t.at
	t.changed = true
}

// end ends the attempt that is under way.
func (t *turn) end(stage Stage, why Failure, detail string) {
	a := t.rollout.Attempt
	if !a.underWay() {
		return
	}
	t.note(EventRecord{
		Event: "rollout ended", Release: a.Release, From: a.Stage.String(), To: stage.String(), Reason: string(why), Detail: detail,
		Warn: stage == StageBad || stage == StageAborted,
	})
	a.Stage, a.Reason, a.Detail, a.At = stage, string(why), detail, t.at
	t.rollout.Attempt, t.rollout.Last, t.rollout.AttemptBy = Attempt{}, a, time.Time{}
	t.changed = true
	if stage == StageGood {
		t.rollout.Desired = a.Release
		t.collect()
		return
	}
	if !t.serves(a.Release) || stage == StageBad {
		t.rollout.Desired = t.lastGood
	}
	if stage == StageAborted {
		t.alert(AlertWarning, "rollout aborted", a.Release, string(why), detail)
	}
	for _, p := range t.processesOf(func(p Process) bool { return p.Release == a.Release && !t.holds(p.Instance) && !t.good(p.Release) }) {
		t.retire(p, reasonOf(stage))
	}
	for id := range t.Policy.Shards {
		t.unsettle(id)
	}
}

func reasonOf(s Stage) protocol.Reason {
	if s == StageBad {
		return protocol.ReasonQuarantinedVersion
	}
	if s == StageSuperseded {
		return protocol.ReasonSuperseded
	}
	return protocol.ReasonOperator
}

// collect has the driver forget what is not needed. What it may have forgotten has to be prepared again.
func (t *turn) collect() {
	keep := t.keep()
	t.do(Collect{Keep: keep})
	for r := range t.prepared {
		if !slices.Contains(keep, r) {
			t.prepared = with(t.prepared, r, false)
		}
	}
}

// keep lists the releases whose artefacts are kept: at least five good ones, and what is in service or wanted.
func (t *turn) keep() []Release {
	var good []ReleaseRecord
	for it := t.releases.Iterator(); !it.Done(); {
		if _, r, _ := it.Next(); r.State == ReleaseGood {
			good = append(good, r)
		}
	}
	slices.SortFunc(good, func(a, b ReleaseRecord) int { return b.At.Compare(a.At) })
	keep := []Release{}
	for _, r := range good[:min(len(good), max(5, t.Policy.Rollout.Keep))] {
		keep = append(keep, r.Release)
	}
	for _, r := range []Release{t.lastGood, t.rollout.Desired, t.rollout.Attempt.Release} {
		if r != "" && !slices.Contains(keep, r) {
			keep = append(keep, r)
		}
	}
	return keep
}

// onTrial reports whether a release is the one of the attempt that is under way.
func (t *turn) onTrial(r Release) bool {
	return t.rollout.Attempt.underWay() && t.rollout.Attempt.Release == r
}

// fallback reports whether something else can serve a seat than a failing release: then that is refused, else it is kept alive.
func (t *turn) fallback(seat int, r Release) bool {
	s := t.seat(seat)
	if t.lastGood != "" && t.lastGood != r || s.Phase != SeatVacant && s.Release != r {
		return true
	}
	_, ok := t.choose(s, func(c Client) bool { return c.Release != r })
	return ok
}

// preparedRelease goes on with a release that is prepared, or ends its attempt.
func (t *turn) preparedRelease(fact Prepared) {
	t.preparing = with(t.preparing, fact.Release, false)
	switch {
	case fact.Failure == "":
		t.prepared = with(t.prepared, fact.Release, true)
	case !t.onTrial(fact.Release):
		t.note(EventRecord{Event: "release not prepared", Release: fact.Release, Reason: string(fact.Failure), Detail: fact.Detail, Warn: true})
		if fact.Release == t.base() { // not again before the backoff is over
			t.rollout.NotBefore, t.changed = t.at.Add(t.Policy.Rollout.BackoffMax), true
			t.wake = earliest(t.wake, t.rollout.NotBefore)
		}
	case fact.Failure == FailureDriver || fact.Failure == FailureUnknown:
		t.end(StageAborted, fact.Failure, fact.Detail)
	default:
		t.fail(fact.Release, fact.Failure, fact.Detail)
	}
}

// fail refuses a release for something that no health check found.
func (t *turn) fail(r Release, why Failure, detail string) {
	t.refuseRelease(r, string(why), detail, "")
}

// arrived takes note of a client of an attempt: it is a candidate, or, where there is no good release yet, the holder.
func (t *turn) arrived(c Client, stage Stage) {
	if !t.onTrial(c.Release) {
		a := t.rollout.Attempt
		goesOn := a.Generation != 0 && !t.newer(c.Release, a.Release) || t.newer(a.Release, c.Release)
		if t.good(c.Release) || t.bad(c.Release) || a.underWay() && goesOn {
			return // it was good before, is refused and serves for want of another one, or what came after it goes on
		}
		t.supersede(c.Release)
		t.begin(Attempt{Release: c.Release, Stage: StagePending, Who: "client"})
	}
	t.advance(stage)
}

// expireAttempt ends an attempt that came to no end by itself.
func (t *turn) expireAttempt() {
	if !due(t.rollout.AttemptBy, t.at) {
		return
	}
	t.rollout.AttemptBy, t.changed = time.Time{}, true
	a := t.rollout.Attempt
	if a.Stage == StageBaking && t.serves(a.Release) || !t.Policy.Rollout.Driven && a.Stage == StageDeploying {
		return // it serves and waits for a verdict, or for somebody to start it
	}
	t.end(StageAborted, FailureTimeout, "it came to no end in time")
}
