package actors

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/asynkron/protoactor-go/actor"

	"github.com/urban-robot/urban-robot/actors/fleet"
	"github.com/urban-robot/urban-robot/deploy"
	"github.com/urban-robot/urban-robot/protocol/admin"
)

// answerTimeout is how long somebody who asks waits at most.
const answerTimeout = 30 * time.Second

// ProcessExited tells a fleet that a process which its driver started has ended. It does not block.
func (s *System) ProcessExited(name string, e deploy.Exit) {
	how := ""
	switch {
	case e.Signal != "":
		how = e.Signal
	case e.Code >= 0:
		how = fmt.Sprintf("exit status %d", e.Code)
	}
	if n := s.running.Load(); n != nil {
		n.fleets.Tell(name, exited{instance: e.Instance, how: how, detail: clip(e.Output)})
	}
}

// asker is the actor that gets the answer to one question. It takes the place of proto.actor's future, which cannot be given up before
// its time, has none where the time has passed already, and is written to without a lock by an answer that is late.
type asker struct{ answers chan<- any }

// Receive implements actor.Actor.
func (a asker) Receive(ctx actor.Context) {
	switch msg := ctx.Message().(type) {
	case fleet.View, outcome, unavailable, *actor.DeadLetterResponse:
		select {
		case a.answers <- msg:
		default: // it has its answer
		}
	}
}

// ask asks a fleet's supervisor and returns its answer. admin.ErrNotFound; admin.ErrUnavailable: nothing was done; an error of the
// context, or its like after the longest time that anybody waits: what was asked for may still be done.
func ask[T any](ctx context.Context, s *System, name string, msg any) (answer T, err error) {
	if _, known := s.ready[name]; !known {
		return answer, fmt.Errorf("fleet %s: %w", name, admin.ErrNotFound)
	}
	if err := ctx.Err(); err != nil {
		return answer, fmt.Errorf("fleet %s: %w", name, err)
	}
	n := s.running.Load()
	if n == nil {
		return answer, fmt.Errorf("fleet %s: %w", name, admin.ErrUnavailable)
	}
	within, cancel := context.WithTimeout(ctx, answerTimeout)
	defer cancel()
	answers := make(chan any, 1)
	self := n.root.Spawn(actor.PropsFromProducer(func() actor.Actor { return asker{answers: answers} }))
	defer n.root.Stop(self)
	n.root.RequestWithCustomSender(n.fleets.supervisors[name], msg, self)
	select {
	case said := <-answers:
		if answer, ok := said.(T); ok {
			return answer, nil
		}
		return answer, fmt.Errorf("fleet %s: %w", name, admin.ErrUnavailable)
	case <-within.Done():
		return answer, fmt.Errorf("fleet %s does not answer: %w", name, within.Err())
	}
}

// asked hands a request to the rules. What a deploy's reference stands for is the driver's to say. While the store does not work
// people are told so at once, but a push goes its way: nobody would repeat it.
func (a *supervisor) asked(ctx actor.Context, msg asked) {
	if a.phase != running && (a.phase != stalled || msg.what != requestPush) {
		ctx.Respond(unavailable{})
		return
	}
	ticket := a.tickets.issue(ctx.Sender())
	release := fleet.Release(msg.reference)
	switch {
	case msg.what == requestRollback:
		a.take(ctx, happened{ticket: ticket, fact: fleet.Rollback{Release: release, Who: msg.who}})
	case msg.what == requestTryAgain:
		a.take(ctx, happened{ticket: ticket, fact: fleet.TryAgain{Who: msg.who}})
	case a.driver != nil:
		ctx.Send(a.driver, resolve{reference: msg.reference, who: msg.who, pushed: msg.what == requestPush, ticket: ticket})
	case msg.reference == "":
		a.respond(ctx, ticket, msg.who, outcome{result: fleet.Refused, text: "this fleet has no driver that follows a branch; name the release"})
	default:
		a.take(ctx, happened{ticket: ticket, fact: fleet.Deploy{Release: release, Who: msg.who}})
	}
}

// viewed answers who wants to see the fleet, while the store does not work too: then it sees what holds until it does.
func (a *supervisor) viewed(ctx actor.Context) {
	if a.phase == loading || a.phase == over {
		ctx.Respond(unavailable{})
		return
	}
	ctx.Respond(a.fleet.View(time.Now()))
}

// respond answers who waits with a ticket. That a request was refused stands in the trail, too: whoever asked may have gone. A poll
// that finds the same again is no news.
func (a *supervisor) respond(ctx actor.Context, ticket uint64, who string, o outcome) {
	if a.phase == over {
		return // they were told
	}
	if text := strings.TrimPrefix(who+": "+o.text, ": "); o.result == fleet.Refused && (ticket != 0 || text != a.refusal) {
		a.refusal = text
		line := fleet.EventRecord{At: time.Now(), Event: "request refused", Detail: text, Warn: true}
		a.trail.add([]fleet.Record{line})
		a.saveTrail(ctx)
		logLine(a.log, line, "")
	}
	if sender := a.tickets.redeem(ticket); sender != nil {
		o.rollout = a.fleet.Rollout()
		ctx.Send(sender, o)
	}
}

// turnAway tells all who wait that they wait in vain.
func (a *supervisor) turnAway(ctx actor.Context) {
	for _, sender := range a.tickets.waiting {
		ctx.Send(sender, unavailable{})
	}
	clear(a.tickets.waiting)
}

// alert tells people. That this fails is no reason to fail.
func (a *supervisor) alert(effect fleet.Alert) {
	if a.config.Alert == nil {
		return
	}
	defer func() {
		if cause := recover(); cause != nil {
			logStack(a.log, cause, "alert failed")
		}
	}()
	a.config.Alert(effect)
}

// startDriver starts the rollback actor, if the fleet has a driver.
func (a *supervisor) startDriver(ctx actor.Context) error {
	if a.config.Driver == nil {
		return nil
	}
	log := a.base.With().Str("component", "rollback").Str("fleet", a.config.Name).Logger()
	before, now := a.errands.next(a.outside)
	timer := alarm{root: a.outside.root}
	props := actor.PropsFromProducer(func() actor.Actor {
		return watched{log: log, Actor: &rollback{
			config: a.config, life: a.life, before: before, now: now, log: log, survey: timer, poll: timer, again: timer,
		}}
	})
	pid, err := ctx.SpawnNamed(props, "rollback")
	if err != nil {
		return fmt.Errorf("start the rollback actor of fleet %s: %w", a.config.Name, err)
	}
	a.driver = pid
	return nil
}

// tickets remembers who waits for the answer to a request.
type tickets struct {
	last    uint64
	waiting map[uint64]*actor.PID
}

// issue returns a ticket for a sender; 0 for none.
func (t *tickets) issue(sender *actor.PID) uint64 {
	if sender == nil {
		return 0
	}
	if t.waiting == nil {
		t.waiting = map[uint64]*actor.PID{}
	}
	t.last++
	t.waiting[t.last] = sender
	return t.last
}

// redeem returns who waits with a ticket, once.
func (t *tickets) redeem(ticket uint64) *actor.PID {
	sender := t.waiting[ticket]
	delete(t.waiting, ticket)
	return sender
}
