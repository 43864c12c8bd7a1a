package actors

import (
	"context"
	"runtime/debug"
	"sync"
	"time"

	"github.com/asynkron/protoactor-go/actor"
)

// outside runs what takes time, away from the mailboxes. It is safe for concurrent use.
type outside struct {
	root   *actor.RootContext
	within func(time.Duration) (context.Context, context.CancelFunc)
	cancel context.CancelFunc
	work   sync.WaitGroup
}

func newOutside(ctx context.Context, root *actor.RootContext) *outside {
	ctx, cancel := context.WithCancel(ctx)
	return &outside{
		root: root, cancel: cancel,
		within: func(limit time.Duration) (context.Context, context.CancelFunc) {
			return context.WithTimeout(ctx, limit)
		},
	}
}

// do runs task with at most that long and sends its result to the actor as a returned. The task must not touch an actor's
// state. If it panics, so does the actor.
func (o *outside) do(to *actor.PID, life uint64, limit time.Duration, task func(context.Context) any) {
	o.work.Go(func() {
		ctx, cancel := o.within(limit)
		defer cancel()
		defer func() {
			if cause := recover(); cause != nil {
				o.root.Send(to, returned{life: life, message: crash{cause: cause, stack: debug.Stack()}})
			}
		}()
		o.root.Send(to, returned{life: life, message: task(ctx)})
	})
}

// end returns when everything that was begun has ended. What takes longer than the grace is cancelled.
func (o *outside) end(grace time.Duration) {
	timer := time.AfterFunc(grace, o.cancel)
	defer timer.Stop()
	o.work.Wait()
	o.cancel()
}

// alarm is an actor's one timer: it sends a message when the time comes. Whoever gets the message calls stop.
type alarm struct {
	root  *actor.RootContext
	timer *time.Timer
	at    time.Time
}

// set replaces the time; zero stops the alarm. A time that has passed means at once.
func (a *alarm) set(to *actor.PID, at time.Time, message any) {
	if at.Equal(a.at) {
		return
	}
	a.stop()
	if at.IsZero() {
		return
	}
	root := a.root
	a.at = at
	a.timer = time.AfterFunc(time.Until(at), func() { root.Send(to, message) })
}

// stop forgets the time. A message already under way still arrives, and must be harmless.
func (a *alarm) stop() {
	if a.timer != nil {
		a.timer.Stop()
	}
	a.timer, a.at = nil, time.Time{}
}
