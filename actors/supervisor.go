package actors

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/asynkron/protoactor-go/actor"
	"github.com/rs/zerolog"

	"github.com/urban-robot/urban-robot/actors/fleet"
	"github.com/urban-robot/urban-robot/actors/store"
	"github.com/urban-robot/urban-robot/protocol"
)

const (
	storeTimeout = 5 * time.Second  // for one bounded transaction
	cacheTimeout = 30 * time.Second // for storing or loading one cache
	retryAfter   = time.Second      // after the store failed
)

// supervisor is the one actor that decides for a fleet. It lets the rules answer every fact, stores what must survive, and
// sends the effects to the clients.
type supervisor struct {
	config  FleetConfig
	store   store.Store
	outside *outside
	ready   func(bool) // tells readiness
	log     zerolog.Logger

	loaded bool
	term   store.Term
	fleet  fleet.Fleet
	pids   map[fleet.ClientID]*actor.PID
	caches map[int]parcel // the newest stored cache of each seat
	alarm  alarm
	trail  trail

	held    []fleet.Effect // begins with a Store that has failed: nothing goes out before it
	waiting []any          // messages that came meanwhile
}

// Receive implements actor.Actor.
func (a *supervisor) Receive(ctx actor.Context) {
	switch msg := ctx.Message().(type) {
	case *actor.Started:
		a.start(ctx)
	case *actor.Restarting:
		a.abandon()
	case *actor.Stopping:
		a.stop(ctx)
	case retry:
		a.retry(ctx)
	case trailSaved:
		a.trail.saved(msg.err, a.log)
		a.saveTrail(ctx)
	case said, cacheSaid, cacheSaved, exited, wake:
		if !a.loaded || a.held != nil {
			a.waiting = append(a.waiting, msg)
			return
		}
		a.handle(ctx, msg)
	}
}

// start loads what is stored. Until that has worked, what comes in waits.
func (a *supervisor) start(ctx actor.Context) {
	a.pids, a.caches = map[fleet.ClientID]*actor.PID{}, map[int]parcel{}
	within, cancel := context.WithTimeout(context.Background(), cacheTimeout)
	defer cancel()
	if err := a.load(within); err != nil {
		a.log.Error().Err(err).Msg("fleet not loaded")
		a.retryLater(ctx)
		return
	}
	a.loaded = true
	a.ready(true)
	a.log.Info().Uint64("term", uint64(a.term)).Str("release", string(a.fleet.LastGood())).Msg("fleet loaded")
	a.wakeLater(ctx)
	a.resume(ctx)
}

// load acquires the fleet and reads its state and caches.
func (a *supervisor) load(ctx context.Context) error {
	term, stored, err := a.store.Acquire(ctx, a.config.Name)
	if err != nil {
		return fmt.Errorf("acquire fleet %s: %w", a.config.Name, err)
	}
	for _, c := range stored.Caches {
		cache, err := a.store.LoadCache(ctx, a.config.Name, c.Seat)
		switch {
		case errors.Is(err, store.ErrCorrupt):
			a.log.Error().Err(err).Int("seat", c.Seat).Msg("stored cache damaged")
		case err != nil:
			return fmt.Errorf("load cache of fleet %s: %w", a.config.Name, err)
		default:
			a.caches[c.Seat] = a.parcel(cache.CacheRecord, cache.Cache)
		}
	}
	a.term, a.fleet = term, fleet.Restore(a.config.Policy, stored, time.Now())
	return nil
}

// handle turns a message into an event for the rules and does what they say.
func (a *supervisor) handle(ctx actor.Context, msg any) {
	e := fleet.Event{At: time.Now()}
	switch msg := msg.(type) {
	case said:
		e.Client, e.Ack, e.Fact = msg.client, msg.ack, msg.fact
		if _, ends := msg.fact.(fleet.Disconnect); !ends {
			a.pids[msg.client] = msg.sender
		}
	case cacheSaid:
		e.Client, e.Ack, e.Fact = msg.client, msg.ack, fleet.Cache{Size: msg.cache.Size()}
		a.decide(ctx, e, msg.cache)
		return
	case cacheSaved:
		e.Client, e.Ack, e.Fact = msg.client, msg.ack, fleet.CacheStored{Record: msg.record, Failed: a.keep(msg) != nil}
	case exited:
		e.Fact = fleet.Exited{Instance: msg.instance}
	case wake:
		e.Fact = fleet.Tick{}
	}
	a.decide(ctx, e, protocol.Cache{})
	if _, ends := e.Fact.(fleet.Disconnect); ends {
		delete(a.pids, e.Client)
	}
}

// decide lets the rules decide, then does what they say. cache is the content of a fleet.Cache.
func (a *supervisor) decide(ctx actor.Context, e fleet.Event, cache protocol.Cache) {
	next, effects := fleet.Decide(e, a.fleet)
	a.fleet = next
	for _, effect := range effects {
		if kept, ok := effect.(fleet.KeepCache); ok {
			a.saveCache(ctx, kept, cache)
		}
	}
	a.perform(ctx, effects)
	a.wakeLater(ctx)
}

// perform stores first; if that fails, everything after it is held back until it has worked.
func (a *supervisor) perform(ctx actor.Context, effects []fleet.Effect) {
	for i, effect := range effects {
		if s, ok := effect.(fleet.Store); ok {
			if err := a.record(ctx, s.Records); err != nil {
				a.held = effects[i:]
				a.storeFailed(ctx, err)
				return
			}
			continue
		}
		a.order(ctx, effect)
	}
}

// order sends an effect to the client that it is addressed to.
func (a *supervisor) order(ctx actor.Context, effect fleet.Effect) {
	var to fleet.ClientID
	switch effect := effect.(type) {
	case fleet.Say:
		to = effect.Client
	case fleet.Tell:
		to = effect.Client
	case fleet.Answer:
		to = effect.Client
	case fleet.Hangup:
		to = effect.Client
	case fleet.DeliverCache:
		a.deliver(ctx, effect)
		return
	case fleet.Store, fleet.KeepCache:
		return // done before
	}
	if pid, ok := a.pids[to]; ok {
		ctx.Send(pid, ordered{effect: effect})
	}
}

// deliver fans a cache out: encoded once, by reference to all on this node.
func (a *supervisor) deliver(ctx actor.Context, effect fleet.DeliverCache) {
	p, ok := a.caches[effect.Seat]
	if !ok {
		return // it was damaged, and the log says so
	}
	for _, id := range effect.To {
		if pid, ok := a.pids[id]; ok {
			ctx.Send(pid, delivered{parcel: p})
		}
	}
}

// abandon cuts the connections of the fleet's clients, so that they come back to the next supervisor.
func (a *supervisor) abandon() {
	for id, pid := range a.pids {
		a.outside.root.Send(pid, ordered{effect: fleet.Hangup{Client: id, Abort: true}})
	}
	a.alarm.stop()
	a.ready(false)
}

// stop ends the supervisor. Its clients are told nothing: they come back within their lease.
func (a *supervisor) stop(ctx actor.Context) {
	a.alarm.stop()
	a.ready(false)
	if rest := a.trail.take(); len(rest) > 0 && a.loaded {
		if err := a.apply(rest); err != nil {
			a.log.Error().Err(err).Int("lines", len(rest)).Msg("audit trail not stored")
		}
	}
	ctx.Logger().Debug("supervisor stopped")
}

func (a *supervisor) wakeLater(ctx actor.Context) { a.alarm.set(ctx.Self(), a.fleet.Wake(), wake{}) }
