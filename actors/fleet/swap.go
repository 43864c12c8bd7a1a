package fleet

import (
	"slices"
	"time"

	"github.com/urban-robot/urban-robot/protocol"
)

// beginSwap tells the holder to stop, so that another client can take the seat. The new one is told nothing before the old
// one has answered.
func (t *turn) beginSwap(s Seat, to Client, order Parting, reason protocol.Reason, revert bool) {
	from, ok := t.clients.Get(s.Holder)
	if !ok || t.tokenRejected {
		return
	}
	s.Swap = Swap{
		From: from.ID, To: to.ID, Order: order, Reason: reason, By: t.at.Add(t.Policy.Handover.Deadline), Revert: revert,
	}
	t.putSeat(s)
	from.Check = Check{}
	h := t.Policy.Handover
	if order == PartingShutdown {
		t.do(Tell{Client: from.ID, Command: protocol.ShutDown{Reason: reason, CacheSync: h.CacheSync, Epoch: s.Epoch, DrainMS: h.Drain.Milliseconds()}})
		t.retireHolder(from, s.Swap.By)
	} else {
		from.Owed++
		t.do(Tell{Client: from.ID, Command: protocol.EnterComa{Reason: reason, CacheSync: h.CacheSync, Epoch: s.Epoch, DrainMS: h.Drain.Milliseconds()}})
	}
	t.put(from)
	t.note(EventRecord{
		Event: "swap begun", Client: to.ID, Release: to.Release, Seat: s.ID, Epoch: s.Epoch, From: string(from.Release), To: string(to.Release), Reason: string(reason),
	})
}

// stopped takes note that the old holder does not process any more.
func (t *turn) stopped(s Seat, handled []string) {
	s.Swap.Stopped = true
	s.Handled = slices.Clone(handled)
	s.BakeUntil = time.Time{}
	t.putSeat(s)
	if s.Storing == 0 {
		t.handOver(s)
	}
}

// handOver grants the seat to the new one, once the old one has stopped and its cache is stored.
func (t *turn) handOver(s Seat) {
	to, ok := t.clients.Get(s.Swap.To)
	if !ok {
		t.abort(s, "the new one has gone")
		return
	}
	s.Swap.By = time.Time{}
	s.Before = s.Swap.From
	t.wakeUp(s, to)
}

// abort ends a swap that did not come about. The old holder gets the seat back, with an epoch above the one meant for the
// new one; a timeout is never read as success.
func (t *turn) abort(s Seat, why string) {
	swap := s.Swap
	s.Swap = Swap{}
	if s.Candidate == swap.To {
		s.Candidate = ""
	}
	s.NoSwapUntil = t.at.Add(t.Policy.Health.Interval)
	if s.Phase == SeatHeld {
		s.Floor = max(s.Floor, s.Epoch+1)
	}
	t.note(EventRecord{Event: "swap aborted", Client: swap.To, Release: s.Release, Seat: s.ID, Epoch: s.Epoch, Reason: string(swap.Reason), Detail: why, Warn: true})
	from, connected := t.clients.Get(swap.From)
	refused := swap.Stopped && t.bad(from.Release)
	stays := connected && from.State != StateShuttingDown && swap.Order == PartingComa && !refused
	switch {
	case stays:
		s = t.grant(s, from, t.Policy.Handover.Deadline)
		s.Adopted = !swap.Stopped
		t.putSeat(s)
		t.standAside(swap.To)
		t.do(Tell{Client: from.ID, Command: protocol.ProcessCommands{Epoch: s.Epoch, Handled: s.Handled, Replay: true}})
	case swap.Stopped:
		t.vacate(s, why, s.Handled)
	case connected:
		t.putSeat(s) // it was told to shut down: it says so, or its connection's rules end it, and the lease decides
	default:
		t.putSeat(s)
	}
}

// standAside parks the new one of an aborted swap, if it is still there and not on its way out.
func (t *turn) standAside(id ClientID) {
	if c, ok := t.clients.Get(id); ok && c.State != StateShuttingDown && c.Owed == 0 {
		t.park(c, protocol.ReasonStandby)
	}
}

// tickSeat does what is due on a seat.
func (t *turn) tickSeat(s Seat) {
	if due(s.NoSwapUntil, t.at) {
		s.NoSwapUntil = time.Time{}
		t.putSeat(s)
		t.unsettle(s.ID)
	}
	switch {
	case s.Phase == SeatGranted && due(s.Due, t.at):
		t.grantExpired(s)
	case s.Phase == SeatLost && due(s.Due, t.at) && s.Closing != "":
		t.closed(s.Closing) // the order to close may have waited for the store; by now it is given
	case s.Phase == SeatLost && due(s.Due, t.at):
		t.leaseEnded(s)
	case s.Swap.active() && due(s.Swap.By, t.at):
		t.swapExpired(s)
	case due(s.BakeUntil, t.at):
		t.endBake(s)
	}
}

// leaseEnded takes the seat from a holder that is out of reach. If that happens in its bake, its release has failed.
func (t *turn) leaseEnded(s Seat) {
	t.vacate(s, "the lease is over", nil)
	if t.bakes(s) {
		p := Process{Instance: s.Instance, Release: s.Release, Seat: s.ID}
		t.ended(s, true, p, FailureCrashed, "the holder was lost in the bake and did not come back within its lease")
	}
}

// grantExpired takes a seat from a client that was not ready in time.
func (t *turn) grantExpired(s Seat) {
	c, ok := t.clients.Get(s.Holder)
	if !ok {
		t.lose(s)
		return
	}
	if s.Adopted { // it may be processing: only its lease proves that it is not
		t.noteClient(c, "adopted holder not ready in time", protocol.ReasonStartupTimeout, "")
		t.hangUp(c, "ready")
		return
	}
	s.Holder = ""
	t.putSeat(s)
	switch {
	case c.State == StateIdentified:
		t.tooLate(c)
	case s.Swap.active() && !t.good(c.Release):
		t.refuseRelease(c.Release, string(protocol.ReasonStartupTimeout), "not ready in time after process_commands", c.ID)
	default: // it may have lost Discord for a while
		c.RestUntil = t.at.Add(rest)
		t.park(c, protocol.ReasonStandby)
	}
	if s = t.seat(s.ID); s.Holder == "" && s.Phase == SeatGranted {
		t.notTaken(s, "not ready in time")
	}
}

// dismissGranted takes a seat from a client that has it but was never told ok, and sends it away.
func (t *turn) dismissGranted(s Seat, c Client, reason protocol.Reason, why string) {
	s.Holder = ""
	t.putSeat(s)
	t.dismiss(c, reason)
	if s = t.seat(s.ID); s.Holder == "" && s.Phase == SeatGranted {
		t.notTaken(s, why)
	}
}

// hangUp ends at once the connection of a client that did not answer.
func (t *turn) hangUp(c Client, event string) {
	err := protocol.Errorf(protocol.CodeTimeout, "", "%s did not come in time", event)
	if t.seat(c.Seat).Holder == c.ID { // nothing that was sent to it before may still arrive: neither may a last word
		t.do(Hangup{Client: c.ID, Abort: true})
	} else {
		t.do(Answer{Client: c.ID, Event: event, Err: err}, Hangup{Client: c.ID})
	}
	t.gone(c, err.Error())
}

// swapExpired looks at a swap whose old holder did not answer in time, or whose last cache is slow to be stored.
func (t *turn) swapExpired(s Seat) {
	if s.Swap.Stopped {
		t.handOver(s)
		return
	}
	from, ok := t.clients.Get(s.Swap.From)
	if ok && s.Swap.Order == PartingShutdown {
		t.noteClient(from, "holder did not shut down in time", s.Swap.Reason, "")
		t.hangUp(from, protocol.EventShutdown)
		return
	}
	t.abort(s, "the old one did not answer in time")
}
