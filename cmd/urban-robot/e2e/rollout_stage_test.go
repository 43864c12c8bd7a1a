package e2e

import (
	"bufio"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// sighting is what a bot says of itself, by its own clock.
//
//	started, hello, checked, told       it lives, was let in, was asked for its health, was told to leave
//	active, work                        it processes commands from now on, and still does
//	coma, shutdown, lapsed, fenced      it has stopped: on an order, or by itself
//	crash, gone                         it ends; gone is found by the end of its connection
type sighting struct {
	At       int64  `json:"at"` // in nanoseconds
	Event    string `json:"event"`
	Name     string `json:"name"` // as its code says
	Version  string `json:"version"`
	Instance string `json:"instance"`
	PID      int    `json:"pid"`
	Epoch    uint64 `json:"epoch,omitempty"`
	Reason   string `json:"reason,omitempty"`
}

func (s sighting) time() time.Time { return time.Unix(0, s.At) }

// stage is where the bots of a test are seen.
type stage struct {
	socket net.Listener

	mu    sync.Mutex
	seen  []sighting
	grown chan struct{} // closed, and replaced, with each sighting
}

func openStage(t *testing.T) *stage {
	t.Helper()
	socket, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	s := &stage{socket: socket, grown: make(chan struct{})}
	t.Cleanup(func() { _ = socket.Close() }) // its bots have ended
	go func() {
		for {
			conn, err := socket.Accept()
			if err != nil {
				return
			}
			go s.watch(conn)
		}
	}()
	return s
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
	last.At, last.Event, last.Reason = time.Now().UnixNano(), "gone", ""
	s.note(last)
	_ = conn.Close() // it has ended
}

func (s *stage) note(next sighting) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.seen = append(s.seen, next)
	close(s.grown)
	s.grown = make(chan struct{})
}

// all returns what was seen from a time on, by the bots' clocks.
func (s *stage) all(after time.Time) []sighting {
	s.mu.Lock()
	all := slices.DeleteFunc(slices.Clone(s.seen), func(x sighting) bool { return x.At < after.UnixNano() })
	s.mu.Unlock()
	slices.SortStableFunc(all, func(a, b sighting) int { return int(a.At - b.At) })
	return all
}

// of returns how often the bots of a name were seen so, from a time on.
func (s *stage) of(after time.Time, name string, events ...string) []sighting {
	return slices.DeleteFunc(s.all(after), func(x sighting) bool { return x.Name != name || !slices.Contains(events, x.Event) })
}

// await returns the first sighting of one of these events of a name from a time on.
func (s *stage) await(t *testing.T, after time.Time, name string, events ...string) sighting {
	t.Helper()
	return s.awaitAny(t, after, name+" "+strings.Join(events, " or "), func(x sighting) bool {
		return x.Name == name && slices.Contains(events, x.Event)
	})
}

func (s *stage) awaitAny(t *testing.T, after time.Time, what string, is func(sighting) bool) sighting {
	t.Helper()
	deadline := time.NewTimer(patience)
	defer deadline.Stop()
	for {
		s.mu.Lock()
		grown := s.grown
		s.mu.Unlock()
		for _, x := range s.all(after) {
			if is(x) {
				return x
			}
		}
		select {
		case <-grown:
		case <-deadline.C:
			require.FailNowf(t, "nothing was seen", "want a bot %s within %s", what, patience)
		}
	}
}

// span is a time in which one bot processed commands.
type span struct {
	who      string
	version  string
	from, to time.Time
}

func (s span) String() string {
	return fmt.Sprintf("%s from %s to %s", s.who, s.from.Format("05.000000"), s.to.Format("05.000000"))
}

// spans returns when bots processed commands, in order. A bot that was killed did so until it last said so.
func (s *stage) spans(after time.Time) []span {
	var done []span
	open := map[string]span{}
	for _, x := range s.all(after) {
		now, processing := open[x.Instance]
		switch x.Event {
		case "active", "work":
			if !processing {
				now = span{who: x.Name + " " + x.Instance, version: x.Version, from: x.time()}
			}
			now.to = x.time()
			open[x.Instance] = now
		case "coma", "shutdown", "lapsed", "fenced", "crash":
			if processing {
				now.to = x.time()
				done = append(done, now)
				delete(open, x.Instance)
			}
		case "gone":
			if processing {
				done = append(done, now)
				delete(open, x.Instance)
			}
		}
	}
	for _, now := range open {
		done = append(done, now)
	}
	slices.SortFunc(done, func(a, b span) int { return a.from.Compare(b.from) })
	return done
}

// neverTwo wants no two bots to have processed commands at a time.
func (s *stage) neverTwo(t *testing.T) {
	t.Helper()
	if a, b, two := s.two(); two {
		require.Failf(t, "two at a time", "%s\n%s", a, b)
	}
}

// two returns two bots that processed commands at a time, if there are any.
func (s *stage) two() (a, b span, found bool) {
	for _, next := range s.spans(time.Time{}) {
		if !a.to.IsZero() && next.from.Before(a.to) {
			return a, next, true
		}
		if next.to.After(a.to) {
			a = next
		}
	}
	return a, b, false
}

// beginning is before everything that was seen.
func (s *stage) beginning() time.Time { return time.Time{} }

// longestPause returns the longest time from after on, with a bot active at its beginning, in which none was.
func (s *stage) longestPause(after time.Time) time.Duration {
	longest, until := time.Duration(0), time.Time{}
	for _, x := range s.spans(time.Time{}) {
		if !until.IsZero() && !x.from.Before(after) {
			longest = max(longest, x.from.Sub(until))
		}
		if x.to.After(until) {
			until = x.to
		}
	}
	return longest
}

// longestSilence returns the longest time between two signs of work of an instance.
func (s *stage) longestSilence(after time.Time, instance string) time.Duration {
	longest, last := time.Duration(0), time.Time{}
	for _, x := range s.all(after) {
		if x.Instance != instance || x.Event != "work" {
			continue
		}
		if !last.IsZero() {
			longest = max(longest, x.time().Sub(last))
		}
		last = x.time()
	}
	return longest
}

// dump writes what was seen into the test's log, all work of one bot in a row as one line.
func (s *stage) dump(t *testing.T) {
	var b strings.Builder
	working := ""
	for _, x := range s.all(time.Time{}) {
		if x.Event == "work" && working == x.Instance {
			continue
		}
		working = ""
		if x.Event == "work" {
			working = x.Instance
		}
		fmt.Fprintf(&b, "  %s %s %s (%s) epoch %d %s\n", x.time().Format("15:04:05.000"), x.Name, x.Event, x.Instance, x.Epoch, x.Reason)
	}
	t.Logf("the bots said:\n%s", b.String())
}

// serveHTTP serves until the test ends, and returns where.
func serveHTTP(t *testing.T, server *http.Server) string {
	t.Helper()
	socket, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	go func() { _ = server.Serve(socket) }() // it ends with Close
	t.Cleanup(func() { _ = server.Close() })
	return socket.Addr().String()
}

// A stage that sees nothing must not pass for one on which all was well.
func TestStageSees(t *testing.T) {
	t.Parallel()
	events := func(seen ...sighting) *stage { return &stage{seen: seen, grown: make(chan struct{})} }
	at := func(ms int64, instance, event string) sighting {
		return sighting{At: ms * int64(time.Millisecond), Name: instance, Instance: instance, Event: event}
	}
	tests := []struct {
		name  string
		stage *stage
		two   bool
		pause time.Duration
	}{
		{"one after the other", events(at(1, "a", "active"), at(5, "a", "coma"), at(8, "b", "active"), at(9, "b", "work")), false, 3 * time.Millisecond},
		{"one that began before the other had stopped", events(at(1, "a", "active"), at(4, "b", "active"), at(5, "a", "coma")), true, 0},
		{"one that worked on", events(at(1, "a", "active"), at(4, "b", "active"), at(5, "a", "work"), at(9, "b", "work")), true, 0},
		{"one that was killed, and was seen to have gone later", events(at(1, "a", "active"), at(2, "a", "work"), at(6, "b", "active"), at(7, "a", "gone")), false, 4 * time.Millisecond},
		{"three, of which the first worked on", events(at(1, "a", "active"), at(2, "b", "active"), at(3, "b", "coma"), at(4, "a", "work")), true, 0},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			_, _, two := test.stage.two()
			require.Equal(t, test.two, two)
			require.Equal(t, test.pause, max(0, test.stage.longestPause(time.Time{})))
		})
	}
}
