package fleet

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"github.com/urban-robot/urban-robot/protocol"
)

// grant gives a seat to a client. It is stored before it is told.
func (t *turn) grant(s Seat, c Client, within time.Duration) Seat {
	s.Epoch = max(s.Epoch, s.Floor) + 1
	s.Floor = s.Epoch
	s.Phase, s.Holder, s.Instance, s.Release = SeatGranted, c.ID, c.Instance, c.Release
	s.Adopted, s.Since, s.Due, s.BakeUntil, s.Short = false, t.at, t.at.Add(within), time.Time{}, false
	t.putSeat(s)
	t.record(SeatRecord{
		Seat: s.ID, Epoch: s.Epoch, Instance: s.Instance, Release: s.Release, Since: s.Since, Handled: s.Handled,
	})
	t.noteClient(c, "seat granted", s.Swap.Reason, "")
	return s
}

// wakeUp grants a seat to a client in coma, or to a candidate that has passed.
func (t *turn) wakeUp(s Seat, c Client) {
	s = t.grant(s, c, t.Policy.Handover.Deadline)
	if s.Candidate == c.ID {
		s.Candidate = ""
		t.putSeat(s)
	}
	c.Check, c.NextCheck, c.RestUntil, c.CandidateBy = Check{}, time.Time{}, time.Time{}, time.Time{}
	t.put(c)
	c = t.sendCache(c)
	t.do(Tell{Client: c.ID, Command: protocol.ProcessCommands{Epoch: s.Epoch, Handled: s.Handled, Replay: true}})
}

// vacate takes a seat from a holder that is known not to process.
func (t *turn) vacate(s Seat, why string, handled []string) {
	t.note(EventRecord{Event: "seat vacated", Client: s.Holder, Release: s.Release, Seat: s.ID, Epoch: s.Epoch, Detail: why})
	if s.Holder != "" {
		s.Before = s.Holder
	}
	s.Phase, s.Holder, s.Instance, s.Adopted, s.Since = SeatVacant, "", "", false, t.at
	s.Due, s.Closing, s.BakeUntil, s.Swap = time.Time{}, "", time.Time{}, Swap{}
	s.Handled = slices.Clone(handled)
	t.putSeat(s)
	t.record(SeatRecord{Seat: s.ID, Epoch: s.Epoch, Release: s.Release, Since: t.at, Handled: s.Handled})
	t.unsettle(s.ID)
}

// lose takes note that the holder's connection is gone. One that may be processing keeps the seat until its lease is over.
func (t *turn) lose(s Seat) {
	if s.Phase == SeatGranted && !s.Adopted {
		t.notTaken(s, "the one it was granted to has gone")
		return
	}
	t.note(EventRecord{Event: "seat lost", Client: s.Holder, Release: s.Release, Seat: s.ID, Epoch: s.Epoch, Warn: true})
	s.Phase, s.Holder, s.Adopted = SeatLost, "", false
	s.Due = t.Policy.leaseOver(t.at)
	s.Swap = Swap{}
	t.putSeat(s)
	t.unsettle(s.ID)
}

// notTaken ends a grant that was never confirmed: nobody processes.
func (t *turn) notTaken(s Seat, why string) {
	swap := s.Swap
	if swap.active() && swap.Stopped {
		s.Swap = swap
		t.abort(s, why)
		return
	}
	t.vacate(s, why, s.Handled)
}

// settle brings every seat that this turn touched to where it should be.
func (t *turn) settle() {
	for len(t.unsettled) > 0 {
		id := t.unsettled[0]
		t.unsettled = slices.DeleteFunc(t.unsettled, func(other int) bool { return other == id })
		t.settleSeat(t.seat(id))
	}
}

func (t *turn) settleSeat(s Seat) {
	if t.tokenRejected && s.Phase != SeatVacant {
		return
	}
	switch {
	case s.Phase == SeatVacant && s.Storing != 0:
		// the cache of the holder before comes first; CacheStored settles again
	case s.Phase == SeatVacant:
		t.fill(s)
	case s.Phase == SeatHeld && !s.Swap.active():
		t.improve(s)
	}
}

// fill finds a holder for a vacant seat, or a candidate that may become one.
func (t *turn) fill(s Seat) {
	if c, ok := t.choose(s, anyone); ok {
		t.wakeUp(s, c)
		return
	}
	if s.Candidate != "" {
		return
	}
	t.nominateWaiting(s, func(Release) bool { return true })
}

// nominateWaiting makes the best of the clients in coma the candidate, if one of such a release may be it.
func (t *turn) nominateWaiting(s Seat, such func(Release) bool) bool {
	if !t.anyWaiting(s.ID, such) {
		return false
	}
	waiting := t.of(s.ID, func(c Client) bool { return t.mayCandidate(s, c) && c.State == StateComa && c.Owed == 0 })
	if len(waiting) == 0 {
		return false
	}
	t.nominate(s, slices.MaxFunc(waiting, t.byRelease))
	return true
}

// replaceBad takes the seat from a holder whose release is refused, if there is one that may have it.
func (t *turn) replaceBad(s Seat) {
	if c, ok := t.choose(s, func(c Client) bool { return c.Release != s.Release }); ok {
		t.beginSwap(s, c, PartingShutdown, protocol.ReasonRollback, true)
	}
}

// leftOver takes the seat from a release that was superseded, where all later ones came to nothing: what is desired then is the last known
// good one.
func (t *turn) leftOver(s Seat) bool {
	desired := t.rollout.Desired
	_, ours := t.processes.Get(s.Instance)
	if !ours || t.rollout.Attempt.underWay() || !s.BakeUntil.IsZero() || s.Release == desired || !t.good(desired) {
		return false
	}
	c, ok := t.choose(s, func(c Client) bool { return c.Release == desired })
	if ok && c.Verdict.Passed() {
		t.beginSwap(s, c, PartingShutdown, protocol.ReasonSuperseded, true)
	}
	return ok
}

// improve looks for a client that should hold the seat rather than its holder: a newer release that has passed, or a healthy
// one where the holder fails.
func (t *turn) improve(s Seat) {
	if !s.NoSwapUntil.IsZero() {
		return
	}
	if c, ok := t.clients.Get(s.Candidate); ok {
		switch {
		case !c.Promoted:
		case t.newer(c.Release, s.Release):
			t.beginSwap(s, c, t.Policy.Handover.To, protocol.ReasonHandover, false)
		default: // it was to fill the vacant seat, and another one has
			s.Candidate = ""
			t.putSeat(s)
			t.park(c, t.standbyReason(s, c))
		}
		return
	}
	if t.nominateWaiting(s, func(r Release) bool { return t.newer(r, s.Release) }) {
		return
	}
	if t.bad(s.Release) {
		t.replaceBad(s)
		return
	}
	if t.leftOver(s) {
		return
	}
	t.relieve(s)
	t.countStandbys(t.seat(s.ID))
}

// relieve replaces a holder that fails again and again by a standby that does not.
func (t *turn) relieve(s Seat) {
	holder, ok := t.clients.Get(s.Holder)
	if !ok || holder.Failures < t.Policy.Health.Failures {
		return
	}
	c, ok := t.choose(s, func(c Client) bool { return c.ID != holder.ID })
	if !ok || c.Verdict.Result != ResultOK {
		return
	}
	t.beginSwap(s, c, PartingComa, holder.Verdict.Reason, false)
}

// choose finds the best client for a seat that is, or will be, free: one that is logged in, waits, and may hold it.
func (t *turn) choose(s Seat, allowed func(Client) bool) (Client, bool) {
	fit := t.of(s.ID, func(c Client) bool {
		waits := c.State == StateComa && c.Owed == 0 || c.State == StateReady && c.Promoted
		return waits && allowed(c) && !t.bad(c.Release) && (t.coldStart(c) || c.Promoted)
	})
	if len(fit) == 0 {
		return Client{}, false
	}
	best := slices.MinFunc(fit, func(a, b Client) int { return cmp.Or(t.rank(s, a)-t.rank(s, b), cmp.Compare(a.Number, b.Number)) })
	if !best.RestUntil.IsZero() {
		return Client{}, false // the only ones left stand back for a moment
	}
	return best, true
}

func anyone(Client) bool { return true }

// rank orders those who may hold a seat: lower is better.
func (t *turn) rank(s Seat, c Client) int {
	r := 0
	if !c.RestUntil.IsZero() {
		r += 100
	}
	switch c.Verdict.Result {
	case ResultFail, ResultError:
		r += 50
	case ResultDegraded, ResultInconclusive:
		r += 10
	case ResultOK:
	}
	switch {
	case c.Release == t.lastGood && t.lastGood != "":
	case t.lastGood == "" && c.Release == s.Release:
	case c.Promoted:
		r += 2
	default:
		r += 4
	}
	return r
}

// countStandbys says once that a seat has too few healthy standbys.
func (t *turn) countStandbys(s Seat) {
	healthy := t.able(s.ID)
	short := healthy < t.Policy.Standbys
	if short && s.Before != "" && !s.Short {
		t.note(EventRecord{Event: "standby missing", Release: s.Release, Seat: s.ID, Epoch: s.Epoch, Warn: true})
		t.alert(AlertWarning, "standby missing", s.Release, "", fmt.Sprintf("%d of %d are healthy", healthy, t.Policy.Standbys))
	}
	if short != s.Short {
		s.Short = short
		t.putSeat(s)
	}
}

// byRelease orders clients by release where that means something, else by arrival.
func (t *turn) byRelease(a, b Client) int {
	switch {
	case t.newer(a.Release, b.Release):
		return 1
	case t.newer(b.Release, a.Release):
		return -1
	}
	return cmp.Compare(a.Number, b.Number)
}
