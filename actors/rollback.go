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
	driverTimeout  = 5 * time.Minute // for one call of the driver, setups excepted
	driverRetry    = 5 * time.Second // after one that must not fail; twice as long for each more
	driverRetryMax = 5 * time.Minute
	driverGrace    = 5 * time.Second // for a start or a stop that is under way when the actor ends
	detailLimit    = 2000            // bytes of a failure's detail
	resolveLimit   = 100             // requests that wait for their turn
	pushAttempts   = 5               // to ask what a push has brought, where the driver fails
)

// rollback has the deploy driver do what the fleet's rules decide, and tells them what came of it. It is the supervisor's child and
// lives no longer than one life of it. Every call runs outside, and none before the calls of the life before have ended:
//
//   - calls about one process never overlap and come in the order of the decisions;
//   - requests are resolved one after the other, so that they are decided in the order in which they came;
//   - releases are collected while none is prepared that would be lost.
//
// A driver that panics has failed, like one that returns an error: it costs the fleet nothing but the call.
type rollback struct {
	config FleetConfig
	life   uint64
	before errands // of the life before
	now    errands
	log    zerolog.Logger

	surveys   int               // that failed, in a row
	survey    alarm             // the next
	poll      alarm             // the next look at what the driver follows
	asking    []resolve         // the first one is under way
	later     resolve           // to be asked again
	again     alarm             // for later
	blind     string            // why a poll failed, and the log says so; empty: it did not
	queues    map[string]*queue // by instance
	preparing map[fleet.Release]int
	waiting   []fleet.Prepare // for the end of the collection
	collects  bool            // a collection is under way
	collect   *fleet.Collect  // the one after it
}

// queue is what is to be done about one process. The first one is under way, or to be tried again.
type queue struct {
	effects  []fleet.Effect
	attempts int // of the first one, that failed
	again    alarm
}

// errands are a life's calls of the driver.
type errands struct {
	slow  *outside // setups and the like: cancelled when the life ends
	quick *outside // starts and stops: they have a grace
}

// driving remembers the newest errands of a fleet from one life to the next. Lives follow each other.
type driving struct{ newest errands }

// next returns the errands of the life before and those of the one that begins.
func (d *driving) next(o *outside) (before, now errands) {
	before, d.newest = d.newest, errands{slow: o.branch(), quick: o.branch()}
	return before, d.newest
}

// wait returns when all calls of a life have ended, or with the context.
func (e errands) wait(ctx context.Context) {
	for _, o := range []*outside{e.slow, e.quick} {
		if o == nil {
			continue // there was no life before
		}
		select {
		case <-o.closed:
		case <-ctx.Done():
		}
	}
}

// Receive implements actor.Actor.
func (a *rollback) Receive(ctx actor.Context) {
	switch msg := ctx.Message().(type) {
	case *actor.Started:
		a.start(ctx)
	case *actor.Stopping:
		a.stop()
	case drive:
		a.drive(ctx, msg.effect)
	case resolve:
		a.resolve(ctx, msg)
	case returned:
		if msg.life == a.life {
			a.returned(ctx, msg.message)
		}
	}
}

func (a *rollback) returned(ctx actor.Context, msg any) {
	switch msg := msg.(type) {
	case surveyed:
		a.surveyed(ctx, msg)
	case resolved:
		a.resolved(ctx, msg)
	case driven:
		a.driven(ctx, msg)
	case prepared:
		a.prepared(ctx, msg)
	case collected:
		a.collected(ctx, msg)
	case retry:
		a.survey.stop()
		a.look(ctx)
	case asksAgain:
		a.again.stop()
		a.resolve(ctx, a.later)
	case stopsAgain:
		a.queues[msg.instance].again.stop()
		a.begin(ctx, msg.instance)
	case looks:
		a.poll.stop()
		a.polls(ctx)
	case crash:
		panic(msg)
	}
}

func (a *rollback) start(ctx actor.Context) {
	a.queues, a.preparing = map[string]*queue{}, map[fleet.Release]int{}
	a.look(ctx)
}

// stop ends the actor. Setups are cancelled, starts and stops have a grace.
func (a *rollback) stop() {
	a.survey.stop()
	a.poll.stop()
	a.again.stop()
	for _, q := range a.queues {
		q.again.stop()
	}
	a.now.slow.close(0)
	a.now.quick.close(driverGrace)
}

// tell sends a message to the supervisor, to this life of it and to no later one: that one asks the driver itself.
func (a *rollback) tell(ctx actor.Context, msg any) {
	ctx.Send(ctx.Parent(), returned{life: a.life, message: msg})
}

// soon sets an alarm of this life.
func (a *rollback) soon(ctx actor.Context, timer *alarm, after time.Duration, msg any) {
	timer.set(ctx.Self(), time.Now().Add(after), returned{life: a.life, message: msg})
}

// look asks the driver which processes run.
func (a *rollback) look(ctx actor.Context) {
	driver := a.config.Driver
	errand(ctx, a, a.now.quick, driverTimeout, driver.Running, func(processes []deploy.Process, _ time.Duration, err error) any {
		msg := surveyed{err: err}
		for _, p := range processes {
			msg.instances = append(msg.instances, p.Instance)
		}
		return msg
	})
}

// surveyed lets the rules begin. What was never deployed is deployed now.
func (a *rollback) surveyed(ctx actor.Context, msg surveyed) {
	unknown := errors.Is(msg.err, deploy.ErrNotSupported)
	if msg.err != nil && !unknown {
		a.surveys++
		a.log.Error().AnErr("err", msg.err).Int("attempt", a.surveys).Msg("processes not surveyed")
		a.soon(ctx, &a.survey, backoff(a.surveys), retry{})
		return
	}
	a.surveys = 0
	a.tell(ctx, happened{fact: fleet.Running{Instances: msg.instances, Unknown: unknown}})
	if a.config.Policy.Rollout.Driven {
		a.resolve(ctx, resolve{who: "start", only: fleet.IfFirst})
		a.pollLater(ctx)
	}
}

func (a *rollback) pollLater(ctx actor.Context) {
	if a.config.Poll > 0 {
		a.soon(ctx, &a.poll, a.config.Poll, looks{})
	}
}

// polls looks at what the driver follows, unless it is being looked at.
func (a *rollback) polls(ctx actor.Context) {
	if len(a.asking) == 0 {
		a.resolve(ctx, resolve{who: "poll", only: fleet.IfNew})
	}
	a.pollLater(ctx)
}

// resolve asks what a reference stands for, to have the rules deploy it, when those that came before are resolved.
func (a *rollback) resolve(ctx actor.Context, msg resolve) {
	if len(a.asking) >= resolveLimit {
		a.tell(ctx, refused{ticket: msg.ticket, who: msg.who, text: "too many requests are being resolved; try again later"})
		return
	}
	a.asking = append(a.asking, msg)
	if len(a.asking) == 1 {
		a.ask(ctx)
	}
}

// ask resolves the first request.
func (a *rollback) ask(ctx actor.Context) {
	driver, msg := a.config.Driver, a.asking[0]
	look := func(within context.Context) (deploy.Revision, error) { return revisionOf(within, driver, msg) }
	errand(ctx, a, a.now.slow, driverTimeout, look, func(revision deploy.Revision, _ time.Duration, err error) any {
		return resolved{revision: revision, err: err}
	})
}

// errPassed means that a pushed commit is not what the fleet follows, or not any more.
var errPassed = errors.New("not what the branch stands at now")

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
		return deploy.Revision{}, fmt.Errorf("%s is %w: that is %s", msg.reference, errPassed, tip.Release)
	}
	return tip, err
}

// resolved has the rules deploy what a reference stands for, and goes on with the next one.
func (a *rollback) resolved(ctx actor.Context, msg resolved) {
	asked := a.asking[0]
	if a.asking = a.asking[1:]; len(a.asking) > 0 {
		a.ask(ctx)
	}
	if msg.err != nil {
		a.unresolved(ctx, asked, msg.err)
		return
	}
	a.blind = ""
	only := asked.only
	if asked.pushed {
		only = fleet.IfWanted // a delivery that is repeated brings nothing back that a person went back from
	}
	a.tell(ctx, happened{ticket: asked.ticket, fact: fleet.Deploy{
		Release: fleet.Release(msg.revision.Release), Who: asked.who, Message: msg.revision.Message, Only: only,
	}})
}

// unresolved answers who asked. Where the driver failed and the one who asked will not come again, we ask again ourselves.
func (a *rollback) unresolved(ctx actor.Context, asked resolve, err error) {
	ours := asked.only != 0
	final := errors.Is(err, errPassed) || errors.Is(err, deploy.ErrUnknownRelease) || errors.Is(err, deploy.ErrNotSupported)
	switch {
	case ours && errors.Is(err, deploy.ErrNotSupported):
		a.poll.stop() // there is nothing that the driver follows
		return
	case !ours:
		a.tell(ctx, refused{ticket: asked.ticket, who: asked.who, text: clip(err.Error())})
	case a.blind != err.Error():
		a.blind = err.Error()
		a.log.Error().AnErr("err", err).Str("reason", asked.who).Msg("release not resolved")
	}
	asked.attempts++
	first := asked.only == fleet.IfFirst // until something was deployed
	if first || asked.pushed && !final && asked.attempts < pushAttempts {
		asked.ticket = 0 // it was answered
		a.later = asked
		a.again.stop()
		a.soon(ctx, &a.again, backoff(asked.attempts), asksAgain{})
	}
}

// errand has the driver do something outside, once nothing of the life before is under way. done makes the message of what came of it.
func errand[T any](
	ctx actor.Context, a *rollback, o *outside, limit time.Duration, do func(context.Context) (T, error), done func(T, time.Duration, error) any,
) {
	before, log := a.before, a.log
	o.do(ctx.Self(), a.life, limit, func(within context.Context) any {
		before.wait(within)
		began := time.Now()
		result, err := contained(within, log, do)
		return done(result, time.Since(began), err)
	})
}

// contained makes an error of a driver's panic.
func contained[T any](ctx context.Context, log zerolog.Logger, do func(context.Context) (T, error)) (result T, err error) {
	defer func() {
		if cause := recover(); cause != nil {
			err = fmt.Errorf("the driver panicked: %s", plain(cause))
			logStack(log, cause, "driver panicked")
		}
	}()
	return do(ctx)
}

// backoff is how long to wait after so many failures in a row.
func backoff(attempts int) time.Duration {
	return min(driverRetry<<min(attempts-1, 10), driverRetryMax)
}

// clip cuts a detail to what an alert and a log line bear: its end, where the cause stands.
func clip(text string) string {
	if len(text) > detailLimit {
		text = "…" + text[len(text)-detailLimit:]
	}
	return strings.ToValidUTF8(text, "")
}
