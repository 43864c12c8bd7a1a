package fleet

import "time"

// identification is an IDENTIFY as Discord counts it.
type identification struct {
	at   time.Duration
	lane int
	paid bool // on a permit that still stood: what comes too late for it cannot be paced
}

// discord counts the logins of a fleet.
type discord struct {
	w      *world
	logins []identification
}

// identify counts a login, and looks at the limits.
func (d *discord) identify(b *bot, c *conn) {
	now := identification{at: d.w.now}
	if known, ok := d.w.sup.state.Client(c.id); ok && d.w.sup.alive && c.up {
		now.lane = known.Seat % d.w.policy.Login.Concurrency
		lane, _ := d.w.sup.state.lanes.Get(now.lane)
		now.paid = lane.Busy == c.id
	}
	day := 1
	for _, before := range d.logins {
		if before.at > now.at-24*time.Hour {
			day++
		}
	}
	if day > d.w.policy.Login.Daily {
		d.w.fail("IDENTIFY budget", "%s is login %d of %d in 24 hours", b.name, day, d.w.policy.Login.Daily)
	}
	for _, before := range d.logins {
		gap := now.at - before.at
		if now.paid && before.paid && before.lane == now.lane && gap < d.w.policy.Login.Spacing {
			d.w.fail("IDENTIFY spacing", "%s logs in %v after the one before", b.name, gap)
		}
	}
	d.logins = append(d.logins, now)
}
