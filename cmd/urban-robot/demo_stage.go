package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"net"
	"slices"
	"sync"
	"time"
)

// patience bounds every wait of the demo: far beyond what any step takes.
const patience = 20 * time.Second

// stage is where the demo's bots are seen: each says what happens to it over a connection, and its end is the bot's.
type stage struct {
	socket net.Listener
	actors sync.WaitGroup

	mu      sync.Mutex
	seen    []sighting
	changed chan struct{} // closed and replaced with every sighting
}

func openStage(ctx context.Context) (*stage, error) {
	socket, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("listen for the bots of the demo: %w", err)
	}
	s := &stage{socket: socket, changed: make(chan struct{})}
	s.actors.Go(s.accept)
	return s, nil
}

func (s *stage) address() string { return s.socket.Addr().String() }

func (s *stage) accept() {
	for {
		conn, err := s.socket.Accept()
		if err != nil {
			return // closed
		}
		s.actors.Go(func() { s.watch(conn) })
	}
}

// watch notes what one bot says, and its end.
func (s *stage) watch(conn net.Conn) {
	var last sighting
	for lines := bufio.NewScanner(conn); lines.Scan(); {
		var next sighting
		if json.Unmarshal(lines.Bytes(), &next) == nil {
			last = next
			s.note(next)
		}
	}
	last.At, last.Event = time.Now(), "gone"
	s.note(last)
	_ = conn.Close() // it has ended
}

func (s *stage) note(next sighting) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.seen = append(s.seen, next)
	close(s.changed)
	s.changed = make(chan struct{})
}

// await returns the first sighting of an event of a version at or after a time.
func (s *stage) await(ctx context.Context, version, event string, after time.Time) (sighting, error) {
	within, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	for {
		s.mu.Lock()
		changed := s.changed
		i := slices.IndexFunc(s.seen, func(x sighting) bool { return x.Version == version && x.Event == event && !x.At.Before(after) })
		if i >= 0 {
			found := s.seen[i]
			s.mu.Unlock()
			return found, nil
		}
		s.mu.Unlock()
		select {
		case <-changed:
		case <-within.Done():
			return sighting{}, fmt.Errorf("version %s: %s did not come within %s", version, event, patience)
		}
	}
}

// all returns what was seen from a time on, in order.
func (s *stage) all(after time.Time) []sighting {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := slices.DeleteFunc(slices.Clone(s.seen), func(x sighting) bool { return x.At.Before(after) })
	slices.SortStableFunc(all, func(a, b sighting) int { return a.At.Compare(b.At) })
	return all
}

// close ends the stage. Bots that are still there are not waited for.
func (s *stage) close() error { return s.socket.Close() }
