package urbanrobot

import (
	"sync"
	"time"
	"unicode"

	"github.com/urban-robot/urban-robot/protocol"
)

const (
	keepFor      = 10 * time.Second // a Discord event for a replay
	keepAtMost   = 10_000
	rememberFor  = 30 * time.Second // an id in handled
	rememberAll  = 4 * keepAtMost
	handledBytes = 48 << 10 // of ids in one event, which has room for 64 KiB
)

// gate decides for each Discord event whether to process it. Stopping is synchronous: once stop has returned nothing begins.
type gate struct {
	lapsed func() // called when the lease has run out, with the gate locked: it must not block

	mu       sync.Mutex
	active   bool
	lease    time.Duration // 0: for ever
	heard    time.Time
	timer    *time.Timer   // ends the lease
	running  int           // work that has begun and not ended
	idle     chan struct{} // closed when running becomes 0; nil if nobody waits
	handled  map[string]time.Time
	recent   []string // the keys of handled, oldest first
	kept     []keptEvent
	shutdown bool // nothing is kept any more
}

// keptEvent is a Discord event that came while the gate was closed.
type keptEvent struct {
	id   string
	work func()
	at   time.Time
}

func newGate(lapsed func()) *gate {
	return &gate{lapsed: lapsed, heard: time.Now(), handled: make(map[string]time.Time)}
}

// start opens the gate, except for what the client before has handled. It forgets what was kept, and returns those events
// that are young enough and were not handled.
func (g *gate) start(handled []string) []keptEvent {
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, id := range handled {
		g.remember(id)
	}
	var due []keptEvent
	for _, e := range g.kept {
		if time.Since(e.at) <= keepFor && !g.known(e.id) {
			due = append(due, e)
		}
	}
	g.kept = nil
	g.active = true
	g.arm()
	return due
}

// stop closes the gate and reports whether it was open.
func (g *gate) stop() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	was := g.open()
	g.active = false
	g.arm()
	return was
}

// end closes the gate for good.
func (g *gate) end() {
	g.stop()
	g.mu.Lock()
	defer g.mu.Unlock()
	g.kept, g.shutdown = nil, true
}

func (g *gate) isOpen() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.open()
}

func (g *gate) setLease(lease time.Duration) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.lease = lease
	g.arm()
}

// hear renews the lease, unless it has run out, from the moment the message was first waited for. A process that was frozen finds old
// messages in its socket, and when they came nobody can say: they are no older than that.
func (g *gate) hear(since time.Time) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.open()
	g.heard = since
	g.arm()
}

// begin reports whether to process the event with that id, which may be empty. If so, finish must be called. If not, and
// work is not nil, the event is kept for a replay.
func (g *gate) begin(id string, work func()) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	switch {
	case g.known(id):
		return false
	case !g.open():
		if work != nil && !g.shutdown {
			g.keep(id, work)
		}
		return false
	}
	g.remember(id)
	g.running++
	return true
}

func (g *gate) finish() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.running--
	if g.running == 0 && g.idle != nil {
		close(g.idle)
		g.idle = nil
	}
}

// drain waits until nothing is running, at most for that long.
func (g *gate) drain(limit time.Duration) {
	g.mu.Lock()
	if g.running == 0 {
		g.mu.Unlock()
		return
	}
	if g.idle == nil {
		g.idle = make(chan struct{})
	}
	idle := g.idle
	g.mu.Unlock()
	timer := time.NewTimer(limit)
	defer timer.Stop()
	select {
	case <-idle:
	case <-timer.C:
	}
}

// lately returns the ids handled lately, oldest first, as many of the newest as an event has room for.
func (g *gate) lately() []string {
	g.mu.Lock()
	defer g.mu.Unlock()
	from, room := len(g.recent), handledBytes
	for from > 0 && len(g.recent)-from < protocol.MaxHandled {
		id := g.recent[from-1]
		room -= len(id) + len(`"",`)
		if room < 0 || time.Since(g.handled[id]) > rememberFor {
			break
		}
		from--
	}
	return append([]string(nil), g.recent[from:]...)
}

// open reports whether the gate is open, and closes it if the lease has run out.
func (g *gate) open() bool {
	if g.active && g.lease > 0 && time.Since(g.heard) >= g.lease {
		g.active = false
		g.lapsed()
	}
	return g.active
}

func (g *gate) keep(id string, work func()) {
	now := time.Now()
	old := 0
	for old < len(g.kept) && (now.Sub(g.kept[old].at) > keepFor || len(g.kept)-old >= keepAtMost) {
		old++
	}
	g.kept = append(g.kept[old:], keptEvent{id, work, now})
}

// arm sets the timer to the end of the lease.
func (g *gate) arm() {
	switch {
	case !g.active || g.lease == 0:
		if g.timer != nil {
			g.timer.Stop()
		}
	case g.timer == nil:
		g.timer = time.AfterFunc(g.lease-time.Since(g.heard), func() {
			g.mu.Lock()
			defer g.mu.Unlock()
			if g.open() {
				g.arm()
			}
		})
	default:
		g.timer.Reset(g.lease - time.Since(g.heard))
	}
}

func (g *gate) known(id string) bool {
	_, ok := g.handled[id]
	return ok
}

// remember notes an id that an event can carry.
func (g *gate) remember(id string) {
	if id == "" || len(id) > protocol.MaxIDBytes || !printable(id) || g.known(id) {
		return
	}
	now := time.Now()
	old := 0
	for old < len(g.recent) && (now.Sub(g.handled[g.recent[old]]) > rememberFor || len(g.recent)-old >= rememberAll) {
		delete(g.handled, g.recent[old])
		old++
	}
	g.recent = append(g.recent[old:], id)
	g.handled[id] = now
}

func printable(s string) bool {
	for _, r := range s {
		if !unicode.IsPrint(r) {
			return false
		}
	}
	return true
}
