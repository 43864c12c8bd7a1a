package fleet

import (
	"cmp"
	"slices"
	"time"

	"github.com/urban-robot/urban-robot/protocol"
)

// identify takes a client into the fleet, or refuses it.
func (t *turn) identify(e Event, fact Identify) {
	seat, wrong := t.seatFor(fact)
	if _, twice := t.clients.Get(e.Client); twice {
		wrong = protocol.Errorf(protocol.CodeNotAllowed, "", "identify was accepted before; send it once for each connection")
		t.answer(e, wrong)
		return
	}
	if p, ok := t.processes.Get(fact.Instance); wrong == nil && (ok || fact.Launched) {
		wrong = t.wanted(fact.Instance, p, ok)
		fact.Release, seat = p.Release, p.Seat // what it was started as, whatever it says
	}
	if wrong == nil {
		wrong = t.refusal(fact)
	}
	if wrong != nil {
		t.refuse(e, fact, wrong)
		return
	}
	t.arrivals++
	c := Client{
		ID: e.Client, Number: t.arrivals, Instance: fact.Instance, Release: fact.Release, Seat: seat, State: StateConnected,
	}
	if c.Instance == "" {
		c.Instance = "i-" + string(e.Client)
	}
	if before, ok := t.instances.Get(c.Instance); ok {
		t.replaced(before)
	}
	t.instances = t.instances.Set(c.Instance, c.ID)
	t.record(ClientRecord{
		Instance: c.Instance, Release: c.Release, Library: fact.Library, Host: fact.Host, PID: fact.PID, Seat: seat, Seen: t.at,
	})
	t.change(&c, KindIdentify)
	t.answer(e, nil)
	t.returned(&c, fact)
	t.admit(c, fact.Session != nil && fact.Session.Ready)
}

// wanted says why a process that was started may not come in any more. One that the rules have forgotten is stopped: its start may have
// taken longer than the survey of what runs.
func (t *turn) wanted(instance string, p Process, known bool) *protocol.Error {
	if known && !p.Retired {
		if !p.By.IsZero() {
			p.By = time.Time{}
			t.putProcess(p)
		}
		return nil
	}
	if !known {
		t.do(StopProcess{Instance: instance})
	}
	return protocol.Errorf(protocol.CodeUnauthorized, "launch", "this process is not wanted any more")
}

// seatFor finds the seat a client belongs to.
func (t *turn) seatFor(fact Identify) (int, *protocol.Error) {
	if fact.Shards != nil && *fact.Shards != t.Policy.Shards {
		return 0, protocol.Errorf(protocol.CodeMalformed, "num_shards", "this fleet has %d, the client says %d; change the one that is wrong", t.Policy.Shards, *fact.Shards)
	}
	if fact.Shard != nil {
		if *fact.Shard >= t.Policy.Shards {
			return 0, protocol.Errorf(protocol.CodeMalformed, "shard_id", "want 0 to %d, for this fleet has %d shards", t.Policy.Shards-1, t.Policy.Shards)
		}
		return *fact.Shard, nil
	}
	if t.Policy.Shards == 1 {
		return 0, nil
	}
	crowd := make([]int, t.Policy.Shards)
	for it := t.clients.Iterator(); !it.Done(); {
		_, c, _ := it.Next()
		crowd[c.Seat]++
	}
	return slices.Index(crowd, slices.Min(crowd)), nil
}

// refusal says why a client may not come in at all.
func (t *turn) refusal(fact Identify) *protocol.Error {
	if t.tokenRejected {
		return protocol.Errorf(protocol.CodeTokenRejected, "", "Discord rejected this fleet's token; give the fleet its new token and restart Urban Robot")
	}
	if t.bad(fact.Release) {
		return t.quarantined(fact.Release)
	}
	return nil
}

// quarantined is the error for a client of a refused release.
func (t *turn) quarantined(release Release) *protocol.Error {
	r, _ := t.releases.Get(release)
	return protocol.Errorf(protocol.CodeQuarantined, "version", "release %s failed at %s (%s) and is refused; deploy another one", release, r.At.UTC().Format("2006-01-02 15:04:05Z"), r.Reason)
}

// refuse answers an identify with an error, no token, and closes. A refused release is told to leave, too, so that its process ends.
func (t *turn) refuse(e Event, fact Identify, err *protocol.Error) {
	t.note(EventRecord{Event: "client refused", Client: e.Client, Release: fact.Release, Reason: string(err.Code), Detail: err.Message, Warn: true})
	t.answer(e, err)
	t.do(Say{Client: e.Client, Hello: protocol.Hello{Error: err}})
	if err.Code == protocol.CodeQuarantined {
		t.do(Tell{Client: e.Client, Command: protocol.ShutDown{Reason: protocol.ReasonQuarantinedVersion}})
		return // it answers and goes, or its time to leave runs out
	}
	t.do(Hangup{Client: e.Client})
}

// replaced ends the older of two connections of one instance: its process has come back before the loss was noticed. At
// once, so that nothing sent on it can still arrive.
func (t *turn) replaced(before ClientID) {
	old, ok := t.clients.Get(before)
	if !ok {
		return
	}
	t.do(Hangup{Client: before, Abort: true})
	t.gone(old, "replaced by its instance's new connection")
}

// epochLeap is how far ahead of the store a client's epoch is believed: a backup is not that old, and no client uses up the
// numbers of all others.
const epochLeap = 1_000_000

// returned looks at what a client says of its session before: it is adopted, it has stopped by itself, or it is fenced.
func (t *turn) returned(c *Client, fact Identify) {
	s := t.seat(c.Seat)
	session := fact.Session
	if session == nil && fact.Launched && s.Phase == SeatLost && s.Instance == c.Instance {
		session = &protocol.Session{Epoch: s.Epoch, Active: true} // its launch secret proves that it is the very process
	}
	if session == nil {
		return
	}
	if session.Epoch > s.Floor {
		if session.Epoch-s.Floor <= epochLeap {
			s.Floor = session.Epoch
			t.putSeat(s)
		}
		t.note(EventRecord{
			Event: "client claims an epoch never granted", Client: c.ID, Release: c.Release, Seat: s.ID, Epoch: session.Epoch, Warn: true,
			Detail: "was the state restored from a backup?",
		})
	}
	same := s.Phase == SeatLost && s.Instance == c.Instance
	mine := same && s.Epoch == session.Epoch
	switch {
	case mine && session.Active:
		s.Phase, s.Holder, s.Adopted, s.Due, s.Closing = SeatGranted, c.ID, true, t.at.Add(t.Policy.Ready), ""
		t.putSeat(s)
		t.noteClient(*c, "holder adopted", "", "")
	case mine:
		t.vacate(s, "holder had stopped by itself", fact.Handled)
	case same && fact.Launched && !session.Active: // an instance that was launched is one process: it speaks for itself
		t.vacate(s, "its grant never reached it", s.Handled)
	case session.Active:
		c.Fenced = true
		t.noteClient(*c, "stale holder fenced", protocol.ReasonFenced, "")
	}
}

// greet sends hello: what the client is, and the token.
func (t *turn) greet(c Client) {
	s := t.seat(c.Seat)
	holds := s.Holder == c.ID
	if !holds && !c.Fenced && s.Phase == SeatVacant && t.coldStart(c) {
		s = t.grant(s, c, t.Policy.Ready)
		holds = true
	}
	c.Waiting, c.ReadyBy = false, t.at.Add(t.Policy.Ready)
	t.put(c)
	if holds && s.Phase == SeatGranted {
		s.Due = c.ReadyBy // it may have waited for its login
		t.putSeat(s)
	}
	epoch := s.Epoch
	if !holds {
		epoch = s.Floor // it would ignore less than the newest it has seen
	}
	hello := protocol.Hello{
		ProcessCommands: holds, Instance: c.Instance, Epoch: epoch, LeaseMS: t.Policy.Lease.Milliseconds(),
	}
	if t.Policy.Shards > 1 {
		shard, shards := c.Seat, t.Policy.Shards
		hello.ShardID, hello.NumShards = &shard, &shards
	}
	t.do(Say{Client: c.ID, Hello: hello})
}

// coldStart reports whether a client may be granted a vacant seat in hello, unproven.
func (t *turn) coldStart(c Client) bool {
	return t.lastGood == "" || t.good(c.Release)
}

func (t *turn) good(r Release) bool {
	known, ok := t.releases.Get(r)
	return ok && known.State == ReleaseGood
}

func (t *turn) bad(r Release) bool {
	known, ok := t.releases.Get(r)
	return ok && known.State == ReleaseBad
}

func sortByNumber(clients []Client) {
	slices.SortFunc(clients, func(a, b Client) int { return cmp.Compare(a.Number, b.Number) })
}
