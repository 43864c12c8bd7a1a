package actors

import (
	"context"
	"fmt"
	"time"

	"github.com/asynkron/protoactor-go/actor"

	"github.com/urban-robot/urban-robot/actors/fleet"
	"github.com/urban-robot/urban-robot/deploy"
	"github.com/urban-robot/urban-robot/protocol/admin"
)

// answerTimeout is how long somebody who asks waits.
const answerTimeout = 30 * time.Second

// outcome answers a request.
type outcome struct {
	result fleet.Outcome
	text   string // for people
	view   fleet.View
}

// From somebody who asks to a supervisor. The answer is a fleet.View, or an outcome.
type (
	viewed struct{}
	asked  struct {
		reference string // of a deploy, or the release of a rollback
		who       string
		what      request
	}
)

type request uint8

const (
	requestDeploy request = iota + 1
	requestPush
	requestRollback
	requestTryAgain
)

// ProcessExited tells a fleet that a process which its driver started has ended.
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

// ask asks a fleet's supervisor and returns its answer. admin.ErrNotFound, admin.ErrUnavailable.
func ask[T any](ctx context.Context, s *System, name string, msg any) (answer T, err error) {
	n := s.running.Load()
	if n == nil {
		return answer, fmt.Errorf("fleet %s: %w", name, admin.ErrUnavailable)
	}
	pid, ok := n.fleets.supervisors[name]
	if !ok {
		return answer, fmt.Errorf("fleet %s: %w", name, admin.ErrNotFound)
	}
	within := answerTimeout
	if deadline, ok := ctx.Deadline(); ok {
		within = min(within, time.Until(deadline))
	}
	said, err := n.root.RequestFuture(pid, msg, within).Result()
	if ctx.Err() != nil {
		return answer, ctx.Err()
	}
	if answer, ok = said.(T); err != nil || !ok {
		return answer, fmt.Errorf("fleet %s: %w", name, admin.ErrUnavailable)
	}
	return answer, nil
}

// asked hands a request to the rules. What a deploy's reference stands for is the driver's to say.
func (a *supervisor) asked(ctx actor.Context, msg asked) {
	if a.phase == over {
		return
	}
	ticket := a.tickets.issue(ctx.Sender())
	switch {
	case msg.what == requestRollback:
		a.take(ctx, happened{ticket: ticket, fact: fleet.Rollback{Release: fleet.Release(msg.reference), Who: msg.who}})
	case msg.what == requestTryAgain:
		a.take(ctx, happened{ticket: ticket, fact: fleet.TryAgain{Who: msg.who}})
	case a.driver != nil:
		ctx.Send(a.driver, resolve{reference: msg.reference, who: msg.who, pushed: msg.what == requestPush, ticket: ticket})
	case msg.reference == "":
		a.respond(ctx, ticket, outcome{result: fleet.Refused, text: "this fleet has no driver that follows a branch; name the release"})
	default:
		a.take(ctx, happened{ticket: ticket, fact: fleet.Deploy{Release: fleet.Release(msg.reference), Who: msg.who}})
	}
}

// viewed answers who wants to see the fleet. One that is not loaded does not answer.
func (a *supervisor) viewed(ctx actor.Context) {
	if a.phase == running || a.phase == stalled {
		ctx.Respond(a.fleet.View(time.Now()))
	}
}

// respond answers who waits with a ticket.
func (a *supervisor) respond(ctx actor.Context, ticket uint64, o outcome) {
	if sender := a.tickets.redeem(ticket); sender != nil {
		o.view = a.fleet.View(time.Now())
		ctx.Send(sender, o)
		return
	}
	if o.result == fleet.Refused {
		a.log.Warn().Str("detail", o.text).Msg("deploy refused")
	}
}

// startDriver starts the rollback actor, if the fleet has a driver.
func (a *supervisor) startDriver(ctx actor.Context) error {
	if a.config.Driver == nil {
		return nil
	}
	log := a.log.With().Str("component", "rollback").Logger()
	props := actor.PropsFromProducer(func() actor.Actor {
		return watched{log: log, Actor: &rollback{
			config: a.config, outside: a.outside, life: a.life, log: log, poll: alarm{root: a.outside.root}, again: alarm{root: a.outside.root},
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
