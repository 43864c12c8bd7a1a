package actors

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/asynkron/protoactor-go/actor"
	"github.com/rs/zerolog"

	"github.com/urban-robot/urban-robot/actors/fleet"
	"github.com/urban-robot/urban-robot/deploy"
)

const (
	driverTimeout = 5 * time.Minute // for one call of the driver, setups excepted
	driverRetry   = 5 * time.Second // after one that must not fail
	detailLimit   = 2000            // bytes of a failure's detail
)

// rollback has the deploy driver do what the fleet's rules decide, and tells them what came of it. Every call runs outside.
// Calls about one process never overlap and come in the order of the decisions. It is the supervisor's child and lives as
// long as it does.
type rollback struct {
	config  FleetConfig
	outside *outside
	life    uint64
	log     zerolog.Logger

	queues map[string][]fleet.Effect // by instance; the first one is under way
	poll   alarm
	again  alarm
}

// From outside work back to the rollback actor.
type (
	// surveyed says which processes run.
	surveyed struct {
		instances []string
		pids      map[string]int
		err       error
	}
	// driven says that a call about a process is over.
	driven struct {
		instance string
		started  bool
		pid      int
		err      error
	}
)

// Receive implements actor.Actor.
func (a *rollback) Receive(ctx actor.Context) {
	switch msg := ctx.Message().(type) {
	case *actor.Started:
		a.queues = map[string][]fleet.Effect{}
		a.survey(ctx)
	case *actor.Stopping:
		a.poll.stop()
		a.again.stop()
	case drive:
		a.drive(ctx, msg.effect)
	case resolve:
		a.resolve(ctx, msg)
	case returned:
		a.returned(ctx, msg.message)
	}
}

func (a *rollback) returned(ctx actor.Context, msg any) {
	switch msg := msg.(type) {
	case surveyed:
		a.surveyed(ctx, msg)
	case driven:
		a.driven(ctx, msg)
	case retry:
		a.again.stop()
		a.survey(ctx)
	case wake:
		a.poll.stop()
		a.resolve(ctx, resolve{who: "poll", only: fleet.IfNew})
		a.pollLater(ctx)
	case crash:
		panic(msg)
	}
}

// survey asks the driver which processes run.
func (a *rollback) survey(ctx actor.Context) {
	driver := a.config.Driver
	a.outside.do(ctx.Self(), a.life, driverTimeout, func(within context.Context) any {
		processes, err := driver.Running(within)
		msg := surveyed{pids: map[string]int{}, err: err}
		for _, p := range processes {
			msg.instances = append(msg.instances, p.Instance)
			msg.pids[p.Instance] = p.PID
		}
		return msg
	})
}

// surveyed lets the rules begin. What was never deployed is deployed now.
func (a *rollback) surveyed(ctx actor.Context, msg surveyed) {
	if msg.err != nil && !errors.Is(msg.err, deploy.ErrNotSupported) {
		a.log.Error().Err(msg.err).Msg("processes not surveyed")
		a.again.set(ctx.Self(), time.Now().Add(driverRetry), returned{life: a.life, message: retry{}})
		return
	}
	ctx.Send(ctx.Parent(), happened{fact: fleet.Running{Instances: msg.instances, PIDs: msg.pids, Unknown: msg.err != nil}})
	if a.config.Policy.Rollout.Driven {
		a.resolve(ctx, resolve{who: "start", only: fleet.IfFirst})
		a.pollLater(ctx)
	}
}

func (a *rollback) pollLater(ctx actor.Context) {
	if a.config.Poll > 0 {
		a.poll.set(ctx.Self(), time.Now().Add(a.config.Poll), returned{life: a.life, message: wake{}})
	}
}

// resolve asks what a reference stands for, and has the rules deploy it.
func (a *rollback) resolve(ctx actor.Context, msg resolve) {
	driver, log := a.config.Driver, a.log
	a.outside.do(ctx.Parent(), a.life, driverTimeout, func(within context.Context) any {
		revision, err := revisionOf(within, driver, msg)
		if err != nil {
			log.Error().Err(err).Str("reason", msg.who).Msg("release not resolved")
			return refused{ticket: msg.ticket, text: clip(err.Error())}
		}
		return happened{ticket: msg.ticket, fact: fleet.Deploy{
			Release: fleet.Release(revision.Release), Who: msg.who, Message: revision.Message, Only: msg.only,
		}}
	})
}

// revisionOf asks what a reference stands for. A pushed commit counts only where it is what the fleet follows now: an old delivery that
// somebody repeats brings nothing back, and of many pushes the last one counts.
func revisionOf(ctx context.Context, driver deploy.Driver, msg resolve) (deploy.Revision, error) {
	if !msg.pushed {
		return driver.Resolve(ctx, msg.reference)
	}
	tip, err := driver.Resolve(ctx, "")
	switch {
	case errors.Is(err, deploy.ErrNotSupported):
		return driver.Resolve(ctx, msg.reference)
	case err == nil && tip.Release != msg.reference:
		return deploy.Revision{}, fmt.Errorf("%s is not what the branch stands at now: that is %s", msg.reference, tip.Release)
	}
	return tip, err
}

// drive begins what the rules want, or lines it up behind what is under way for the same process.
func (a *rollback) drive(ctx actor.Context, effect fleet.Effect) {
	switch effect := effect.(type) {
	case fleet.Prepare:
		a.prepare(ctx, effect)
	case fleet.Launch:
		a.enqueue(ctx, effect.Instance, effect)
	case fleet.StopProcess:
		a.enqueue(ctx, effect.Instance, effect)
	case fleet.Collect:
		a.collect(ctx, effect)
	}
}

func (a *rollback) enqueue(ctx actor.Context, instance string, effect fleet.Effect) {
	a.queues[instance] = append(a.queues[instance], effect)
	if len(a.queues[instance]) == 1 {
		a.begin(ctx, instance)
	}
}

// begin starts or stops a process, whatever is first in its queue.
func (a *rollback) begin(ctx actor.Context, instance string) {
	driver, launch, effect := a.config.Driver, launcher{a.config}, a.queues[instance][0]
	a.outside.do(ctx.Self(), a.life, driverTimeout, func(within context.Context) any {
		if l, ok := effect.(fleet.Launch); ok {
			process, err := driver.Start(within, launch.of(l))
			return driven{instance: instance, started: true, pid: process.PID, err: err}
		}
		err := driver.Stop(within, instance)
		if err != nil && !errors.Is(err, deploy.ErrNotSupported) {
			<-time.After(driverRetry) // it is tried again at once then
		}
		return driven{instance: instance, err: err}
	})
}

// driven tells the rules what came of a call, and begins the next one for the same process. A stop that failed is tried again.
func (a *rollback) driven(ctx actor.Context, msg driven) {
	switch {
	case msg.started:
		outcome := fleet.Launched{Instance: msg.instance, PID: msg.pid}
		if msg.err != nil {
			outcome.Failure, outcome.Detail = fleet.FailureDriver, clip(msg.err.Error())
		}
		ctx.Send(ctx.Parent(), happened{fact: outcome})
	case msg.err != nil && !errors.Is(msg.err, deploy.ErrNotSupported):
		a.log.Error().Err(msg.err).Str("instance", msg.instance).Msg("process not stopped")
		a.begin(ctx, msg.instance)
		return
	}
	if a.queues[msg.instance] = a.queues[msg.instance][1:]; len(a.queues[msg.instance]) == 0 {
		delete(a.queues, msg.instance)
		return
	}
	a.begin(ctx, msg.instance)
}

// prepare makes a release ready to start.
func (a *rollback) prepare(ctx actor.Context, effect fleet.Prepare) {
	driver := a.config.Driver
	a.outside.do(ctx.Parent(), a.life, a.config.Policy.Rollout.SetupTimeout+driverTimeout, func(within context.Context) any {
		return happened{fact: preparedFact(effect.Release, driver.Prepare(within, string(effect.Release)))}
	})
}

// preparedFact names what came of a setup.
func preparedFact(r fleet.Release, err error) fleet.Prepared {
	out := fleet.Prepared{Release: r}
	if err == nil {
		return out
	}
	out.Failure, out.Detail = fleet.FailureDriver, clip(err.Error())
	if setup, ok := errors.AsType[*deploy.SetupError](err); ok {
		out.Failure, out.Detail = fleet.FailureSetup, clip(setup.Error()+"\n"+setup.Output)
		if setup.TimedOut {
			out.Failure = fleet.FailureSetupTimeout
		}
	} else if errors.Is(err, deploy.ErrUnknownRelease) {
		out.Failure = fleet.FailureUnknown
	}
	return out
}

// collect forgets what is not needed. If that fails there is only less room.
func (a *rollback) collect(ctx actor.Context, effect fleet.Collect) {
	driver, log := a.config.Driver, a.log
	keep := make([]string, len(effect.Keep))
	for i, r := range effect.Keep {
		keep[i] = string(r)
	}
	a.outside.do(ctx.Self(), a.life, driverTimeout, func(within context.Context) any {
		if err := driver.Collect(within, keep); err != nil && !errors.Is(err, deploy.ErrNotSupported) {
			log.Error().Err(err).Msg("old releases not collected")
		}
		return nil
	})
}

// clip cuts a detail to what an alert and a log line bear: its end, where the cause stands.
func clip(text string) string {
	if len(text) > detailLimit {
		text = "…" + text[len(text)-detailLimit:]
	}
	return strings.ToValidUTF8(text, "")
}
