package actors

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/asynkron/protoactor-go/actor"

	"github.com/urban-robot/urban-robot/actors/fleet"
	"github.com/urban-robot/urban-robot/deploy"
)

var (
	// ErrUnknownFleet means that no fleet has this name.
	ErrUnknownFleet = errors.New("no such fleet")
	// ErrUnavailable means that the fleet's supervisor did not answer: it is not loaded, or its state cannot be stored.
	ErrUnavailable = errors.New("the fleet does not answer now")
)

// answerTimeout is how long somebody who asks waits.
const answerTimeout = 30 * time.Second

// Outcome is what came of a request.
type Outcome struct {
	Outcome fleet.Outcome
	Text    string // for people
}

// From somebody who asks to a supervisor. The answer is a fleet.View, or an Outcome.
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
	requestRollback
	requestTryAgain
)

// Fleets lists the fleets' names, in the order of the configuration.
func (s *System) Fleets() []string {
	names := make([]string, len(s.config.Fleets))
	for i, f := range s.config.Fleets {
		names[i] = f.Name
	}
	return names
}

// View returns a fleet as it is now. ErrUnknownFleet, ErrUnavailable.
func (s *System) View(ctx context.Context, name string) (fleet.View, error) {
	answer, err := s.ask(ctx, name, viewed{})
	if err != nil {
		return fleet.View{}, err
	}
	view, ok := answer.(fleet.View)
	if !ok {
		return fleet.View{}, fmt.Errorf("view fleet %s: %w", name, ErrUnavailable)
	}
	return view, nil
}

// Deploy asks for what a reference stands for to be put into service; empty: what the fleet follows. who is for the record.
// ErrUnknownFleet, ErrUnavailable.
func (s *System) Deploy(ctx context.Context, name, reference, who string) (Outcome, error) {
	return s.request(ctx, name, asked{reference: reference, who: who, what: requestDeploy})
}

// Rollback asks for a release that was good; empty: the one before. ErrUnknownFleet, ErrUnavailable.
func (s *System) Rollback(ctx context.Context, name, release, who string) (Outcome, error) {
	return s.request(ctx, name, asked{reference: release, who: who, what: requestRollback})
}

// TryAgain lifts a halt and the refusal of the last release. ErrUnknownFleet, ErrUnavailable.
func (s *System) TryAgain(ctx context.Context, name, who string) (Outcome, error) {
	return s.request(ctx, name, asked{who: who, what: requestTryAgain})
}

// Push tells a fleet of a push that its webhook has accepted. It does not wait for what comes of it.
func (s *System) Push(name, commit, who string) {
	if n := s.running.Load(); n != nil {
		n.fleets.Tell(name, asked{reference: commit, who: who, what: requestDeploy})
	}
}

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

func (s *System) request(ctx context.Context, name string, msg asked) (Outcome, error) {
	answer, err := s.ask(ctx, name, msg)
	if err != nil {
		return Outcome{}, err
	}
	outcome, ok := answer.(Outcome)
	if !ok {
		return Outcome{}, fmt.Errorf("ask fleet %s: %w", name, ErrUnavailable)
	}
	return outcome, nil
}

func (s *System) ask(ctx context.Context, name string, msg any) (any, error) {
	n := s.running.Load()
	if n == nil {
		return nil, ErrUnavailable
	}
	pid, ok := n.fleets.supervisors[name]
	if !ok {
		return nil, fmt.Errorf("%s: %w", name, ErrUnknownFleet)
	}
	within := answerTimeout
	if deadline, ok := ctx.Deadline(); ok {
		within = min(within, time.Until(deadline))
	}
	answer, err := n.root.RequestFuture(pid, msg, within).Result()
	if err != nil || ctx.Err() != nil {
		return nil, fmt.Errorf("ask fleet %s: %w", name, errors.Join(ErrUnavailable, ctx.Err()))
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
		ctx.Send(a.driver, resolve{reference: msg.reference, who: msg.who, ticket: ticket})
	case msg.reference == "":
		a.respond(ctx, ticket, Outcome{Outcome: fleet.Refused, Text: "this fleet has no driver that follows a branch; name the release"})
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
func (a *supervisor) respond(ctx actor.Context, ticket uint64, o Outcome) {
	if sender := a.tickets.redeem(ticket); sender != nil {
		ctx.Send(sender, o)
		return
	}
	if o.Outcome == fleet.Refused {
		a.log.Warn().Str("detail", o.Text).Msg("deploy refused")
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
