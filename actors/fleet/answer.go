package fleet

import (
	"time"

	"github.com/urban-robot/urban-robot/protocol"
)

// rest is how long a client that gave its seat up by itself stands back for others.
const rest = 5 * time.Second

// ready answers a client that is logged in to Discord with exactly one command, or with none where one is under way to it.
func (t *turn) ready(e Event, c Client) {
	next, legal := Next(c.State, KindReady)
	if !legal || c.Waiting {
		t.answer(e, protocol.Errorf(protocol.CodeNotAllowed, "", "ready is not allowed in state %s; it follows hello", c.State))
		return
	}
	t.answer(e, nil)
	first := c.State != next
	if first {
		t.change(&c, KindReady)
	}
	c.ReadyBy = time.Time{}
	t.put(c)
	t.loggedIn(c)
	c = t.sendCache(c)
	s := t.seat(c.Seat)
	switch {
	case s.Holder == c.ID && s.Swap.From == c.ID && s.Swap.Stopped && c.Owed == 0:
		t.park(c, protocol.ReasonStandby) // what it held is on its way to another one
	case s.Holder == c.ID && s.Swap.From == c.ID && s.Phase == SeatHeld:
		// an order to stop is under way and is the answer
	case s.Holder == c.ID && s.Phase == SeatGranted && !s.Adopted && t.bad(c.Release):
		t.dismissGranted(s, c, protocol.ReasonQuarantinedVersion, "its release was refused meanwhile")
	case s.Holder == c.ID:
		t.confirm(s, c)
	case c.Owed > 0 || s.Candidate == c.ID:
		// an order, a check or the grant is under way and is the answer
	case t.bad(c.Release):
		t.dismiss(c, protocol.ReasonQuarantinedVersion)
	case t.mayCandidate(s, c):
		t.nominate(s, c)
	default:
		t.park(c, t.standbyReason(s, c))
	}
	t.unsettle(c.Seat)
}

// standbyReason says why a client has to wait.
func (t *turn) standbyReason(s Seat, c Client) protocol.Reason {
	switch {
	case c.Fenced:
		return protocol.ReasonFenced
	case s.Release != "" && t.newer(s.Release, c.Release):
		return protocol.ReasonOutdated
	}
	return protocol.ReasonStandby
}

// confirm sends the holder its ok.
func (t *turn) confirm(s Seat, c Client) {
	again := s.Phase == SeatHeld
	t.change(&c, KindOK)
	c.Fenced, c.Promoted, c.CandidateBy = false, false, time.Time{}
	c.Cache = max(c.Cache, s.Cache.Number) // from here on what it knows is newer
	if !again {
		c.Check, c.Failures, c.Successes = Check{}, 0, 0
		c.NextCheck = t.at.Add(t.Policy.Health.Interval)
	}
	t.put(c)
	t.do(Tell{Client: c.ID, Command: protocol.OK{Epoch: s.Epoch}})
	if again {
		return
	}
	s.Phase, s.Due, s.Adopted = SeatHeld, time.Time{}, false
	if s.Candidate == c.ID {
		s.Candidate = ""
	}
	swapped := s.Swap
	s.Swap = Swap{}
	t.putSeat(s)
	t.noteClient(c, "seat confirmed", swapped.Reason, "")
	t.beginBake(s, c)
}

// park tells a client to wait in coma.
func (t *turn) park(c Client, reason protocol.Reason) {
	if reason == protocol.ReasonOutdated && t.Policy.Outdated == PartingShutdown && t.good(t.seat(c.Seat).Release) {
		t.dismiss(c, reason)
		return
	}
	if s := t.seat(c.Seat); s.Candidate == c.ID {
		s.Candidate = ""
		t.putSeat(s)
	}
	c.Owed++
	c.ComaBy = t.at.Add(t.Policy.Answer)
	c.Fenced, c.Promoted, c.Check = false, false, Check{}
	c.CandidateBy, c.NextCheck = time.Time{}, time.Time{}
	t.put(c)
	t.do(Tell{Client: c.ID, Command: protocol.EnterComa{Reason: reason, Epoch: t.seat(c.Seat).Floor}})
}

// dismiss tells a client that does not hold the seat to leave.
func (t *turn) dismiss(c Client, reason protocol.Reason) {
	t.do(Tell{Client: c.ID, Command: protocol.ShutDown{Reason: reason, Epoch: t.seat(c.Seat).Floor}})
	t.noteClient(c, "client dismissed", reason, c.Verdict.Detail)
	t.leaving(c)
}

// leaving counts a client out: it is still connected, and its connection's own rules see to it that it goes.
func (t *turn) leaving(c Client) {
	t.change(&c, KindShutdown)
	c = idle(c)
	t.put(c)
	if p, ok := t.processes.Get(c.Instance); ok && p.StopBy.IsZero() {
		p.Retired, p.By, p.StopBy = true, time.Time{}, t.at.Add(t.Policy.Answer)
		t.putProcess(p)
		t.recordProcess(p, false)
	}
	t.loggedIn(c)
	t.dropFromSeat(c)
}

// idle is a client of which nothing is expected any more.
func idle(c Client) Client {
	c.Waiting, c.Promoted, c.Owed = false, false, 0
	c.ReadyBy, c.ComaBy, c.NextCheck, c.CandidateBy, c.RestUntil = time.Time{}, time.Time{}, time.Time{}, time.Time{}, time.Time{}
	c.Check = Check{}
	return c
}

// coma takes note that a client has stopped: because it was told so, or by itself.
func (t *turn) coma(e Event, c Client, fact Coma) {
	if _, legal := Next(c.State, KindComa); !legal && c.State != StateShuttingDown {
		t.answer(e, protocol.Errorf(protocol.CodeNotAllowed, "", "coma is not allowed in state %s; send ready first", c.State))
		return
	}
	t.answer(e, nil)
	if c.State == StateShuttingDown {
		return
	}
	s := t.seat(c.Seat)
	proven := t.heardComa(&c, s, fact.Epoch)
	t.change(&c, KindComa)
	if c.NextCheck.IsZero() {
		c.NextCheck = t.at.Add(t.Policy.Health.Interval)
	}
	switch {
	case s.Holder != c.ID:
		t.put(c)
	case !proven:
		t.put(c)
		t.doubt(s)
	case s.Swap.From == c.ID && s.Phase == SeatHeld:
		t.put(c)
		if !s.Swap.Stopped {
			t.stopped(s, fact.Handled)
		}
	default:
		c.RestUntil = t.at.Add(rest)
		t.put(c)
		t.vacate(s, "holder stopped by itself", fact.Handled)
	}
	t.unsettle(c.Seat)
}

// heardComa counts the orders to enter coma that are answered, and reports whether the client does not process any more. One
// that was granted the seat again after it was told to stop may answer that order late, when it is active again: its coma
// proves something only if it names the newest epoch or, where it names none, if no order is left without an answer.
func (t *turn) heardComa(c *Client, s Seat, epoch uint64) bool {
	told := c.Owed > 0
	if told {
		c.Owed--
	}
	proven := epoch >= s.Epoch
	if epoch == 0 {
		proven = !told || c.Owed == 0 && s.Swap.From == c.ID
	}
	if proven {
		c.Owed = 0
	}
	if c.Owed == 0 {
		c.ComaBy = time.Time{}
	}
	return proven
}

// doubt has the holder say ready again: it answered an earlier order late, and whether it processes is not known.
func (t *turn) doubt(s Seat) {
	if s.Phase != SeatHeld || s.Swap.active() {
		return
	}
	s.Phase, s.Adopted, s.Due = SeatGranted, true, t.at.Add(t.Policy.Handover.Deadline)
	t.putSeat(s)
}

// shutdown takes note that a client leaves.
func (t *turn) shutdown(e Event, c Client, fact Shutdown) {
	t.answer(e, nil)
	s := t.seat(c.Seat)
	if fact.Reason == string(protocol.ReasonTokenRejected) {
		t.rejectToken(c)
	}
	p, ours := t.processes.Get(c.Instance)
	holds := s.Holder == c.ID
	switch {
	case s.Swap.From == c.ID && !s.Swap.Stopped:
		t.stopped(s, fact.Handled)
	case holds:
		t.vacate(s, "holder shut down", fact.Handled)
	}
	t.leaving(c)
	if !ours || p.Retired || c.State == StateShuttingDown {
		return
	}
	if !t.ended(s, holds, p, FailureExited, "it left by itself") { // nobody told it to: it is started again, but not in a tight loop
		t.crashed(p, FailureExited)
	}
}

// rejectToken stops all logins and swaps of the fleet: Discord does not take its token.
func (t *turn) rejectToken(c Client) {
	if t.tokenRejected {
		return
	}
	t.tokenRejected = true
	t.note(EventRecord{
		Event: "token rejected", Client: c.ID, Release: c.Release, Seat: c.Seat, Reason: string(protocol.ReasonTokenRejected), Warn: true,
		Detail: "Discord closed with 4004: no client gets the token any more; give the fleet its new token and restart",
	})
	t.alert(AlertError, "token rejected", c.Release, string(protocol.ReasonTokenRejected), "no client gets the token any more; give the fleet its new one and restart")
}

// disconnect takes note that a connection is closed.
func (t *turn) disconnect(c Client, fact Disconnect) {
	t.part(c, fact.Said, fact.Reason)
}

// gone forgets a connection that we close. Until it is closed its client may hear of us, and so keep its lease alive.
func (t *turn) gone(c Client, why string) {
	held := t.seat(c.Seat).Holder == c.ID
	t.part(c, false, why)
	if s := t.seat(c.Seat); held && s.Phase == SeatLost {
		s.Closing = c.ID
		t.putSeat(s)
	}
}

// closed takes note that a connection which we closed has ended: a lease counts from here.
func (t *turn) closed(id ClientID) {
	for it := t.seats.Iterator(); !it.Done(); {
		if _, s, _ := it.Next(); s.Closing == id && id != "" {
			s.Closing, s.Due = "", t.Policy.leaseOver(t.at)
			t.putSeat(s)
		}
	}
}

// part forgets a connection. If the client was told to shut down and said itself, in due form, that it disconnects, then
// that is its answer.
func (t *turn) part(c Client, said bool, why string) {
	t.changeFor(&c, KindDisconnect, why)
	t.forget(c.ID)
	if id, ok := t.instances.Get(c.Instance); ok && id == c.ID {
		t.instances = t.instances.Delete(c.Instance)
	}
	if p, ok := t.processes.Get(c.Instance); ok && !p.Retired {
		p.By = t.at.Add(t.Policy.Ready) // it comes back, or it hangs
		t.putProcess(p)
	}
	t.loggedIn(c)
	s := t.seat(c.Seat)
	switch {
	case s.Holder == c.ID && s.Swap.From == c.ID && s.Swap.Stopped && c.Owed == 0:
		// it has stopped before it went: nothing is lost
	case s.Swap.From == c.ID && s.Swap.Order == PartingShutdown && said && !s.Swap.Stopped:
		t.stopped(s, nil)
	case s.Holder == c.ID:
		t.lose(s)
	}
	t.dropFromSeat(c)
}

// dropFromSeat ends what a client had to do with its seat besides holding it.
func (t *turn) dropFromSeat(c Client) {
	s := t.seat(c.Seat)
	if s.Candidate == c.ID {
		s.Candidate = ""
	}
	if s.Before == c.ID {
		s.Before = ""
	}
	t.putSeat(s)
	if s.Swap.To == c.ID && s.Holder != c.ID {
		t.abort(s, "the new one has gone")
	}
	t.unsettle(c.Seat)
}
