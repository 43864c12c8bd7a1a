package actors

import (
	"context"
	"errors"
	"time"

	"github.com/asynkron/protoactor-go/actor"
	"github.com/rs/zerolog"

	"github.com/urban-robot/urban-robot/actors/fleet"
	"github.com/urban-robot/urban-robot/deploy"
)

const (
	surveyRetry = 2 * time.Second // after the driver could not say what runs
	stopRetry   = 5 * time.Second // after the driver could not stop a process
	callLimit   = 5 * time.Minute // for one call of the driver but Prepare
	detailLimit = 2000            // bytes of a failure's detail
)

// rollback has the deploy driver do what the fleet's rules decide, and tells them what came of it. Every call runs outside.
// Calls about one process never overlap, and come in the order of the decisions.
type rollback struct {
	config  FleetConfig
	launch  launcher
	outside *outside
	log     zerolog.Logger

	queues map[string][]fleet.Effect // by instance; the first one is under way
	polled string                    // the release that the followed branch was at last
	poll   alarm
}

// Receive implements actor.Actor.
func (a *rollback) Receive(ctx actor.Context) {
	switch msg := ctx.Message().(type) {
	case *actor.Started:
		a.queues = map[string][]fleet.Effect{}
		a.survey(ctx)
	case *actor.Stopping:
		a.poll.stop()
	case drive:
		a.drive(ctx, msg.effect)
	case surveyed:
		a.surveyed(ctx, msg)
	case driven:
		a.driven(ctx, msg)
	case resolved:
		a.resolved(ctx, msg)
	case retry:
		a.survey(ctx)
	case wake:
		a.resolve(ctx, "", "poll", 0)
	}
}

// survey asks the driver which processes run.
func (a *rollback) survey(ctx actor.Context) {
	driver := a.config.Driver
	a.outside.do(ctx.Self(), callLimit, func(within context.Context) any {
		running, err := driver.Running(within)
		msg := surveyed{err: err}
		for _, p := range running {
			msg.instances = append(msg.instances, p.Instance)
		}
		return msg
	})
}

func (a *rollback) surveyed(ctx actor.Context, msg surveyed) {
	if msg.err != nil {
		a.log.Error().Err(msg.err).Msg("processes not surveyed")
		root, self := a.outside.root, ctx.Self()
		time.AfterFunc(surveyRetry, func() { root.Send(self, retry{}) })
		return
	}
	ctx.Send(ctx.Parent(), fact{fact: fleet.Running{Instances: msg.instances}})
	a.pollLater(ctx)
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
		a.begin(ctx, effect)
	}
}

// begin starts or stops a process.
func (a *rollback) begin(ctx actor.Context, effect fleet.Effect) {
	driver, launch := a.config.Driver, a.launch
	a.outside.do(ctx.Self(), callLimit, func(within context.Context) any {
		switch effect := effect.(type) {
		case fleet.Launch:
			_, err := driver.Start(within, launch.of(effect))
			return driven{instance: effect.Instance, launched: true, err: err}
		case fleet.StopProcess:
			err := driver.Stop(within, effect.Instance)
			if err != nil && !errors.Is(err, deploy.ErrNotSupported) {
				pause(within, stopRetry)
			}
			return driven{instance: effect.Instance, err: err}
		}
		return nil
	})
}

// driven tells the rules what came of a call, and begins the next one for the same process.
func (a *rollback) driven(ctx actor.Context, msg driven) {
	queue := a.queues[msg.instance]
	if len(queue) == 0 {
		return
	}
	switch {
	case msg.launched:
		outcome := fleet.Launched{Instance: msg.instance}
		if msg.err != nil {
			a.log.Error().Err(msg.err).Str("instance", msg.instance).Msg("process not started")
			outcome.Failure, outcome.Detail = fleet.FailureDriver, clip(msg.err.Error())
		}
		ctx.Send(ctx.Parent(), fact{fact: outcome})
	case msg.err != nil && !errors.Is(msg.err, deploy.ErrNotSupported):
		a.log.Error().Err(msg.err).Str("instance", msg.instance).Msg("process not stopped")
		a.begin(ctx, queue[0])
		return
	}
	if queue = queue[1:]; len(queue) == 0 {
		delete(a.queues, msg.instance)
		return
	}
	a.queues[msg.instance] = queue
	a.begin(ctx, queue[0])
}

// prepare makes a release ready to start.
func (a *rollback) prepare(ctx actor.Context, effect fleet.Prepare) {
	driver := a.config.Driver
	a.outside.do(ctx.Parent(), a.config.Policy.Rollout.SetupTimeout+callLimit, func(within context.Context) any {
		return fact{fact: preparedFact(effect.Release, driver.Prepare(within, string(effect.Release)))}
	})
}

// preparedFact names what came of a setup.
func preparedFact(r fleet.Release, err error) fleet.Prepared {
	out := fleet.Prepared{Release: r}
	var setup *deploy.SetupError
	switch {
	case err == nil:
		return out
	case errors.As(err, &setup):
		out.Failure = fleet.FailureSetup
		if setup.TimedOut {
			out.Failure = fleet.FailureSetupTimeout
		}
		out.Detail = clip(setup.Error() + "\n" + setup.Output)
	case errors.Is(err, deploy.ErrUnknownRelease):
		out.Failure, out.Detail = fleet.FailureUnknown, clip(err.Error())
	default:
		out.Failure, out.Detail = fleet.FailureDriver, clip(err.Error())
	}
	return out
}

// collect forgets what is not needed. If that fails, there is only less room.
func (a *rollback) collect(ctx actor.Context, effect fleet.Collect) {
	driver, log := a.config.Driver, a.log
	keep := make([]string, len(effect.Keep))
	for i, r := range effect.Keep {
		keep[i] = string(r)
	}
	a.outside.do(ctx.Self(), callLimit, func(within context.Context) any {
		if err := driver.Collect(within, keep); err != nil && !errors.Is(err, deploy.ErrNotSupported) {
			log.Error().Err(err).Msg("old releases not collected")
		}
		return nil
	})
}

// clip cuts a detail to what an alert and a log line bear: its end, where the cause stands.
func clip(text string) string {
	if len(text) <= detailLimit {
		return text
	}
	return "…" + toValid(text[len(text)-detailLimit:])
}
