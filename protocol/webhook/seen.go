package webhook

import (
	"container/list"
	"sync"
	"time"
)

// seen remembers how accepted deliveries were answered: so many, for so long, the oldest forgotten first.
type seen struct {
	limit int
	keep  time.Duration

	mu    sync.Mutex
	byKey map[string]*entry
	order *list.List // of *entry that are settled, the newest in front
}

// entry is one delivery. answer may be read once done is closed.
type entry struct {
	keys   []string
	at     time.Time
	done   chan struct{}
	answer answer
}

func newSeen(limit int, keep time.Duration) *seen {
	return &seen{limit: limit, keep: keep, byKey: make(map[string]*entry), order: list.New()}
}

// claim returns the entry of a delivery with one of the keys. first means that it is new, and the caller must settle it.
func (s *seen) claim(keys []string) (e *entry, first bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for oldest := s.order.Back(); oldest != nil && time.Since(oldest.Value.(*entry).at) >= s.keep; oldest = s.order.Back() {
		s.drop(oldest)
	}
	for _, key := range keys {
		if e := s.byKey[key]; e != nil {
			return e, false
		}
	}
	e = &entry{keys: keys, done: make(chan struct{})}
	for _, key := range keys {
		s.byKey[key] = e
	}
	return e, true
}

// settle says how the delivery was answered, to those who wait for the same one too. It is remembered only if it was
// accepted: any other may be tried again.
func (s *seen) settle(e *entry, a answer) {
	s.mu.Lock()
	defer s.mu.Unlock()
	e.answer, e.at = a, time.Now()
	close(e.done)
	if !a.Accepted {
		s.forget(e)
		return
	}
	s.order.PushFront(e)
	for s.order.Len() > s.limit {
		s.drop(s.order.Back())
	}
}

func (s *seen) drop(at *list.Element) {
	s.forget(at.Value.(*entry))
	s.order.Remove(at)
}

func (s *seen) forget(e *entry) {
	for _, key := range e.keys {
		delete(s.byKey, key)
	}
}
