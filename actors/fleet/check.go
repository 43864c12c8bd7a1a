package fleet

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/urban-robot/urban-robot/protocol"
)

// candidateGap is the time between two checks of one candidate.
const candidateGap = time.Second

// mayCandidate reports whether a client should be checked as the seat's next holder: it is of a newer release, or the seat is
// vacant and its release is not proven.
func (t *turn) mayCandidate(s Seat, c Client) bool {
	if t.tokenRejected || t.bad(c.Release) || s.Swap.active() {
		return false
	}
	if other, ok := t.clients.Get(s.Candidate); ok && !t.newer(c.Release, other.Release) {
		return false
	}
	switch s.Phase {
	case SeatHeld:
		a := t.rollout.Attempt
		turn := !a.underWay() || a.Release == c.Release || t.newer(c.Release, a.Release)
		return turn && t.rollout.Halted != HaltedReverts && s.NoSwapUntil.IsZero() && t.newer(c.Release, s.Release)
	case SeatVacant:
		return !t.coldStart(c)
	case SeatGranted, SeatLost: // it has an owner, who may not be disturbed
	}
	return false
}

// nominate makes a client the candidate for its seat. An older candidate is superseded.
func (t *turn) nominate(s Seat, c Client) {
	if other, ok := t.clients.Get(s.Candidate); ok {
		t.park(other, protocol.ReasonSuperseded)
	}
	s.Candidate = c.ID
	t.putSeat(s)
	c.CandidateBy = t.at.Add(t.Policy.Health.CandidateDeadline)
	c.Successes, c.Failures, c.Promoted = 0, 0, false
	t.noteClient(c, "candidate nominated", "", "")
	t.arrived(c, StageCandidate)
	t.check(c, protocol.PhaseCandidate)
}

// check asks a client for a health report.
func (t *turn) check(c Client, phase protocol.Phase) {
	t.checks++
	c.Check = Check{ID: fmt.Sprintf("%x-%x", t.started.UnixNano(), t.checks), Phase: phase, By: t.at.Add(t.Policy.Health.Timeout)}
	c.NextCheck = time.Time{}
	t.put(c)
	t.do(Tell{Client: c.ID, Command: protocol.HealthCheck{
		CheckID: c.Check.ID, Phase: phase, DeadlineMS: t.Policy.Health.Timeout.Milliseconds(), VitalCogs: t.Policy.Health.VitalCogs,
	}})
}

// health judges a report.
func (t *turn) health(e Event, c Client, fact Health) {
	if c.State != StateReady && c.State != StateActive && c.State != StateComa {
		t.answer(e, protocol.Errorf(protocol.CodeNotAllowed, "", "health_check is not allowed in state %s; send ready first", c.State))
		return
	}
	id := fact.Report.CheckID
	asked := c.Check.ID != ""
	switch {
	case fact.Err != nil && asked: // its sender has been told already
		t.judged(c, noAnswer(fact.Err.Error()))
	case fact.Err != nil:
	case !asked, id != c.Check.ID && t.issued(id): // of its own accord, or late: news, but no verdict
		c.Report = &fact.Report
		t.put(c)
		t.answer(e, nil)
	case id != "" && id != c.Check.ID:
		t.answer(e, protocol.Errorf(protocol.CodeMalformed, "check_id", "not the one that was asked for; repeat the command's check_id, or leave it out"))
		t.judged(c, noAnswer("wrong check_id"))
	default:
		t.answer(e, nil)
		c.Report = &fact.Report
		good, _ := t.releases.Get(t.lastGood)
		t.judged(c, Judge(fact.Report, t.Policy.Health, good.Cogs, t.comparable(c, c.Check.Phase)))
	}
}

// issued reports whether a check id is one that this supervisor gave out.
func (t *turn) issued(id string) bool {
	start, number, ok := strings.Cut(id, "-")
	n, err := strconv.ParseUint(number, 16, 64)
	return ok && err == nil && n <= t.checks && start == strconv.FormatInt(t.started.UnixNano(), 16)
}

// comparable returns the newest report of the client that c is compared with: what fails there, too, is not the release's fault.
func (t *turn) comparable(c Client, phase protocol.Phase) *protocol.HealthReport {
	if o, ok := t.other(c, phase); ok {
		return o.Report
	}
	return nil
}

// other is the client that serves while c is checked, or served before it.
func (t *turn) other(c Client, phase protocol.Phase) (Client, bool) {
	s := t.seat(c.Seat)
	id := s.Holder
	if phase == protocol.PhaseBake {
		id = s.Before
	}
	o, ok := t.clients.Get(id)
	return o, ok && id != c.ID
}

// judged acts on a verdict.
func (t *turn) judged(c Client, v Verdict) {
	phase := c.Check.Phase
	before := c.Verdict.Result
	c.Check, c.Verdict = Check{}, v
	t.note(EventRecord{
		Event: "health judged", Client: c.ID, Release: c.Release, Seat: c.Seat, Epoch: t.seat(c.Seat).Epoch, From: string(phase), To: v.Result.String(),
		Reason: string(v.Reason), Detail: v.Detail, Warn: v.Result == ResultFail || v.Result == ResultError,
	})
	if v.Result == ResultFail || v.Result == ResultError {
		c.Failures++
		c.Successes = 0
	} else {
		c.Failures = 0
	}
	c.NextCheck = t.at.Add(t.Policy.Health.Interval)
	t.put(c)
	switch phase {
	case protocol.PhaseCandidate:
		t.judgedCandidate(c)
	case protocol.PhaseBake:
		t.judgedBake(c)
	case protocol.PhaseRunning, protocol.PhaseStandby:
		if v.Result != before || c.Failures >= t.Policy.Health.Failures {
			t.unsettle(c.Seat)
		}
	}
}

// judgedCandidate promotes a candidate, tries again, or refuses its release.
func (t *turn) judgedCandidate(c Client) {
	v := c.Verdict
	switch {
	case v.Passed():
		c.Successes++
	case v.Result == ResultInconclusive:
		c.Successes = 0
	case t.awaitOther(c, protocol.PhaseCandidate):
		return
	case v.Result == ResultFail || c.Failures >= t.Policy.Health.Failures:
		t.refuseRelease(c.Release, string(v.Reason), v.Detail, c.ID)
		return
	}
	if c.Successes >= t.Policy.Health.CandidateSuccesses {
		c.Promoted, c.CandidateBy, c.NextCheck = true, time.Time{}, time.Time{}
		t.put(c)
		t.noteClient(c, "candidate passed", "", "")
		t.unsettle(c.Seat)
		return
	}
	c.NextCheck = t.at.Add(candidateGap)
	t.put(c)
}

// awaitOther reports whether a failure may be an outage that the client to compare with has not reported yet. It is asked then, and c again
// afterwards, as often as a failure is borne with.
func (t *turn) awaitOther(c Client, phase protocol.Phase) bool {
	if c.Verdict.Result != ResultFail || !c.Verdict.External || c.Failures >= t.Policy.Health.Failures {
		return false
	}
	other, ok := t.other(c, phase)
	if !ok || other.State == StateShuttingDown {
		return false
	}
	if other.Check.ID == "" {
		phase := protocol.PhaseStandby
		if t.seat(c.Seat).Holder == other.ID {
			phase = protocol.PhaseRunning
		}
		t.check(other, phase)
	}
	c.NextCheck = t.at.Add(t.Policy.Health.Timeout)
	t.put(c)
	return true
}

// judgedBake goes back to a release that works if the new one does not.
func (t *turn) judgedBake(c Client) {
	s := t.seat(c.Seat)
	failed := c.Verdict.Result == ResultFail || c.Failures >= t.Policy.Health.Failures
	if s.BakeUntil.IsZero() { // it ended meanwhile
		t.unsettle(c.Seat)
		return
	}
	if !failed || s.Holder != c.ID || s.Swap.active() || t.awaitOther(c, protocol.PhaseBake) {
		return
	}
	if t.good(c.Release) { // proven on another seat meanwhile
		t.unsettle(s.ID)
		return
	}
	back, ok := t.chooseOther(s, c)
	if !ok {
		t.noteClient(c, "bake failed with no way back", c.Verdict.Reason, c.Verdict.Detail)
		return
	}
	if !t.mayRevert() {
		t.halt(HaltedReverts, c.Release, "its bake failed and the budget of reverts is used up")
		return
	}
	t.refuseRelease(c.Release, string(c.Verdict.Reason), c.Verdict.Detail, c.ID)
	t.countRevert(c.Release)
	t.beginSwap(t.seat(c.Seat), back, PartingShutdown, c.Verdict.Reason, true)
}

// chooseOther finds the best client of another release than the holder's.
func (t *turn) chooseOther(s Seat, holder Client) (Client, bool) {
	return t.choose(s, func(c Client) bool { return c.Release != holder.Release })
}

// beginBake watches a release that is not proven yet: it is checked at once, and good only after the whole bake.
func (t *turn) beginBake(s Seat, c Client) {
	c, _ = t.clients.Get(c.ID)
	c.Verdict = Verdict{}
	t.put(c)
	if t.good(c.Release) {
		if t.onTrial(c.Release) && t.serves(c.Release) {
			t.takeBack(c.Release)
			t.end(StageGood, "", "it was good before")
		}
		return
	}
	t.arrived(c, StageBaking)
	s = t.seat(s.ID)
	s.BakeUntil = t.at.Add(t.Policy.Health.Bake)
	t.putSeat(s)
	t.check(c, protocol.PhaseBake)
}

// endBake makes the release the last known good one if its newest verdict is ok.
func (t *turn) endBake(s Seat) {
	s.BakeUntil = time.Time{}
	t.putSeat(s)
	c, ok := t.clients.Get(s.Holder)
	if !ok || t.bad(c.Release) { // refused meanwhile, for what it did on another seat
		return
	}
	switch c.Verdict.Result {
	case ResultOK:
		t.praise(c)
	case ResultDegraded:
		t.noteClient(c, "bake ended degraded", "", c.Verdict.Detail)
		if t.onTrial(c.Release) {
			t.end(StageInconclusive, "", "degraded: "+c.Verdict.Detail)
		}
	case ResultInconclusive, ResultFail, ResultError:
		t.prolongBake(s)
	default: // no answer yet
		t.prolongBake(s)
	}
	t.unsettle(s.ID)
}

// prolongBake waits for the next check: an outage, a failure with no way back, or no answer so far.
func (t *turn) prolongBake(s Seat) {
	s.BakeUntil = t.at.Add(t.Policy.Health.Interval)
	t.putSeat(s)
}

// praise makes a release the last known good one.
func (t *turn) praise(c Client) {
	r, _ := t.releases.Get(c.Release)
	r.Release, r.State, r.Reason, r.Evidence, r.At = c.Release, ReleaseGood, c.Verdict.Result.String(), "", t.at
	if c.Report != nil {
		r.Cogs = worksIn(*c.Report)
	}
	if newest, _ := t.releases.Get(t.lastGood); !t.onTrial(c.Release) && t.newer(t.lastGood, c.Release) {
		r.At = newest.At.Add(-time.Millisecond) // on another seat, long after it was superseded
	}
	t.record(r)
	t.releases = t.releases.Set(r.Release, r)
	t.lastGood = newestGood(t.releases)
	t.noteClient(c, "release good", "", "")
	if t.onTrial(c.Release) {
		t.alert(AlertInfo, "promoted", c.Release, "", "it is the last known good release")
		t.end(StageGood, "", "")
	} else if !t.rollout.Attempt.underWay() && t.newer(t.lastGood, t.rollout.Desired) {
		t.rollout.Desired, t.changed = t.lastGood, true // it was superseded by one that came to nothing
	}
	if t.Policy.Outdated != PartingShutdown {
		return
	}
	for _, old := range t.of(c.Seat, func(o Client) bool { return o.State == StateComa && t.newer(c.Release, o.Release) }) {
		t.dismiss(old, protocol.ReasonOutdated)
	}
}

// tick does what is due.
func (t *turn) tick() {
	t.tickLanes()
	t.remindOfHalt()
	var late []Client
	for it := t.clients.Iterator(); !it.Done(); {
		_, c, _ := it.Next()
		if due(c.next(), t.at) {
			late = append(late, c)
		}
	}
	sortByNumber(late)
	for _, c := range late {
		if now, ok := t.clients.Get(c.ID); ok {
			t.tickClient(now)
		}
	}
	for id := range t.Policy.Shards {
		if s, ok := t.seats.Get(id); ok && due(s.next(), t.at) {
			t.tickSeat(s)
		}
	}
	t.tickProcesses()
	t.expireAttempt()
	t.restaff = t.Policy.Rollout.Driven
}

// tickClient does what is due for one client; the rest comes with the next Tick, at once.
func (t *turn) tickClient(c Client) {
	if due(c.RestUntil, t.at) {
		c.RestUntil = time.Time{}
		t.put(c)
		t.unsettle(c.Seat)
	}
	switch {
	case due(c.ReadyBy, t.at):
		t.notReady(c)
	case due(c.ComaBy, t.at):
		t.noteClient(c, "client did not answer coma", "", "")
		t.hangUp(c, protocol.EventComa)
	case due(c.Check.By, t.at):
		t.judged(c, noAnswer("no answer in time"))
	case due(c.CandidateBy, t.at):
		t.candidateExpired(c)
	case due(c.NextCheck, t.at):
		t.nextCheck(c)
	}
}

// notReady ends the visit of a client that was not ready in time.
func (t *turn) notReady(c Client) {
	c.ReadyBy = time.Time{}
	t.put(c)
	s := t.seat(c.Seat)
	if s.Holder == c.ID {
		t.grantExpired(s)
		return
	}
	if t.onTrial(c.Release) && t.fallback(c.Seat, c.Release) {
		t.refuseRelease(c.Release, string(protocol.ReasonStartupTimeout), "not ready in time after hello", c.ID)
		return
	}
	t.tooLate(c)
}

// tooLate dismisses a client that was not ready in time. Its process counts as one that has crashed: it is replaced, but not without end.
func (t *turn) tooLate(c Client) {
	if p, ok := t.processes.Get(c.Instance); ok && !p.Retired {
		t.crashed(p, FailureStartupTimeout)
	}
	if c, ok := t.clients.Get(c.ID); ok && c.State != StateShuttingDown {
		t.dismiss(c, protocol.ReasonStartupTimeout)
	}
}

// candidateExpired ends a candidacy that came to no result in time.
func (t *turn) candidateExpired(c Client) {
	if c.Verdict.Result == ResultInconclusive {
		t.noteClient(c, "candidate inconclusive", "", c.Verdict.Detail)
		s := t.seat(c.Seat)
		s.NoSwapUntil = t.at.Add(t.Policy.Health.Interval) // the outage may last
		t.putSeat(s)
		t.park(c, protocol.ReasonStandby)
		if t.onTrial(c.Release) {
			t.end(StageInconclusive, "", c.Verdict.Detail)
		}
		return
	}
	if c.Verdict.Reason == "" {
		c.Verdict = noAnswer("not healthy often enough in time")
		t.put(c)
	}
	t.refuseRelease(c.Release, string(c.Verdict.Reason), c.Verdict.Detail, c.ID)
}

// nextCheck asks for the periodic report of a client.
func (t *turn) nextCheck(c Client) {
	s := t.seat(c.Seat)
	c.NextCheck = time.Time{}
	t.put(c)
	switch {
	case !c.CandidateBy.IsZero():
		t.check(c, protocol.PhaseCandidate)
	case s.Holder == c.ID && (s.Phase != SeatHeld || s.Swap.active()):
		c.NextCheck = t.at.Add(t.Policy.Health.Interval)
		t.put(c)
	case s.Holder == c.ID && !s.BakeUntil.IsZero():
		t.check(c, protocol.PhaseBake)
	case s.Holder == c.ID:
		t.check(c, protocol.PhaseRunning)
	case c.State == StateComa:
		t.check(c, protocol.PhaseStandby)
	}
}
