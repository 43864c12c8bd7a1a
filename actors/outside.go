package actors

import (
	"context"
	"sync"
	"time"

	"github.com/asynkron/protoactor-go/actor"
)

// outside runs what takes time, away from the mailboxes. It is safe for concurrent use.
type outside struct {
	root *actor.RootContext
	work sync.WaitGroup
}

// do runs task with at most that long and sends its result to the actor. The task must not touch an actor's state.
func (o *outside) do(to *actor.PID, within time.Duration, task func(context.Context) any) {
	o.work.Go(func() {
		ctx, cancel := context.WithTimeout(context.Background(), within)
		defer cancel()
		o.root.Send(to, task(ctx))
	})
}

// wait returns when everything that was begun has ended.
func (o *outside) wait() { o.work.Wait() }

// alarm is an actor's one timer: it sends a message when the time comes.
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
	a.at = at
	a.timer = time.AfterFunc(time.Until(at), func() { a.root.Send(to, message) })
}

// stop forgets the time. A message already under way still arrives, and must be harmless.
func (a *alarm) stop() {
	if a.timer != nil {
		a.timer.Stop()
	}
	a.timer, a.at = nil, time.Time{}
}
