package fleet

import (
	"fmt"
	"time"

	"github.com/urban-robot/urban-robot/protocol"
)

// pingTimeout is how long either side of a silent connection takes to notice, at most.
const pingTimeout = 8 * time.Second

// conn is one connection: the wire, and the client actor at its end. What is sent one way arrives in order or not at all.
type conn struct {
	w     *world
	id    ClientID
	bot   *bot
	actor Connection
	mark  uint64 // counts the actor's deadlines, so that only the newest timer counts

	up      bool // packets pass
	aborted bool // nothing sent earlier may still arrive, not even what the other kernel has
	closed  bool // the server's side is closed

	toServer, toBot, toFleet, fromFleet time.Duration // when the newest message each way arrives

	greeted bool                     // hello has reached the bot
	readied bool                     // the bot has said ready
	hellos  int                      // without an error, sent
	acks    map[uint64]time.Duration // when each was asked for; negative: answered
	claim   *protocol.Session        // what its bot said of its session before
	nextAck uint64
	passed  bool // the newest candidate check was answered by a report that passes
}

// open connects a bot.
func (w *world) open(b *bot) *conn {
	w.opened++
	c := &conn{w: w, id: ClientID(fmt.Sprintf("c%d", w.opened)), bot: b, up: true, acks: map[uint64]time.Duration{}}
	w.conns = append(w.conns, c)
	w.byID[c.id] = c
	c.input(Opened{At: w.time(), Local: true}, 0)
	return c
}

// delay is the time a packet takes: short, and now and then long.
func (w *world) delay() time.Duration {
	if !w.quiet && w.chance(0.03) {
		return w.between(200*time.Millisecond, maxDelay)
	}
	return w.between(time.Millisecond, 60*time.Millisecond)
}

// say sends an event to the server.
func (c *conn) say(e protocol.Event, content uint64) {
	if !c.up {
		return
	}
	ack := uint64(0)
	if c.w.chance(0.5) {
		c.nextAck++
		ack = c.nextAck
		c.acks[ack] = c.w.now
	}
	c.w.note("%s %s says %s %s", c.bot.name, c.id, e.EventName(), brief{e})
	c.toServer = max(c.toServer, c.w.now+c.w.delay())
	c.w.at(c.toServer, func() {
		if c.up && !c.closed {
			c.input(Said{At: c.w.time(), Name: e.EventName(), Event: e, Ack: ack}, content)
		}
	})
}

// leave ends the connection in due form, after all that was said.
func (c *conn) leave() {
	if !c.up {
		return
	}
	c.toServer = max(c.toServer, c.w.now+c.w.delay())
	c.w.at(c.toServer, func() { c.end(true, "client namespace disconnect") })
}

// cut loses what is under way, and each side notices when it does.
func (c *conn) cut(why string) {
	if !c.up {
		return
	}
	c.w.note("%s of %s is cut: %s", c.id, c.bot.name, why)
	c.silence()
	c.w.after(c.notice(), func() { c.end(false, "ping timeout") })
	c.w.after(c.notice(), c.noticed)
}

// notice is how long one side takes to notice that a connection is cut: it is told at once, or its pings time out.
func (c *conn) notice() time.Duration {
	if c.w.chance(0.4) {
		return c.w.between(0, 100*time.Millisecond)
	}
	return c.w.between(0, pingTimeout)
}

// silence is the end of all packets. What the bot heard last was sent before; it may have been under way.
func (c *conn) silence() {
	b := c.bot
	if c.up && c.greeted && !b.frozen && b.conn == c {
		b.heard = c.w.now + c.w.between(0, 50*time.Millisecond)
	}
	c.up = false
}

// noticed tells the bot that its connection is gone.
func (c *conn) noticed() {
	c.bot.wake(c, func() { c.bot.disconnected(c) })
}

// end closes the server's side.
func (c *conn) end(said bool, reason string) {
	if c.closed {
		return
	}
	c.closed = true
	c.silence()
	c.w.note("%s of %s closed: %s", c.id, c.bot.name, reason)
	c.input(Closed{At: c.w.time(), Said: said, Reason: reason}, 0)
}

// hang does what the client actor wants: an orderly end, after all that was sent, or an abrupt one.
func (c *conn) hang(abort bool) {
	if abort {
		c.aborted = true
		c.end(false, "aborted")
		c.w.after(c.w.between(0, pingTimeout), c.noticed)
		return
	}
	c.toBot = max(c.toBot, c.w.now+c.w.delay())
	c.w.at(c.toBot, func() {
		c.end(false, "server namespace disconnect")
		c.noticed()
	})
}

// vanish is the end of the server's process, seen from the connection.
func (c *conn) vanish() {
	c.closed, c.aborted = true, false
	c.silence()
	c.w.after(c.w.between(0, time.Second), c.noticed)
}

// input lets the client actor decide, and does what it says.
func (c *conn) input(in Input, content uint64) {
	before := c.actor
	next, effects := c.w.rules.client(in, before, c.w.admission)
	c.actor = next
	c.w.checkConnection(c, before, next)
	for _, effect := range effects {
		c.perform(effect, content)
	}
	if next.Due != before.Due && !next.Due.IsZero() {
		c.mark++
		mark := c.mark
		c.w.at(next.Due.Sub(epoch0), func() {
			if mark == c.mark && !c.closed {
				c.input(Late{At: c.w.time()}, 0)
			}
		})
	}
}

func (c *conn) perform(effect ClientEffect, content uint64) {
	switch effect := effect.(type) {
	case Pass:
		c.pass(effect.Ack, effect.Fact, content)
	case PassCache:
		c.pass(effect.Ack, Cache{Size: 100}, content)
	case Reply:
		c.answered(effect.Ack, effect.Err)
	case Transmit:
		c.transmit(effect.Effect)
	case Hang:
		c.hang(effect.Abort)
	case Greet:
		c.w.note("%s is refused: %v", c.id, effect.Err)
	}
}

// pass hands a fact to the supervisor.
func (c *conn) pass(ack uint64, fact Fact, content uint64) {
	c.toFleet = max(c.toFleet, c.w.now+c.w.between(0, 3*time.Millisecond))
	sup, run := c.w.sup, c.w.sup.run
	c.w.at(c.toFleet, func() {
		if sup.run == run {
			sup.receive(letter{event: Event{Client: c.id, Ack: ack, Fact: fact}, from: c, content: content})
		}
	})
}

// order brings an effect from the supervisor to the client actor.
func (c *conn) order(effect Effect, content uint64) {
	c.fromFleet = max(c.fromFleet, c.w.now+c.w.between(0, 3*time.Millisecond))
	c.w.at(c.fromFleet, func() {
		if !c.closed {
			c.input(Ordered{At: c.w.time(), Effect: effect}, content)
		} else if _, ok := effect.(Hangup); ok && effect.(Hangup).Abort {
			c.aborted = true
		}
	})
}

// transmit sends something to the bot.
func (c *conn) transmit(effect Effect) {
	content := uint64(0)
	switch effect := effect.(type) {
	case Answer:
		c.answered(effect.Ack, effect.Err)
		return
	case DeliverCache:
		content = c.w.store.contents[cacheKey{effect.Seat, effect.Number}]
	case Say:
		c.w.checkHello(c, effect)
	case Tell:
		c.w.checkTold(c, effect)
	}
	if !c.up {
		return
	}
	c.toBot = max(c.toBot, c.w.now+c.w.delay())
	b := c.bot
	c.w.at(c.toBot, func() {
		if c.up {
			b.wake(c, func() { b.hear(c, effect, content) })
		}
	})
}

// answered counts acknowledgements: each that was asked for comes once.
func (c *conn) answered(ack uint64, err *protocol.Error) {
	if err != nil {
		c.w.note("%s is answered %v", c.id, err)
	}
	if ack == 0 {
		return
	}
	if at, asked := c.acks[ack]; at < 0 || !asked {
		c.w.fail("acknowledgements", "%s: acknowledgement %d answered twice, or never asked for", c.id, ack)
	}
	c.acks[ack] = -1
}

// brief prints what matters of an event or a command, if anybody reads it.
type brief struct{ what any }

func (b brief) String() string {
	switch x := b.what.(type) {
	case protocol.Identify:
		if x.Session != nil {
			return fmt.Sprintf("%s %s %+v", x.Version, x.Instance, *x.Session)
		}
		return x.Version + " " + x.Instance
	case protocol.HealthReport:
		return fmt.Sprintf("%q %v", x.CheckID, x.Cogs)
	case protocol.Coma:
		return fmt.Sprint(x.Epoch)
	case Say:
		return fmt.Sprintf("hello %v epoch %d %v", x.Hello.ProcessCommands, x.Hello.Epoch, x.Hello.Error)
	case Tell:
		return fmt.Sprintf("%s %+v", x.Command.CommandName(), x.Command)
	}
	return ""
}
