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
	branch func() *outside // one that can be closed by itself; it ends with this one at the latest
	cancel context.CancelFunc
	work   sync.WaitGroup
	above  *outside      // nil: it is no branch
	closed chan struct{} // a branch's: closed when it was closed and everything in it has ended
}

func newOutside(ctx context.Context, root *actor.RootContext) *outside {
	ctx, cancel := context.WithCancel(ctx)
	o := &outside{
		root: root, cancel: cancel,
		within: func(limit time.Duration) (context.Context, context.CancelFunc) {
			return context.WithTimeout(ctx, limit)
		},
	}
	o.branch = func() *outside {
		b := newOutside(ctx, root)
		b.above, b.closed = o, make(chan struct{})
		return b
	}
	return o
}

// do runs task with at most that long and sends its result to the actor as a returned. The task must not touch an actor's
// state. If it panics, so does the actor.
func (o *outside) do(to *actor.PID, life uint64, limit time.Duration, task func(context.Context) any) {
	o.begin(func() {
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

// begin runs a task, of which the one above knows too.
func (o *outside) begin(task func()) {
	if o.above == nil {
		o.work.Go(task)
		return
	}
	o.work.Add(1)
	o.above.begin(func() {
		defer o.work.Done()
		task()
	})
}

// close has a branch end: what takes longer than the grace is cancelled. Nothing may be begun in it from now on.
func (o *outside) close(grace time.Duration) {
	timer := time.AfterFunc(grace, o.cancel)
	o.above.begin(func() {
		o.work.Wait()
		timer.Stop()
		o.cancel()
		close(o.closed)
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
