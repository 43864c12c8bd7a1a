package actors

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/asynkron/protoactor-go/actor"

	"github.com/urban-robot/urban-robot/actors/fleet"
	"github.com/urban-robot/urban-robot/deploy"
)

// drive begins what the rules want, or lines it up behind what is under way.
func (a *rollback) drive(ctx actor.Context, effect fleet.Effect) {
	switch effect := effect.(type) {
	case fleet.Prepare:
		a.prepare(ctx, effect)
	case fleet.Launch:
		a.enqueue(ctx, effect.Instance, effect)
	case fleet.StopProcess:
		a.enqueue(ctx, effect.Instance, effect)
	case fleet.Collect:
		a.collectReleases(ctx, effect)
	}
}

func (a *rollback) enqueue(ctx actor.Context, instance string, effect fleet.Effect) {
	q, busy := a.queues[instance]
	if busy && slices.Contains(q.effects, effect) {
		return // it is stopped already
	}
	if !busy {
		q = &queue{again: alarm{root: a.poll.root}}
		a.queues[instance] = q
	}
	if q.effects = append(q.effects, effect); !busy {
		a.begin(ctx, instance)
	}
}

// begin starts or stops a process, whatever is first in its queue.
func (a *rollback) begin(ctx actor.Context, instance string) {
	driver, launcher := a.config.Driver, launcher{a.config}
	call := func(within context.Context) (deploy.Process, error) {
		return deploy.Process{}, driver.Stop(within, instance)
	}
	if launch, ok := a.queues[instance].effects[0].(fleet.Launch); ok {
		call = func(within context.Context) (deploy.Process, error) { return driver.Start(within, launcher.of(launch)) }
	}
	errand(ctx, a, a.now.quick, driverTimeout, call, func(p deploy.Process, took time.Duration, err error) any {
		return driven{instance: instance, pid: p.PID, took: took, err: err}
	})
}

// driven tells the rules what came of a call, and begins the next one for the same process.
func (a *rollback) driven(ctx actor.Context, msg driven) {
	q := a.queues[msg.instance]
	switch effect := q.effects[0].(type) {
	case fleet.Launch:
		a.launched(ctx, q, effect, msg)
	case fleet.StopProcess:
		if !a.stopped(ctx, q, msg) {
			return
		}
	}
	if q.effects = q.effects[1:]; len(q.effects) == 0 {
		delete(a.queues, msg.instance)
		return
	}
	q.attempts = 0
	a.begin(ctx, msg.instance)
}

// launched passes on that a process exists, or not. One that could not be started may exist all the same, if the driver failed
// halfway: it is stopped, so that it is not forgotten.
func (a *rollback) launched(ctx actor.Context, q *queue, effect fleet.Launch, msg driven) {
	outcome := fleet.Launched{Instance: msg.instance}
	if msg.err == nil {
		a.log.Info().Str("release", string(effect.Release)).Int("seat", effect.Seat).Str("instance", msg.instance).Int("pid", msg.pid).
			Dur("took", msg.took).Msg("process started")
		a.tell(ctx, happened{fact: outcome})
		return
	}
	outcome.Failure, outcome.Detail = fleet.FailureDriver, clip(msg.err.Error())
	a.tell(ctx, happened{fact: outcome})
	if end := fleet.Effect(fleet.StopProcess{Instance: msg.instance}); !errors.Is(msg.err, deploy.ErrNotSupported) && !slices.Contains(q.effects, end) {
		q.effects = append(q.effects, end)
	}
}

// stopped passes on that a process is dead, which a driver that has stopped it knows, and reports whether that is done with. What
// failed is tried again, for as long as it takes.
func (a *rollback) stopped(ctx actor.Context, q *queue, msg driven) bool {
	switch {
	case msg.err == nil:
		a.log.Info().Str("instance", msg.instance).Dur("took", msg.took).Msg("process stopped")
		a.tell(ctx, happened{fact: fleet.Exited{Instance: msg.instance, How: "stopped"}})
		return true
	case errors.Is(msg.err, deploy.ErrNotSupported):
		a.log.Warn().Str("instance", msg.instance).Str("detail", "the driver cannot; somebody has to").Msg("process not stopped")
		return true
	}
	q.attempts++
	a.log.Error().AnErr("err", msg.err).Str("instance", msg.instance).Int("attempt", q.attempts).Msg("process not stopped")
	a.soon(ctx, &q.again, backoff(q.attempts), stopsAgain{instance: msg.instance})
	return false
}

// prepare makes a release ready to start, once nothing is collected.
func (a *rollback) prepare(ctx actor.Context, effect fleet.Prepare) {
	if a.collect != nil {
		a.collect.Keep = append(slices.Clone(a.collect.Keep), effect.Release)
	}
	if a.collects {
		a.waiting = append(a.waiting, effect)
		return
	}
	a.preparing[effect.Release]++
	driver, release := a.config.Driver, effect.Release
	call := func(within context.Context) (struct{}, error) {
		return struct{}{}, driver.Prepare(within, string(release))
	}
	errand(ctx, a, a.now.slow, a.config.Policy.Rollout.SetupTimeout+driverTimeout, call, func(_ struct{}, took time.Duration, err error) any {
		return prepared{release: release, took: took, err: err}
	})
}

// prepared tells the rules what came of a setup.
func (a *rollback) prepared(ctx actor.Context, msg prepared) {
	if a.preparing[msg.release]--; a.preparing[msg.release] == 0 {
		delete(a.preparing, msg.release)
	}
	if msg.err == nil {
		a.log.Info().Str("release", string(msg.release)).Dur("took", msg.took).Msg("release prepared")
	}
	a.tell(ctx, happened{fact: preparedFact(msg.release, msg.err)})
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

// collectReleases has the driver forget what is not needed: not what is being prepared meanwhile, and one collection at a time. Of those
// that wait the last one counts.
func (a *rollback) collectReleases(ctx actor.Context, effect fleet.Collect) {
	if a.collects {
		a.collect = &effect
		return
	}
	a.collects = true
	keep := make([]string, 0, len(effect.Keep)+len(a.preparing))
	for _, r := range effect.Keep {
		keep = append(keep, string(r))
	}
	for r := range a.preparing {
		if !slices.Contains(effect.Keep, r) {
			keep = append(keep, string(r))
		}
	}
	driver := a.config.Driver
	call := func(within context.Context) (struct{}, error) { return struct{}{}, driver.Collect(within, keep) }
	errand(ctx, a, a.now.slow, driverTimeout, call, func(_ struct{}, _ time.Duration, err error) any { return collected{err: err} })
}

// collected goes on with what waited for the collection. If that failed there is only less room.
func (a *rollback) collected(ctx actor.Context, msg collected) {
	if msg.err != nil && !errors.Is(msg.err, deploy.ErrNotSupported) {
		a.log.Error().AnErr("err", msg.err).Msg("old releases not collected")
	}
	a.collects = false
	waiting, next := a.waiting, a.collect
	a.waiting, a.collect = nil, nil
	for _, effect := range waiting {
		a.prepare(ctx, effect)
	}
	if next != nil {
		a.collectReleases(ctx, *next)
	}
}
