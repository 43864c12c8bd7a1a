package actors

import (
	"fmt"
	"time"

	"github.com/asynkron/protoactor-go/actor"
	"github.com/rs/zerolog"

	"github.com/urban-robot/urban-robot/actors/fleet"
	"github.com/urban-robot/urban-robot/actors/store"
)

// supervisor is the one actor that decides for a fleet. It lets the rules answer every fact, stores what must survive, and
// sends the effects to the clients.
type supervisor struct {
	config  FleetConfig
	store   store.Store
	outside *outside
	ready   func(bool) // tells readiness
	log     zerolog.Logger
	base    zerolog.Logger // for its rollback actor
	life    uint64         // tells its incarnations apart: proto.actor makes a new one after a panic

	phase   phase
	term    store.Term
	fleet   fleet.Fleet
	pids    map[fleet.ClientID]*actor.PID
	caches  map[int]parcel // the newest stored cache of each seat
	alarm   alarm          // for what the rules have due
	ticked  time.Time      // when they last looked
	again   alarm          // for the store
	trail   trail
	outage  outage
	waiting waiting
	tickets tickets    // of those who wait for an answer
	refusal string     // the newest one
	driver  *actor.PID // the rollback actor; nil: the fleet has no driver
	errands *driving   // of its rollback actors
}

// phase says what a supervisor can do.
type phase int

const (
	loading phase = iota // what is stored is not known yet; what comes in waits
	running
	stalled // a decision could not be stored; what comes in waits
	over    // the fleet is given up; whoever speaks is cut off
)

// Receive implements actor.Actor.
func (a *supervisor) Receive(ctx actor.Context) {
	switch msg := ctx.Message().(type) {
	case *actor.Started:
		a.start(ctx)
	case *actor.Restarting:
		a.abandon(ctx)
	case *actor.Stopping:
		a.stop(ctx)
	case returned:
		if msg.life == a.life {
			a.returned(ctx, msg.message)
		}
	case said:
		if _, ends := msg.fact.(fleet.Disconnect); !ends {
			a.pids[msg.client] = msg.sender
		}
		a.take(ctx, msg)
	case asked:
		a.asked(ctx, msg)
	case viewed:
		a.viewed(ctx)
	case cacheSaid, exited, tick:
		a.take(ctx, msg)
	}
}

// returned handles what outside work and alarms bring.
func (a *supervisor) returned(ctx actor.Context, msg any) {
	switch msg := msg.(type) {
	case loaded:
		a.loaded(ctx, msg)
	case cacheSaved:
		a.cacheSaved(ctx, msg)
	case trailSaved:
		a.trailSaved(ctx)
	case happened:
		a.take(ctx, msg)
	case refused:
		a.respond(ctx, msg.ticket, msg.who, outcome{result: fleet.Refused, text: msg.text})
	case wake:
		a.alarm.stop()
		ctx.Send(ctx.Self(), tick{})
	case retry:
		a.again.stop()
		a.retry(ctx)
	case crash:
		panic(msg)
	}
}

func (a *supervisor) start(ctx actor.Context) {
	a.pids, a.caches = map[fleet.ClientID]*actor.PID{}, map[int]parcel{}
	a.waiting.limit = waitingLimit + 2*a.config.Policy.CacheBytes
	if a.phase == over {
		a.log.Error().Int("attempt", restarts).Msg("fleet given up: its supervisor fails again and again")
		return
	}
	a.load(ctx)
}

// take handles a message, or has it wait for better times.
func (a *supervisor) take(ctx actor.Context, msg any) {
	switch a.phase {
	case running:
		if err := a.handle(ctx, msg); err != nil {
			a.stall(ctx, msg, err)
		}
	case loading, stalled:
		a.wait(ctx, msg)
	case over:
		a.cutSpeaker(ctx, msg)
	}
}

// handle lets the rules answer a message and does what they say. If that cannot be stored, nothing has happened: nobody was
// told anything, the fleet is as before, and the message is to be handled again, with deadlines that begin then.
func (a *supervisor) handle(ctx actor.Context, msg any) error {
	e := a.event(msg)
	next, effects := fleet.Decide(e, a.fleet)
	if err := a.record(ctx, effects, next, instanceOf(e.Fact)); err != nil {
		return err
	}
	a.fleet = next
	for _, effect := range effects {
		a.perform(ctx, effect, msg)
	}
	if _, ends := e.Fact.(fleet.Disconnect); ends {
		delete(a.pids, e.Client)
	}
	a.wakeLater(ctx)
	return nil
}

// event is a message as the rules know it.
func (a *supervisor) event(msg any) fleet.Event {
	e := fleet.Event{At: time.Now()}
	switch msg := msg.(type) {
	case said:
		e.Client, e.Ack, e.Fact = msg.client, msg.ack, msg.fact
	case cacheSaid:
		e.Client, e.Ack, e.Fact = msg.client, msg.ack, fleet.Cache{Size: msg.cache.Size()}
	case cacheSaved:
		a.keep(msg)
		e.Client, e.Ack, e.Fact = msg.client, msg.ack, fleet.CacheStored{Record: msg.record, Failed: msg.err != nil}
	case exited:
		e.Fact = fleet.Exited{Instance: msg.instance, How: msg.how, Detail: msg.detail}
	case happened:
		e.Ack, e.Fact = msg.ticket, msg.fact
	case tick:
		e.Fact, a.ticked = fleet.Tick{}, e.At
	}
	return e
}

// perform does one of the things that the rules want done about a message. What must survive is stored by now.
func (a *supervisor) perform(ctx actor.Context, effect fleet.Effect, msg any) {
	switch effect := effect.(type) {
	case fleet.Store:
	case fleet.Say:
		a.order(ctx, effect.Client, effect)
	case fleet.Tell:
		a.order(ctx, effect.Client, effect)
	case fleet.Answer:
		a.order(ctx, effect.Client, effect)
	case fleet.Hangup:
		a.order(ctx, effect.Client, effect)
	case fleet.KeepCache:
		if sent, ok := msg.(cacheSaid); ok {
			a.saveCache(ctx, effect, sent.cache)
		}
	case fleet.DeliverCache:
		a.deliver(ctx, effect)
	case fleet.Prepare, fleet.Launch, fleet.StopProcess, fleet.Collect:
		if a.driver != nil {
			ctx.Send(a.driver, drive{effect: effect})
		}
	case fleet.Respond:
		a.respond(ctx, effect.Ticket, whoAsked(msg), outcome{result: effect.Outcome, text: effect.Text})
	case fleet.Alert:
		a.alert(effect)
	default:
		panic(fmt.Sprintf("actors: nobody performs %T", effect))
	}
}

func (a *supervisor) order(ctx actor.Context, to fleet.ClientID, effect fleet.Effect) {
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

// A Tick walks over all clients. Where many have deadlines of their own, as with ten thousand standbys that are each checked once
// a minute, ticks keep so much distance for each client that they take a small part of the time.
const (
	tickPause    = 10 * time.Microsecond
	minTickPause = time.Millisecond
)

func (a *supervisor) wakeLater(ctx actor.Context) {
	at := a.fleet.Wake()
	soonest := a.ticked.Add(max(minTickPause, time.Duration(a.fleet.Len())*tickPause))
	if !at.IsZero() && at.Before(soonest) {
		at = soonest
	}
	a.alarm.set(ctx.Self(), at, returned{life: a.life, message: wake{}})
}

// abandon ends a life that failed. The connections of the fleet's clients are cut, so that they come back to the next one.
func (a *supervisor) abandon(ctx actor.Context) {
	a.quit(ctx)
	for _, msg := range a.waiting.messages {
		if proof, ok := msg.(exited); ok {
			ctx.Send(ctx.Self(), proof)
		}
	}
	a.flushTrail()
}

// giveUp leaves the fleet to a newer supervisor.
func (a *supervisor) giveUp(ctx actor.Context, err error) {
	a.log.Error().AnErr("err", err).Uint64("term", uint64(a.term)).Msg("fleet given up to a newer supervisor")
	a.quit(ctx)
	a.phase = over
	a.fleet, a.trail, a.caches, a.waiting = fleet.Fleet{}, trail{}, nil, waiting{}
	clear(a.pids)
}

func (a *supervisor) quit(ctx actor.Context) {
	a.ready(false)
	a.turnAway(ctx)
	a.alarm.stop()
	a.again.stop()
	if a.driver != nil {
		ctx.Stop(a.driver)
		a.driver = nil
	}
	for id, pid := range a.pids {
		ctx.Send(pid, ordered{effect: fleet.Hangup{Client: id, Abort: true}})
	}
}

// stop ends the supervisor. Its clients are told nothing: they come back within their lease.
func (a *supervisor) stop(ctx actor.Context) {
	a.ready(false)
	a.turnAway(ctx)
	a.alarm.stop()
	a.again.stop()
	a.flushTrail()
	a.log.Debug().Msg("supervisor stopped")
}

// cutSpeaker closes the connection of a client that speaks to a fleet that was given up, so that it looks elsewhere.
func (a *supervisor) cutSpeaker(ctx actor.Context, msg any) {
	if fact, ok := msg.(said); ok {
		a.order(ctx, fact.client, fleet.Hangup{Client: fact.client, Abort: true})
		delete(a.pids, fact.client)
	}
}
