package fleet

import (
	"time"

	"github.com/urban-robot/urban-robot/protocol"
)

// Decide answers an event: the fleet as it is afterwards and what is to be done, in this order. It is total: an event that
// is not allowed changes nothing and is answered.
func Decide(e Event, f Fleet) (Fleet, []Effect) {
	t := &turn{Fleet: f, at: e.At}
	t.handle(e)
	t.settle()
	for t.restaff {
		t.restaff = false
		t.staff()
		t.settle()
	}
	if t.changed {
		t.record(t.rollout)
	}
	if _, tick := e.Fact.(Tick); tick {
		t.wake = t.earliest()
	}
	return t.Fleet, t.result()
}

// turn is one call of Decide: the fleet as it becomes, and the effects so far.
type turn struct {
	Fleet
	at        time.Time
	records   []Record
	effects   []Effect
	unsettled []int // seats to look at before the turn ends
	restaff   bool  // the processes are to be looked at, too
	changed   bool  // the rollout is to be stored
	reverted  bool  // a revert is counted
}

func (t *turn) handle(e Event) {
	switch fact := e.Fact.(type) {
	case Tick:
		t.tick()
	case Exited, Running, Prepared, Launched:
		t.driven(fact)
		t.restaff = true
	case Deploy, Rollback, TryAgain:
		t.asked(e)
		t.restaff = true
	case CacheStored:
		t.cacheStored(e, fact)
	case Identify:
		t.identify(e, fact)
	default:
		t.said(e)
	}
}

// driven is what the driver says.
func (t *turn) driven(fact Fact) {
	switch fact := fact.(type) {
	case Exited:
		t.exited(fact)
	case Running:
		t.running(fact)
	case Prepared:
		t.preparedRelease(fact)
	case Launched:
		t.launched(fact)
	}
}

// asked is what people and webhooks want.
func (t *turn) asked(e Event) {
	switch fact := e.Fact.(type) {
	case Deploy:
		t.deploy(e, fact)
	case Rollback:
		t.rollBack(e, fact)
	case TryAgain:
		t.tryAgain(e, fact)
	}
}

// said is what a client says that is in the fleet.
func (t *turn) said(e Event) {
	c, ok := t.clients.Get(e.Client)
	if !ok {
		t.stranger(e)
		return
	}
	switch fact := e.Fact.(type) {
	case Disconnect:
		t.disconnect(c, fact)
	case Shutdown:
		t.shutdown(e, c, fact)
	case Ready:
		t.ready(e, c)
	case Health:
		t.health(e, c, fact)
	case Cache:
		t.cache(e, c, fact)
	case Coma:
		t.coma(e, c, fact)
	}
}

// stranger answers a client that is not in the fleet: it never was, or it was refused and goes.
func (t *turn) stranger(e Event) {
	switch e.Fact.(type) {
	case Disconnect:
		t.closed(e.Client)
	case Shutdown:
		t.answer(e, nil)
	default:
		t.answer(e, protocol.Errorf(protocol.CodeNotAllowed, "", "this connection is not let in; identify first"))
	}
}

// result puts the records before everything else.
func (t *turn) result() []Effect {
	if len(t.records) == 0 {
		return t.effects
	}
	return append([]Effect{Store{Records: t.records}}, t.effects...)
}

func (t *turn) do(effects ...Effect) { t.effects = append(t.effects, effects...) }

func (t *turn) record(r Record) { t.records = append(t.records, r) }

// answer acknowledges an event; err nil means that it was accepted.
func (t *turn) answer(e Event, err *protocol.Error) {
	if e.Client == "" || e.Ack == 0 && err == nil {
		return
	}
	t.do(Answer{Client: e.Client, Ack: e.Ack, Event: nameOf(e.Fact), Err: err})
}

// note writes the audit trail.
func (t *turn) note(r EventRecord) {
	r.At = t.at
	t.record(r)
}

// noteClient writes a line about a client.
func (t *turn) noteClient(c Client, event string, reason protocol.Reason, detail string) {
	t.note(EventRecord{
		Event: event, Client: c.ID, Release: c.Release, Seat: c.Seat, Epoch: t.seat(c.Seat).Epoch, Reason: string(reason), Detail: detail,
	})
}

// putSeat keeps a seat; the wake-up moves forward if the seat needs it.
func (t *turn) putSeat(s Seat) {
	t.seats = t.seats.Set(s.ID, s)
	t.wake = earliest(t.wake, s.next())
}

// change gives a client its next state. A step that is not legal leaves the state as it is.
func (t *turn) change(c *Client, k Kind) { t.changeFor(c, k, "") }

// changeFor is change with a word for people on why.
func (t *turn) changeFor(c *Client, k Kind, detail string) {
	from := c.State
	c.State, _ = Next(c.State, k)
	if c.State != from {
		t.note(EventRecord{
			Event: "client changed state", Client: c.ID, Release: c.Release, Seat: c.Seat, Epoch: t.seat(c.Seat).Epoch,
			From: from.String(), To: c.State.String(), Reason: k.String(), Detail: detail,
		})
	}
}

// unsettle has a seat looked at before the turn ends.
func (t *turn) unsettle(seat int) {
	t.unsettled = append(t.unsettled, seat)
	t.restaff = t.Policy.Rollout.Driven
}

// of lists the clients of a seat for which keep is true, by arrival.
func (t *turn) of(seat int, keep func(Client) bool) []Client {
	var clients []Client
	for it := t.clients.Iterator(); !it.Done(); {
		_, c, _ := it.Next()
		if c.Seat == seat && keep(c) {
			clients = append(clients, c)
		}
	}
	sortByNumber(clients)
	return clients
}

// nameOf returns the wire's name of the event that a fact came from.
func nameOf(f Fact) string {
	switch f.(type) {
	case Identify:
		return protocol.EventIdentify
	case Ready:
		return protocol.EventReady
	case Health:
		return protocol.EventHealthCheck
	case Cache, CacheStored:
		return protocol.EventCacheSync
	case Coma:
		return protocol.EventComa
	case Shutdown:
		return protocol.EventShutdown
	}
	return ""
}
