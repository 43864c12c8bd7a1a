package fleet

import (
	"fmt"
	"slices"
	"time"
)

// settleDown ends all faults and lets the fleet come to rest: invariant 5, that a seat is held where it can be, within a
// bounded time, and then stays; and the first half of invariant 7.
func (w *world) settleDown() {
	w.note("quiet from here")
	w.quiet, w.outage = true, false
	for _, b := range w.bots {
		b.away, b.offline = false, 0
		b.thaw()
		if b.alive && !b.traits.healthy() {
			b.kill()
		}
	}
	w.tryAgainLater()
	if w.policy.Lease == 0 {
		w.after(pingTimeout+10*time.Second, func() {
			for _, b := range w.ended {
				w.tellExit(b)
			}
		})
	}
	p := w.policy
	step := p.Lease + p.LeaseMargin + pingTimeout
	bound := w.bound()
	for waited := time.Duration(0); waited < bound; waited += step {
		w.run(step)
		grants := w.grants
		if w.failed != "" || w.restless() != "" {
			continue
		}
		w.run(2 * p.Health.Interval)
		if w.failed == "" && w.grants == grants && w.restless() == "" {
			w.checkRest()
			return
		}
	}
	w.fail("5", "not at rest after %v: %s", bound, w.restless())
}

// bound is the time in which a fleet comes to rest: the lease of a lost holder, every bot's login, and for each release a
// candidacy, a swap and a bake.
func (w *world) bound() time.Duration {
	p := w.policy
	logins := time.Duration(len(w.bots)+1) * (p.Login.Spacing + p.Ready)
	rollout := p.Health.CandidateDeadline + 2*p.Handover.Deadline + p.Health.Bake + 3*p.Health.Interval
	bound := p.Lease + p.LeaseMargin + 2*pingTimeout + w.mix.restart + logins + p.Answer + time.Duration(len(w.mix.releases)+1)*rollout
	if w.mix.driven {
		bound += 10*time.Minute + 6*p.Rollout.BackoffMax
	}
	return bound
}

// restless says why the fleet is not at rest, or nothing.
func (w *world) restless() string {
	if !w.sup.alive {
		return "the supervisor is down"
	}
	for id := range w.policy.Shards {
		if problem := w.restlessSeat(w.sup.state.Seat(id)); problem != "" {
			return problem
		}
	}
	if problem := w.restlessRollout(); problem != "" {
		return problem
	}
	for _, b := range w.awake() {
		if b.launched {
			continue
		}
		if b.conn == nil || !b.conn.greeted && w.sup.state.Logins(w.time()) < w.policy.Login.Daily-w.policy.Login.Reserve && !w.refused(b.release) {
			return b.name + " is not let in"
		}
	}
	return ""
}

func (w *world) restlessSeat(s Seat) string {
	switch {
	case s.Phase == SeatLost && w.policy.Lease == 0 && (!w.mix.driven || w.driver.unknown || w.driver.processes[s.Instance] == nil):
		return "" // its holder lives, and has another name now: only an operator can help
	case s.Swap.active():
		return "a swap is under way"
	case s.Candidate != "":
		return "a candidate is checked"
	case s.Phase == SeatHeld:
		if c := w.byID[s.Holder]; c == nil || !c.bot.active() {
			return "the holder " + string(s.Holder) + " does not believe that it is active"
		}
		return ""
	}
	for _, b := range w.awake() {
		if c, ok := w.clientOf(b); ok && c.Seat == s.ID && b.discord == loggedIn && w.eligible(b.release) {
			return "a seat is " + s.Phase.String() + " although " + b.name + " could hold it"
		}
	}
	return ""
}

// clientOf is what the rules know of a bot.
func (w *world) clientOf(b *bot) (Client, bool) {
	if b.conn == nil {
		return Client{}, false
	}
	return w.sup.state.Client(b.conn.id)
}

// eligible reports whether a release's clients may hold a seat, now that nothing goes wrong.
func (w *world) eligible(r Release) bool {
	return slices.Contains([]quality{good, degraded, flaky, ""}, w.quality[r]) && !w.refused(r)
}

// checkRest looks at a fleet at rest. What was under way just then has a moment to arrive.
func (w *world) checkRest() {
	if w.disarray() == "" {
		return
	}
	w.run(w.policy.Answer)
	if problem := w.disarray(); problem != "" {
		w.fail(problem[:1], "%s", problem[2:])
	}
}

// disarray says what is wrong with a fleet at rest, with the invariant's number in front, or nothing.
func (w *world) disarray() string {
	for _, b := range w.awake() {
		c, ok := w.clientOf(b)
		if !ok || b.discord != loggedIn || c.State == StateShuttingDown {
			continue
		}
		s := w.sup.state.Seat(c.Seat)
		switch {
		case s.Holder != c.ID && c.State != StateComa && s.Phase != SeatLost:
			return fmt.Sprintf("5 %s is left in state %s", b.name, c.State)
		case s.Holder != c.ID && c.Cache < s.Cache.Number:
			return fmt.Sprintf("7 %s has cache %d, the newest is %d", b.name, c.Cache, s.Cache.Number)
		case s.Holder != c.ID && b.data < w.store.contents[cacheKey{s.ID, s.Cache.Number}]:
			return fmt.Sprintf("7 %s knows %d, less than the newest cache", b.name, b.data)
		case c.State != b.conn.actor.State:
			return fmt.Sprintf("5 %s is %s to its fleet and %s to its connection", b.name, c.State, b.conn.actor.State)
		}
		for ack := range b.conn.nextAck {
			if at := b.conn.acks[ack+1]; at >= 0 && at < w.now-w.policy.Answer {
				return fmt.Sprintf("7 %s: acknowledgement %d never came", b.conn.id, ack+1)
			}
		}
	}
	return ""
}
