package fleet

import (
	"time"

	"github.com/urban-robot/urban-robot/protocol"
)

// command does what the server says.
func (b *bot) command(c *conn, command protocol.Command) {
	never := b.traits.never == command.CommandName()
	switch command := command.(type) {
	case protocol.OK:
		b.goAhead(c, command.Epoch)
	case protocol.ProcessCommands:
		if b.outdated(command.Epoch) {
			return
		}
		b.granted = true
		if !never {
			b.getReady(c, b.w.between(10*time.Millisecond, 300*time.Millisecond))
		}
	case protocol.EnterComa:
		if b.outdated(command.Epoch) || never {
			return
		}
		b.granted, b.processing = false, false
		b.finish(c, command.CacheSync, func() { c.say(protocol.Coma{Epoch: b.echo(command.Epoch)}, 0) })
	case protocol.ShutDown:
		if !never {
			b.obey(c, command)
		}
	case protocol.HealthCheck:
		if !never {
			b.report(c, command.CheckID)
		}
	}
}

// obey stops and leaves.
func (b *bot) obey(c *conn, command protocol.ShutDown) {
	b.granted, b.processing, b.leaving = false, false, true
	b.finish(c, command.CacheSync, func() {
		if !b.traits.curt {
			c.say(protocol.Shutdown{Epoch: b.echo(command.Epoch)}, 0)
		}
		c.leave()
		b.exit()
	})
}

// outdated is an epoch lower than one seen; it is ignored by those who look.
func (b *bot) outdated(epoch uint64) bool {
	if !b.traits.full {
		return false
	}
	if epoch < b.seen {
		b.w.fail("2", "%s is sent epoch %d after %d", b.name, epoch, b.seen)
		return true
	}
	b.seen = epoch
	return false
}

// echo is the epoch of an order as its answer repeats it.
func (b *bot) echo(epoch uint64) uint64 {
	if b.traits.full {
		return epoch
	}
	return 0
}

// goAhead is ok. It follows a grant that was not given up; one that crossed with the bot's own coma is void.
func (b *bot) goAhead(c *conn, epoch uint64) {
	if b.outdated(epoch) || !b.granted {
		return
	}
	b.processing, b.epoch = true, epoch
	b.w.active, b.activeOn = b, c
	b.w.note("%s is active with epoch %d", b.name, epoch)
	if b.w.quality[b.release] == dies {
		b.later(b.w.between(time.Second, 40*time.Second), b.kill)
	}
}

// finish drains, sends the cache if asked for, and then answers.
func (b *bot) finish(c *conn, cache bool, answer func()) {
	b.reply(c, b.w.between(0, b.w.policy.Handover.Drain), func() {
		if cache && b.epoch > 0 {
			c.say(protocol.CacheSync{}, b.data)
		}
		answer()
	})
}

// report answers a health check.
func (b *bot) report(c *conn, id string) {
	d := b.w.between(5*time.Millisecond, 300*time.Millisecond) + b.traits.slow
	b.later(d, func() {
		if b.conn != c || b.leaving {
			return
		}
		r := b.w.health(b.release)
		if b.traits.full {
			r.CheckID = id
		}
		c.say(r, 0)
	})
}

// work changes what an active bot knows, and sometimes it sends its cache of its own accord.
func (b *bot) work() {
	if !b.active() {
		return
	}
	b.w.news++
	b.data = b.w.news
	if b.conn != nil && b.conn.greeted && b.w.chance(0.5) {
		b.conn.say(protocol.CacheSync{}, b.data)
	}
}

// giveUp goes into coma of its own accord.
func (b *bot) giveUp() {
	if b.conn == nil || !b.conn.greeted || b.discord != loggedIn {
		return
	}
	b.granted, b.processing = false, false
	c := b.conn
	b.reply(c, 0, func() {
		if !b.granted { // meanwhile
			b.renounce(c, "own")
		}
	})
}

// renounce says that the bot has stopped by itself. Before ready it has no word for that but to come back.
func (b *bot) renounce(c *conn, reason string) {
	if c.readied {
		c.say(protocol.Coma{Reason: reason, Epoch: b.said()}, 0)
		return
	}
	c.leave()
	b.disconnected(c)
}

// quit leaves of its own accord.
func (b *bot) quit() {
	if b.conn == nil || b.leaving {
		return
	}
	b.granted, b.processing, b.leaving = false, false, true
	c := b.conn
	b.reply(c, 0, func() {
		c.say(protocol.Shutdown{Epoch: b.said()}, 0)
		c.leave()
		b.exit()
	})
}

// kill ends the process at once; the connection's end is noticed soon, or only when the pings time out.
func (b *bot) kill() {
	if !b.alive {
		return
	}
	b.w.note("%s dies", b.name)
	c := b.conn
	b.exit()
	if c == nil || c.closed {
		return
	}
	if b.w.chance(0.7) {
		c.toServer = max(c.toServer, b.w.now+b.w.delay())
		b.w.at(c.toServer, func() { c.end(false, "transport close") })
		return
	}
	c.up = false
	b.w.after(b.w.between(0, pingTimeout), func() { c.end(false, "ping timeout") })
}

// exit is the end of the process. The one that started it may report it, and starts another.
func (b *bot) exit() {
	if !b.alive {
		return
	}
	b.alive, b.processing, b.granted = false, false, false
	if b.launched {
		b.w.driver.exited(b)
		return
	}
	if b.instance != "" && (b.w.quiet || b.w.chance(b.w.mix.exits)) {
		b.w.reportExit(b)
	}
	b.w.ended = append(b.w.ended, b)
	b.w.replace(b)
}
