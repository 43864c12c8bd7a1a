package actors

import (
	"errors"
	"slices"
	"time"

	"github.com/asynkron/protoactor-go/actor"

	"github.com/urban-robot/urban-robot/actors/fleet"
	"github.com/urban-robot/urban-robot/actors/store"
	"github.com/urban-robot/urban-robot/protocol"
)

const (
	retryAfter = time.Second // after the store failed
	// waitingLimit is how much may wait for the store, beside two caches; what is no cache counts with waitingCost.
	waitingLimit = 64 << 20
	waitingCost  = 1 << 10
)

// waiting is what cannot be handled now, in its order.
type waiting struct {
	messages []any
	bytes    int
	limit    int
}

func (w *waiting) add(msg any) { w.messages, w.bytes = append(w.messages, msg), w.bytes+cost(msg) }

// next takes the first message off.
func (w *waiting) next() any {
	first := w.messages[0]
	w.bytes -= cost(first)
	w.messages[0] = nil
	w.messages = w.messages[1:]
	if len(w.messages) == 0 {
		w.messages = nil
	}
	return first
}

// back puts a message first again.
func (w *waiting) back(msg any) {
	w.messages, w.bytes = slices.Insert(w.messages, 0, msg), w.bytes+cost(msg)
}

func cost(msg any) int {
	if c, ok := msg.(cacheSaid); ok {
		return c.cache.Size() + waitingCost
	}
	return waitingCost
}

// wait keeps a message until it can be handled. Where that would be too much, a cache is refused, and a client that sends
// something else is cut off: it comes back.
func (a *supervisor) wait(ctx actor.Context, msg any) {
	tooMuch := a.waiting.bytes+cost(msg) > a.waiting.limit
	switch msg := msg.(type) {
	case tick:
		return // resume ends with one
	case cacheSaid:
		if tooMuch {
			err := protocol.Errorf(protocol.CodeUnavailable, "", "the cache cannot be stored now; send it again")
			a.order(ctx, msg.client, fleet.Answer{Client: msg.client, Ack: msg.ack, Event: protocol.EventCacheSync, Err: err})
			return
		}
	case said:
		if _, ends := msg.fact.(fleet.Disconnect); tooMuch && !ends {
			a.order(ctx, msg.client, fleet.Hangup{Client: msg.client, Abort: true})
			return
		}
	}
	a.waiting.add(msg)
}

// stall has everything wait until the store works, first the message that could not be decided.
func (a *supervisor) stall(ctx actor.Context, msg any, err error) {
	if _, later := msg.(tick); !later {
		a.waiting.back(msg)
	}
	a.phase = stalled
	a.storeFailed(ctx, "decision not stored", err)
}

// retry goes on where the store failed.
func (a *supervisor) retry(ctx actor.Context) {
	switch a.phase {
	case loading:
		a.load(ctx)
	case stalled:
		a.resume(ctx)
	case running, over:
	}
	if a.phase != running {
		return
	}
	a.trail.pausing = false
	a.saveTrail(ctx)
	if a.trail.batch == nil { // it went with a decision
		a.storeWorks()
	}
}

// resume handles what came while nothing could be decided, and only then looks for who is late.
func (a *supervisor) resume(ctx actor.Context) {
	a.phase = running
	count := len(a.waiting.messages)
	for {
		var msg any = tick{}
		if len(a.waiting.messages) > 0 {
			msg = a.waiting.next() // one that makes it panic must not come again
		}
		if err := a.handle(ctx, msg); err != nil {
			a.stall(ctx, msg, err)
			return
		}
		if _, last := msg.(tick); last {
			break
		}
	}
	if count > 0 {
		a.log.Debug().Int("messages", count).Msg("fleet caught up")
	}
	a.storeWorks()
}

// outage is a time in which the store does not work. The zero outage is none.
type outage struct {
	since   time.Time
	attempt int
}

// storeFailed decides what a failed write means. One line says that the store fails, and one that it works again.
func (a *supervisor) storeFailed(ctx actor.Context, what string, err error) {
	switch {
	case errors.Is(err, store.ErrSuperseded):
		a.giveUp(ctx, err)
		return
	case errors.Is(err, store.ErrInvalid), errors.Is(err, store.ErrStaleEpoch):
		panic(err) // the rules decided what cannot be: begin again from the store
	}
	if a.outage.attempt++; a.outage.attempt == 1 {
		a.outage.since = time.Now()
		a.log.Error().AnErr("err", err).Msg(what)
	} else {
		a.log.Debug().AnErr("err", err).Int("attempt", a.outage.attempt).Msg(what)
	}
	a.ready(false)
	if a.again.at.IsZero() {
		a.again.set(ctx.Self(), time.Now().Add(retryAfter), returned{life: a.life, message: retry{}})
	}
}

// storeWorks ends an outage, unless there is still something that could not be stored.
func (a *supervisor) storeWorks() {
	if a.phase != running || a.trail.pausing {
		return
	}
	a.ready(true)
	if a.outage.attempt > 0 {
		a.log.Info().Int("attempt", a.outage.attempt+1).Dur("took", time.Since(a.outage.since)).Msg("store works again")
	}
	a.outage = outage{}
}
