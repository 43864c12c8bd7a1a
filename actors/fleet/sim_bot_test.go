package fleet

import (
	"fmt"
	"time"

	"github.com/urban-robot/urban-robot/protocol"
)

// traits are how one bot's process behaves.
type traits struct {
	full  bool          // an SDK: instance, session, epochs, check ids; otherwise only the required fields
	slow  time.Duration // on top of every answer
	never string        // the command it does not answer; "ready": it never gets ready
	bold  bool          // a hello that grants a newer epoch does not make it stop until ok
	curt  bool          // it answers shutdown by disconnecting in due form
	drift float64       // how much longer its lease is by its own clock
}

// login is how far a bot is with Discord.
type login uint8

const (
	loggedOut login = iota
	loggingIn
	loggedIn
)

// bot is one process of a bot. It believes that it is active from ok until it has stopped, is told no by hello, or its lease
// is over.
type bot struct {
	w        *world
	name     string
	instance string
	release  Release
	traits   traits
	launched bool // by the driver, with a launch secret
	alive    bool
	frozen   bool
	leaving  bool
	discord  login
	away     bool // Discord is out of reach: it cannot get ready

	seen       uint64 // newest epoch
	granted    bool   // a grant that it has not given up
	processing bool
	epoch      uint64        // with which it processes
	lease      time.Duration // by its clock; 0: it never stops by itself
	heard      time.Duration // last heard of the server, where that is not now
	greeted    bool          // hello came, once
	data       uint64        // the newest it knows: its cache

	seat     int   // of its hello
	activeOn *conn // where it was told ok last

	conn    *conn
	backlog []parcel      // what its kernel has while it is frozen
	backoff time.Duration // it was refused
	offline time.Duration // until when it cannot connect
	busy    time.Duration // commands are answered in order
}

// parcel is something for a bot; from is the connection it came from, or nil.
type parcel struct {
	from *conn
	do   func()
}

// spawn starts a process.
func (w *world) spawn(release Release) {
	w.spawned++
	b := &bot{w: w, name: fmt.Sprintf("b%d", w.spawned), release: release, traits: w.randomTraits(), alive: true}
	if b.traits.full {
		b.instance = "p-" + b.name
	}
	w.bots = append(w.bots, b)
	w.note("%s starts: %s (%s) %+v", b.name, release, w.quality[release], b.traits)
	b.later(w.between(0, 2*time.Second), b.connect)
}

// wake lets something happen in the process: now, or when it is no longer frozen. from is the connection it comes from.
func (b *bot) wake(from *conn, do func()) {
	switch {
	case !b.alive:
	case b.frozen:
		b.backlog = append(b.backlog, parcel{from, do})
	default:
		b.checkLease()
		do()
	}
}

// later lets the process do something after a while.
func (b *bot) later(d time.Duration, do func()) { b.w.after(d, func() { b.wake(nil, do) }) }

// reply does something on the connection after those before it, unless the connection is gone by then.
func (b *bot) reply(c *conn, d time.Duration, do func()) {
	b.busy = max(b.busy, b.w.now+d+b.traits.slow)
	b.w.at(b.busy, func() {
		b.wake(nil, func() {
			if b.conn == c {
				do()
			}
		})
	})
}

// freeze is SIGSTOP. If it lasts, the server's pings time out.
func (b *bot) freeze(d time.Duration) {
	if !b.alive || b.frozen {
		return
	}
	b.w.note("%s freezes", b.name)
	b.heard = b.lastHeard()
	b.frozen = true
	if c := b.conn; c != nil && c.up {
		b.w.after(pingTimeout, func() {
			if b.frozen && b.conn == c {
				c.end(false, "ping timeout")
				c.noticed()
			}
		})
	}
	b.w.after(d, b.thaw)
}

// thaw wakes the process. It looks at its lease before it reads what its kernel has, and only what was sent since counts as
// heard.
func (b *bot) thaw() {
	if !b.alive || !b.frozen {
		return
	}
	b.w.note("%s wakes", b.name)
	fenced := b.checkLease()
	b.frozen = false
	backlog := b.backlog
	b.backlog = nil
	if c := b.conn; fenced && c != nil && c.up {
		b.renounce(c, "lease")
	}
	for _, p := range backlog {
		if b.alive && (p.from == nil || !p.from.aborted || p.from.closed) {
			p.do()
		}
	}
}

// lastHeard is when the process last heard of the server. Only a connection on which hello has come counts.
func (b *bot) lastHeard() time.Duration {
	if c := b.conn; c != nil && c.up && c.greeted && !b.frozen {
		return b.w.now
	}
	return b.heard
}

// leaseOver reports whether it has to stop by itself.
func (b *bot) leaseOver() bool { return b.lease > 0 && b.w.now >= b.lastHeard()+b.lease }

// checkLease stops a process whose lease is over.
func (b *bot) checkLease() bool {
	if !b.leaseOver() || !b.granted && !b.processing {
		return false
	}
	b.w.note("%s stops: its lease is over", b.name)
	b.granted, b.processing = false, false
	return true
}

// active is what the process believes.
func (b *bot) active() bool { return b.alive && !b.frozen && b.processing && !b.leaseOver() }

// connect opens a connection and identifies.
func (b *bot) connect() {
	if b.conn != nil || b.leaving {
		return
	}
	if !b.w.sup.alive || b.w.now < b.offline {
		b.later(b.w.between(200*time.Millisecond, 2*time.Second), b.connect)
		return
	}
	c := b.w.open(b)
	b.conn = c
	b.busy = 0
	b.later(b.w.between(0, 20*time.Millisecond), func() { b.identify(c) })
}

func (b *bot) identify(c *conn) {
	if b.conn != c {
		return
	}
	e := protocol.Identify{Version: string(b.release)}
	if b.traits.full {
		e.Instance = b.instance
		if b.greeted {
			if b.w.policy.Shards > 1 {
				e.ShardID = &b.seat
			}
			e.Session = &protocol.Session{Epoch: b.seen, Active: b.active(), Ready: b.discord == loggedIn}
		}
	}
	if b.launched {
		e.Instance, e.Launch = b.instance, launchSecret
	}
	c.claim = e.Session
	c.say(e, 0)
}

// disconnected notices that the connection is gone, and comes back.
func (b *bot) disconnected(c *conn) {
	if b.conn != c {
		return
	}
	b.conn = nil
	if c.up { // the server has closed it in order
		c.silence()
	}
	b.later(b.w.between(50*time.Millisecond, 3*time.Second)+b.backoff, b.connect)
}

// hear is a message from the server.
func (b *bot) hear(c *conn, effect Effect, content uint64) {
	if b.conn != c {
		return
	}
	if _, ok := effect.(DeliverCache); ok {
		b.w.note("%s gets cache %d", b.name, content)
		b.takeCache(c, content)
		return
	}
	b.w.note("%s hears %s", b.name, brief{effect})
	switch effect := effect.(type) {
	case Say:
		b.hello(c, effect.Hello)
	case Tell:
		if !b.leaving {
			b.command(c, effect.Command)
		}
	}
}

// hello is an order: whoever is told false stops.
func (b *bot) hello(c *conn, h protocol.Hello) {
	if h.Error != nil {
		b.processing, b.granted, b.backoff = false, false, b.w.mix.backoff
		return
	}
	c.greeted = true
	b.greeted = true
	b.heard = b.w.now
	b.lease = time.Duration(float64(h.LeaseMS)*(1+b.traits.drift)) * time.Millisecond
	if b.instance == "" || !b.traits.full {
		b.instance = h.Instance
	}
	b.seen = max(b.seen, h.Epoch)
	if h.ShardID != nil {
		b.processing = b.processing && b.seat == *h.ShardID
		b.seat = *h.ShardID
	}
	b.granted = h.ProcessCommands
	if !b.granted || b.epoch != h.Epoch && !b.traits.bold {
		b.processing = false
	}
	switch b.discord {
	case loggedIn:
		b.getReady(c, 20*time.Millisecond)
	case loggingIn: // by an earlier permit
	case loggedOut:
		b.logIn(c)
	}
}

// logIn sends IDENTIFY to Discord. It takes time, and may fail.
func (b *bot) logIn(c *conn) {
	b.discord = loggingIn
	b.later(b.w.between(100*time.Millisecond, 2*time.Second), func() {
		b.w.discord.identify(b, c)
		b.later(b.w.between(200*time.Millisecond, 3*time.Second), func() {
			if !b.w.quiet && b.w.chance(b.w.mix.loginFails) {
				b.w.note("%s fails to log in to Discord", b.name)
				b.kill()
				return
			}
			b.discord = loggedIn
			if b.conn != nil && b.conn.greeted {
				b.getReady(b.conn, 0)
			}
		})
	})
}

// getReady says ready, once Discord is within reach.
func (b *bot) getReady(c *conn, d time.Duration) {
	if b.traits.never == "ready" {
		return
	}
	b.reply(c, d, func() {
		switch {
		case b.leaving || b.discord != loggedIn:
		case b.away:
			b.getReady(c, time.Second)
		default:
			c.readied = true
			c.say(protocol.Ready{}, 0)
		}
	})
}

// said is the epoch that goes with an event of the bot's own accord.
func (b *bot) said() uint64 {
	if b.traits.full {
		return b.seen
	}
	return 0
}

// takeCache takes over what another client knew.
func (b *bot) takeCache(c *conn, content uint64) {
	b.w.checkCache(b, c, content)
	if content > b.data {
		b.data = content
	}
}
