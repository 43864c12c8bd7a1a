package alert

import "sync"

// queue is bounded and keeps the newest. Pushing never waits.
type queue[T any] struct {
	limit int
	ready chan struct{} // holds a value if there is something to take, or the queue was closed

	mu     sync.Mutex
	items  []T
	lost   uint64
	closed bool
}

func newQueue[T any](limit int) *queue[T] {
	return &queue[T]{limit: limit, ready: make(chan struct{}, 1)}
}

// push reports whether there was room, or else the oldest was dropped.
func (q *queue[T]) push(item T) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	room := len(q.items) < q.limit
	if !room {
		q.items = q.items[1:]
		q.lost++
	}
	q.items = append(q.items, item)
	q.wake()
	return room
}

// take returns all that there is.
func (q *queue[T]) take() []T {
	q.mu.Lock()
	defer q.mu.Unlock()
	items := q.items
	q.items = nil
	return items
}

// next returns the oldest, if there is one. more is false if there never will be another one.
func (q *queue[T]) next() (item T, ok, more bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(q.items) == 0 {
		return item, false, !q.closed
	}
	item, q.items = q.items[0], q.items[1:]
	return item, true, true
}

func (q *queue[T]) close() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.closed = true
	q.wake()
}

func (q *queue[T]) wake() {
	select {
	case q.ready <- struct{}{}:
	default:
	}
}

func (q *queue[T]) dropped() uint64 {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.lost
}
