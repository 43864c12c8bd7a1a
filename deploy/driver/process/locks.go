package process

import (
	"context"
	"sync"
)

// Locks are locks with names. The zero Locks is ready; it is safe for concurrent use. A name once used is never forgotten.
type Locks struct {
	mu    sync.Mutex
	named map[string]chan struct{}
}

// Hold waits for a lock until the context ends. The function lets go of it.
func (l *Locks) Hold(ctx context.Context, name string) (func(), error) {
	lock := l.lock(name)
	select {
	case lock <- struct{}{}:
		return func() { <-lock }, nil
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}

// Try takes a lock if nobody holds it; nil: somebody does.
func (l *Locks) Try(name string) func() {
	lock := l.lock(name)
	select {
	case lock <- struct{}{}:
		return func() { <-lock }
	default:
		return nil
	}
}

func (l *Locks) lock(name string) chan struct{} {
	l.mu.Lock()
	defer l.mu.Unlock()
	lock, ok := l.named[name]
	if !ok {
		if l.named == nil {
			l.named = make(map[string]chan struct{})
		}
		lock = make(chan struct{}, 1)
		l.named[name] = lock
	}
	return lock
}
