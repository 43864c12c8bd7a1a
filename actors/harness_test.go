package actors

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rs/zerolog"

	"github.com/urban-robot/urban-robot/actors/fleet"
	"github.com/urban-robot/urban-robot/actors/store"
	"github.com/urban-robot/urban-robot/actors/store/storetest"
	"github.com/urban-robot/urban-robot/protocol"
	"github.com/urban-robot/urban-robot/protocol/socketio"
)

const (
	theFleet = "helium"
	theToken = "discord-token-NzkyNzE1NDU0MTk2MDg4ODQy"
	theKey   = "fleet-key-5f4dcc3b5aa765d61d8327deb882cf99"
)

func testPolicy() fleet.Policy {
	return fleet.Policy{
		Lease: 30 * time.Second, LeaseMargin: 2 * time.Second, Shards: 1, Standbys: 1, Outdated: fleet.PartingComa, CacheBytes: 16 << 20,
		Health: fleet.HealthPolicy{
			HealthyPercentage: 100, Timeout: 10 * time.Second, Interval: time.Minute, Failures: 3, CandidateSuccesses: 1,
			CandidateDeadline: 3 * time.Minute, Bake: 10 * time.Minute,
		},
		Handover: fleet.HandoverPolicy{To: fleet.PartingComa, Drain: time.Second, CacheSync: true, Deadline: 10 * time.Second},
		Rollout:  fleet.RolloutPolicy{Reverts: 3, RevertWindow: time.Hour},
		Login:    fleet.LoginPolicy{Daily: 1000, Reserve: 100, Concurrency: 1},
		Ready:    time.Minute, Answer: 10 * time.Second,
	}
}

// world is one System in a bubble of virtual time, with the store and the log that outlive it.
type world struct {
	t      testing.TB
	memory *storetest.Memory
	store  store.Store // what the System gets; memory unless a test puts something before it
	log    *lockedLog
	config Config
	bots   int

	system *System
	cancel context.CancelFunc
	ended  chan error
}

// inBubble runs a story in virtual time. Nothing may be left when it ends.
func inBubble(t *testing.T, story func(w *world)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		story(w)
		w.stop()
		time.Sleep(2 * time.Second) // proto.actor's throttle of dead letters
		for _, secret := range []string{theToken, theKey, "secret-cache-content"} {
			w.logged(0, secret)
		}
	})
}

func newWorld(t testing.TB) *world {
	memory := storetest.NewMemory()
	w := &world{t: t, memory: memory, store: memory, log: &lockedLog{}}
	w.config = Config{Log: zerolog.New(w.log).Level(zerolog.TraceLevel), Fleets: []FleetConfig{{
		Name: theFleet, Token: protocol.NewToken(theToken), Key: protocol.NewToken(theKey), Policy: testPolicy(),
	}}}
	return w
}

// policy is the fleet's, to be changed before start.
func (w *world) policy() *fleet.Policy { return &w.config.Fleets[0].Policy }

// run makes a System and runs it.
func (w *world) run() {
	w.t.Helper()
	w.config.Store = w.store
	system, err := New(w.config)
	if err != nil {
		w.t.Fatalf("New() = %v, want nil", err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	w.system, w.cancel, w.ended = system, cancel, make(chan error, 1)
	go func() { w.ended <- system.Run(ctx) }()
	<-system.Started()
}

// start is run and then waits until the fleet is loaded.
func (w *world) start() {
	w.t.Helper()
	w.run()
	synctest.Wait()
	w.isReady(true)
}

// stop ends the System as SIGTERM does.
func (w *world) stop() {
	w.t.Helper()
	if w.system == nil {
		return
	}
	w.cancel()
	if err := <-w.ended; err != nil {
		w.t.Errorf("Run() = %v, want nil", err)
	}
	w.system = nil
}

// pass lets time pass, and everything happen that is due.
func (w *world) pass(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

func (w *world) isReady(want bool) {
	w.t.Helper()
	synctest.Wait()
	if err := w.system.Ready(); (err == nil) != want {
		w.t.Errorf("Ready() = %v, want nil is %v", err, want)
	}
}

// seat is what is stored of seat 0.
func (w *world) seat() fleet.SeatRecord {
	w.t.Helper()
	_, stored, err := snapshot(w.memory)
	if err != nil {
		w.t.Fatalf("Acquire() = %v, want nil", err)
	}
	if len(stored.Seats) == 0 {
		return fleet.SeatRecord{}
	}
	return stored.Seats[0]
}

// snapshot reads what is stored once the System has ended: it takes the fleet over.
func snapshot(memory *storetest.Memory) (store.Term, fleet.Stored, error) {
	return memory.Open().Acquire(context.Background(), theFleet)
}

// trail lists the events that are stored.
func (w *world) trail() []string {
	w.t.Helper()
	events, err := w.memory.Open().Events(context.Background(), theFleet, 0, 100_000)
	if err != nil {
		w.t.Fatalf("Events() = %v, want nil", err)
	}
	lines := make([]string, len(events))
	for i, e := range events {
		lines[i] = e.Event
	}
	return lines
}

func (w *world) settle() {
	if _, bubble := w.t.(*testing.T); bubble {
		synctest.Wait()
	}
}

// connect opens a connection from this machine.
func (w *world) connect() *bot {
	return w.connectFrom(socketio.Peer{Address: netip.MustParseAddr("127.0.0.1")})
}

func (w *world) connectFrom(peer socketio.Peer) *bot {
	w.bots++
	b := &bot{w: w, id: fmt.Sprintf("c%d", w.bots), peer: peer, joiner: protocol.Joiner{Max: 1 << 30}}
	w.system.Opened(b)
	return b
}

// join connects and identifies, with an instance of the version's name.
func (w *world) join(version string, change ...func(*protocol.Identify)) *bot {
	w.t.Helper()
	b := w.connect()
	b.identify(version, change...)
	return b
}

// lockedLog is a log's output. It is safe for concurrent use.
type lockedLog struct {
	mu    sync.Mutex
	lines []string
}

// Write implements io.Writer.
func (l *lockedLog) Write(line []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.lines = append(l.lines, strings.TrimSpace(string(line)))
	return len(line), nil
}

// with lists the lines that have all of these words in them.
func (l *lockedLog) with(words ...string) []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	var found []string
	for _, line := range l.lines {
		if !slices.ContainsFunc(words, func(w string) bool { return !strings.Contains(line, w) }) {
			found = append(found, line)
		}
	}
	return found
}

// logged fails unless the log has as many lines with all of these words in them.
func (w *world) logged(want int, words ...string) {
	w.t.Helper()
	if got := w.log.with(words...); len(got) != want {
		w.t.Errorf("the log has %d lines with %q, want %d:\n%s", len(got), words, want, strings.Join(got, "\n"))
	}
}
