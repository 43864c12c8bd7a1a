package fleet

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/urban-robot/urban-robot/protocol"
)

// mayRevert reports whether the budget of reverts allows one more.
func (t *turn) mayRevert() bool {
	r := t.Policy.Rollout
	return len(within(t.rollout.Reverts, t.at.Add(-r.RevertWindow))) < r.Reverts
}

// countRevert takes a revert off the budget. With the last one the fleet is halted: a developer has to look before the next rollout.
func (t *turn) countRevert(from Release) {
	if t.reverted {
		return // of several seats
	}
	t.reverted = true
	r := t.Policy.Rollout
	if !t.mayRevert() { // it is dead: whoever is left takes over
		t.halt(HaltedReverts, from, "the budget of reverts is used up")
		return
	}
	t.rollout.Reverts = append(within(t.rollout.Reverts, t.at.Add(-r.RevertWindow)), t.at)
	t.changed = true
	known, _ := t.releases.Get(from)
	t.alert(AlertError, "reverted", from, known.Reason, "release "+string(t.lastGood)+" serves again")
	if n := len(t.rollout.Reverts); n >= r.Reverts {
		t.halt(HaltedReverts, from, fmt.Sprintf("%d reverts within %s", n, r.RevertWindow))
	}
}

// halt stops rollouts, or restarts. Whoever serves goes on.
func (t *turn) halt(why string, r Release, detail string) {
	if t.rollout.Halted == why || t.rollout.Halted == HaltedCrashes { // that stops the most
		return
	}
	t.rollout.Halted = why
	t.changed = true
	t.note(EventRecord{Event: "fleet halted", Release: r, Reason: why, Detail: detail, Warn: true})
	t.alert(AlertError, "halted", r, why, detail+"; a developer has to look, then try-again resumes")
	if why == HaltedReverts {
		t.end(StageAborted, FailureHalted, "the fleet is halted")
	}
}

// toldAgain is how old a halt may be for people to be told of it again after a start: alerts wait a little for others, and those that waited
// when the service was killed are lost. To hear of a halt twice is better than never.
const toldAgain = time.Minute

// haltedSince reports whether the fleet is halted, and not for longer than since a moment.
func (r RolloutRecord) haltedSince(moment time.Time) bool {
	for _, at := range slices.Concat(r.Reverts, r.Restarts, []time.Time{r.Last.At}) {
		if r.Halted != "" && at.After(moment) {
			return true
		}
	}
	return false
}

// remindOfHalt tells people once more, after a start.
func (t *turn) remindOfHalt() {
	if !t.remind {
		return
	}
	t.remind = false
	if r := t.rollout; r.Halted != "" {
		t.alert(AlertError, "still halted", r.Last.Release, r.Halted, "since before Urban Robot was started again; a developer has to look, then try-again resumes")
	}
}

// tryAgain lifts a halt and the refusal of the release that was tried last, and tries that one again.
func (t *turn) tryAgain(e Event, fact TryAgain) {
	last := t.rollout.Last
	halted := t.rollout.Halted != ""
	known, _ := t.releases.Get(last.Release)
	again := known.State == ReleaseBad && !t.rollout.Attempt.underWay() // a newer push is not called off for it
	if !halted && !again {
		t.respond(e, Unchanged, "nothing is halted and no refused release waits to be tried again")
		return
	}
	t.rollout.Halted, t.rollout.Reverts, t.rollout.Restarts, t.rollout.NotBefore = "", nil, nil, time.Time{}
	t.changed = true
	t.note(EventRecord{Event: "try again", Release: last.Release, Reason: string(FailureOperator), Detail: fact.Who})
	if !again {
		t.respond(e, Accepted, "the halt is lifted")
		return
	}
	known.State, known.Reason, known.Evidence, known.At = ReleaseUnproven, "", "", t.at
	t.releases = t.releases.Set(known.Release, known)
	t.record(known)
	if !t.Policy.Rollout.Driven {
		t.respond(e, Accepted, fmt.Sprintf("release %s may come again", known.Release))
		return
	}
	t.deploy(e, Deploy{Release: known.Release, Who: fact.Who})
}

// rollBack goes back to a release that was good, because a person said so.
func (t *turn) rollBack(e Event, fact Rollback) {
	target := fact.Release
	if target == "" {
		current := t.rollout.Desired
		if a := t.rollout.Attempt; a.underWay() {
			current = a.Release
		} else if current == "" {
			current = t.seat(0).Release
		}
		target = t.goodBefore(current)
	}
	if known, ok := t.releases.Get(t.named(target)); ok {
		target = known.Release
	}
	switch known, ok := t.releases.Get(target); {
	case target == "":
		t.respond(e, Refused, "there is no other good release to go back to")
		return
	case !ok || known.State != ReleaseGood:
		t.respond(e, Refused, fmt.Sprintf("release %s was never good; see versions for those that were", target))
		return
	}
	t.deploy(e, Deploy{Release: target, Who: fact.Who, Message: "rollback"})
}

// named returns the one release whose name begins so, or the name itself: a commit is often cut to its first digits.
func (t *turn) named(name Release) Release {
	const least = 4
	found := name
	if _, exact := t.releases.Get(name); exact || len(name) < least {
		return name
	}
	for it := t.releases.Iterator(); !it.Done(); {
		if r, _, _ := it.Next(); strings.HasPrefix(string(r), string(name)) {
			if found != name {
				return name // it is not the only one
			}
			found = r
		}
	}
	return found
}

// goodBefore is the newest good release that was proven before the given one.
func (t *turn) goodBefore(current Release) Release {
	known, _ := t.releases.Get(current)
	var best ReleaseRecord
	for it := t.releases.Iterator(); !it.Done(); {
		_, r, _ := it.Next()
		older := known.State != ReleaseGood || r.At.Before(known.At)
		if r.State == ReleaseGood && r.Release != current && older && (best.Release == "" || r.At.After(best.At)) {
			best = r
		}
	}
	return best.Release
}

// takeBack takes note that a person has gone back to a release that was good: those that were proven since are not bad, but nothing goes
// forward to them by itself, or falls back on them.
func (t *turn) takeBack(to Release) {
	target, _ := t.releases.Get(to)
	for it := t.releases.Iterator(); !it.Done(); {
		_, r, _ := it.Next()
		if r.State != ReleaseGood || !r.At.After(target.At) {
			continue
		}
		r.State, r.Reason, r.At = ReleaseUnproven, string(FailureOperator), t.at
		t.record(r)
		t.releases = t.releases.Set(r.Release, r)
		t.note(EventRecord{Event: "release taken back", Release: r.Release, Reason: r.Reason, Detail: "for release " + string(to)})
	}
	t.lastGood = newestGood(t.releases)
}

// refuseRelease refuses a release from now on, dismisses its clients, the holders of seats excepted, and ends its attempt. failing is
// the client that showed it, if one did: it is told the reason itself.
func (t *turn) refuseRelease(r Release, reason, evidence string, failing ClientID) {
	known, _ := t.releases.Get(r)
	known.Release, known.State, known.Reason, known.Evidence, known.At = r, ReleaseBad, reason, evidence, t.at
	t.record(known)
	t.releases = t.releases.Set(r, known)
	t.lastGood = newestGood(t.releases)
	t.note(EventRecord{Event: "release refused", Client: failing, Release: r, Reason: reason, Detail: evidence, Warn: true})
	for _, c := range t.clientsOf(r) {
		c, ok := t.clients.Get(c.ID) // as it is now: the one before may have made room for it
		switch {
		case !ok || c.State == StateShuttingDown || t.seat(c.Seat).Holder == c.ID:
		case c.ID == failing:
			t.dismiss(c, protocol.Reason(reason))
		case c.Waiting:
			t.turnAway(c)
		default:
			t.dismiss(c, protocol.ReasonQuarantinedVersion)
		}
	}
	if t.held(r) && t.lastGood != "" { // those seats go back
		t.countRevert(r)
	}
	if t.onTrial(r) {
		if t.rollout.Attempt.Stage != StageBaking {
			t.alert(AlertWarning, "refused", r, reason, evidence)
		}
		t.end(StageBad, Failure(reason), evidence)
	}
	if t.rollout.Desired == r {
		t.rollout.Desired, t.changed = t.lastGood, true
	}
	for _, p := range t.processesOf(func(p Process) bool { return p.Release == r && !t.holds(p.Instance) }) {
		t.retire(p, protocol.ReasonQuarantinedVersion)
	}
}

// held reports whether a release processes on some seat.
func (t *turn) held(r Release) bool {
	for id := range t.Policy.Shards {
		if s := t.seat(id); s.Release == r && (s.Phase == SeatHeld || s.Phase == SeatLost || s.Adopted) {
			return true
		}
	}
	return false
}

// clientsOf lists the clients of a release that hold no seat and do not leave already.
func (t *turn) clientsOf(r Release) []Client {
	var same []Client
	for it := t.clients.Iterator(); !it.Done(); {
		_, c, _ := it.Next()
		if c.Release == r && c.State != StateShuttingDown && t.seat(c.Seat).Holder != c.ID {
			same = append(same, c)
		}
	}
	sortByNumber(same)
	return same
}

// respond answers the one who asked for a rollout.
func (t *turn) respond(e Event, o Outcome, text string) {
	t.do(Respond{Ticket: e.Ack, Outcome: o, Text: text})
}

// alert tells people.
func (t *turn) alert(level AlertLevel, what string, r Release, reason, detail string) {
	t.do(Alert{Level: level, What: what, Release: r, Reason: reason, Detail: detail, At: t.at})
}
