package fleet

import (
	"slices"

	"github.com/urban-robot/urban-robot/protocol"
)

// checkActive is invariant 1: at most one bot of a seat believes that it is active.
func (w *world) checkActive() {
	for i, b := range w.bots {
		if !b.active() {
			continue
		}
		for _, other := range w.bots[:i] {
			if other.active() && b.seat == other.seat {
				w.fail("1", "%s (epoch %d) and %s (epoch %d) both believe that they are active", other.name, other.epoch, b.name, b.epoch)
			}
		}
	}
}

// checkConnection looks at one decision on a connection: ok never goes out to a client whose last word was coma or shutdown.
func (w *world) checkConnection(c *conn, before, after Connection) {
	if after.State == StateActive && before.State != StateActive && before.State != StateReady {
		w.fail("2", "%s becomes active from %s", c.id, before.State)
	}
}

// checkHello is invariant 7's second half: a token leaves once, and only after an authorized identify.
func (w *world) checkHello(c *conn, say Say) {
	if say.Hello.Error != nil {
		return
	}
	c.hellos++
	if stale := c.claim; stale != nil && stale.Active && say.Hello.ProcessCommands && stale.Epoch != say.Hello.Epoch {
		w.fail("2", "%s claims epoch %d, which is over, and is told to process with %d", c.id, stale.Epoch, say.Hello.Epoch)
	}
	if c.actor.Fleet == "" || c.hellos > 1 {
		w.fail("7", "%s gets a token: %d hellos, fleet %q", c.id, c.hellos, c.actor.Fleet)
	}
}

// checkTold looks at a command as it leaves for the wire.
func (w *world) checkTold(c *conn, tell Tell) {
	if _, ok := tell.Command.(protocol.OK); ok && c.actor.State != StateActive {
		w.fail("2", "ok leaves for %s, whose last word made it %s", c.id, c.actor.State)
	}
}

// checkSaid is invariant 6 for an effect: what is told of a seat is stored by then.
func (w *world) checkSaid(c *conn, effect Effect) {
	epoch, grants := granted(effect)
	if !grants || w.failed != "" {
		return
	}
	client, ok := w.sup.state.Client(c.id)
	if !ok {
		return // it has gone meanwhile; the epoch was checked with the state
	}
	r := w.store.seats[client.Seat]
	if r.Epoch < epoch || r.Epoch == epoch && r.Instance != client.Instance && r.Instance != "" {
		w.fail("6", "%s is told epoch %d, stored are epoch %d and %q", c.id, epoch, r.Epoch, r.Instance)
	}
}

// granted is the epoch that an effect grants or confirms.
func granted(effect Effect) (uint64, bool) {
	switch effect := effect.(type) {
	case Say:
		return effect.Hello.Epoch, effect.Hello.ProcessCommands
	case Tell:
		switch command := effect.Command.(type) {
		case protocol.OK:
			return command.Epoch, true
		case protocol.ProcessCommands:
			return command.Epoch, true
		}
	}
	return 0, false
}

// checkStored is invariant 6 for the state: what is stored is what the rules believe.
func (w *world) checkStored(f Fleet) {
	for id := range w.policy.Shards {
		seat, r := f.Seat(id), w.store.seats[id]
		if seat.Epoch != r.Epoch || seat.Instance != r.Instance && seat.Phase != SeatVacant || seat.Phase == SeatVacant && r.Instance != "" {
			w.fail("6", "seat %d is %s, epoch %d, %q; stored are epoch %d, %q", id, seat.Phase, seat.Epoch, seat.Instance, r.Epoch, r.Instance)
		}
	}
	w.checkStoredReleases(f)
	w.checkStoredRollout(f)
	for _, l := range f.logins {
		if w.store.logins[l.Hour] != l.Count {
			w.fail("6", "%d logins are counted, %d stored", l.Count, w.store.logins[l.Hour])
		}
	}
	if w.failed != "" || !w.chance(0.02) {
		return
	}
	again := Restore(w.policy, w.store.stored(), w.time())
	if again.LastGood() != f.LastGood() || again.Logins(w.time()) != f.Logins(w.time()) {
		w.fail("6", "last good %q and %d logins, from the store %q and %d", f.LastGood(), f.Logins(w.time()), again.LastGood(), again.Logins(w.time()))
	}
}

func (w *world) checkStoredReleases(f Fleet) {
	if f.releases.Len() != len(w.store.releases) {
		w.fail("6", "%d releases are known, %d stored", f.releases.Len(), len(w.store.releases))
	}
	for release, r := range w.store.releases {
		if known, _ := f.releases.Get(release); known.State != r.State {
			w.fail("6", "release %s is %v, stored is %v", release, known.State, r.State)
		}
	}
}

// checkStep looks at one decision of the fleet.
func (w *world) checkStep(l letter, before, after Fleet, effects []Effect) {
	if w.failed != "" {
		return
	}
	if problem := inspect(l.event, before, after, effects); problem != "" {
		w.fail(problem[:1], "%s, after %T of %s", problem[2:], l.event.Fact, l.event.Client)
	}
	w.checkProven(l, before, after, effects)
	if w.mix.driven {
		w.checkRollout(l.event, before, after, effects)
	}
	for id := range w.policy.Shards {
		if after.Seat(id).Epoch != before.Seat(id).Epoch {
			w.grants++
		}
	}
}

// checkProven is invariant 3: the old holder is told to stop only for a candidate that has answered its check, and passed.
func (w *world) checkProven(l letter, before, after Fleet, effects []Effect) {
	if fact, ok := l.event.Fact.(Health); ok && l.from != nil {
		if c, _ := before.Client(l.event.Client); c.Check.Phase == protocol.PhaseCandidate && fact.Err == nil {
			l.from.passed = !fails(fact.Report)
		}
	}
	for _, effect := range effects {
		if tell, ok := effect.(Tell); ok {
			w.checkCommand(tell, after)
		}
	}
}

func (w *world) checkCommand(tell Tell, after Fleet) {
	if check, ok := tell.Command.(protocol.HealthCheck); ok && check.Phase == protocol.PhaseCandidate {
		w.byID[tell.Client].passed = false
	}
	if reason, stop := stopping(tell.Command); stop && reason == protocol.ReasonHandover {
		c, _ := after.Client(tell.Client)
		to := after.Seat(c.Seat).Swap.To
		if next := w.byID[to]; next == nil || !next.passed {
			w.fail("3", "%s is told to stop for %q, which has not passed", tell.Client, to)
		}
	}
}

// fails is the verdict on a report by what the simulation knows.
func fails(r protocol.HealthReport) bool {
	broken := 0
	for _, cog := range r.Cogs {
		if !cog.OK {
			broken++
		}
	}
	return broken > 1 || !r.Cogs["vital"].OK
}

func stopping(command protocol.Command) (protocol.Reason, bool) {
	switch command := command.(type) {
	case protocol.EnterComa:
		return command.Reason, true
	case protocol.ShutDown:
		return command.Reason, true
	}
	return "", false
}

// checkCache is invariant 7 at the bot: nobody who is active is overwritten.
func (w *world) checkCache(b *bot, c *conn, content uint64) {
	switch {
	case b.active():
		w.fail("7", "%s is active and gets the cache %d over its %d", b.name, content, b.data)
	case w.active == b && b.activeOn == c && content < b.data:
		w.fail("7", "%s was the newest active one and gets the older cache %d over its %d", b.name, content, b.data)
	}
}

// awake lists the processes that take part, by name.
func (w *world) awake() []*bot {
	return slices.DeleteFunc(slices.Clone(w.bots), func(b *bot) bool { return !b.alive || b.leaving })
}
