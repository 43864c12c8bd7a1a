package fleet

import (
	"slices"
	"testing"
	"time"

	"github.com/urban-robot/urban-robot/protocol"
)

// mutation is a rule broken on purpose. The simulation must find it.
type mutation struct {
	name   string
	mutate func(*rules)
}

// TestMutations breaks one rule after the other and counts the schedules until the simulation finds it.
func TestMutations(t *testing.T) {
	t.Parallel()
	const most = 6000
	for _, m := range mutations() {
		t.Run(m.name, func(t *testing.T) {
			t.Parallel()
			broken := ownRules()
			m.mutate(&broken)
			for seed := uint64(1); seed <= most; seed++ {
				if w := simulate(seed, broken, false); w.failed != "" {
					t.Logf("found after %d schedules: %s", seed, w.failed)
					return
				}
			}
			t.Errorf("not found in %d schedules", most)
		})
	}
}

func mutations() []mutation {
	return slices.Concat(wireMutations(), stateMutations(), rolloutMutations())
}

// stateMutations break the rules from within: policies, memory, events that never were.
func stateMutations() []mutation {
	return []mutation{
		{"the lease has no margin", policy(func(p *Policy) { p.LeaseMargin = 0 })},
		{"the lease is over at once", afterwards(expireGone)},
		{"the lease of before a crash is over", restored(expireLost)},
		{"a stale session is adopted", beforehand(adoptAnything)},
		{"the new one starts before the old one has stopped", replaceDecide(func(decide decider) decider { return inTurn(decide, stopOld(decide, false)) })},
		{"a timeout is read as success", replaceDecide(func(decide decider) decider { return inTurn(onTick(stopOld(decide, true)), decide) })},
		{"a late coma proves that the holder has stopped", beforehand(newestComa)},
		{"no answer to a check is a pass", replaceDecide(func(decide decider) decider { return inTurn(onTick(passUnanswered(decide)), decide) })},
		{"refused releases are forgotten", afterwards(forgetRefused)},
		{"epochs are used again after a restart", storedAs(epochBefore)},
		{"logins are not spaced", policy(func(p *Policy) { p.Login.Spacing = 0 })},
		{"two log in at once", afterwards(freeLanes)},
		{"logins are forgotten at a restart", storedAs(func(s *Stored) { s.Logins = nil })},
		{"deadlines are forgotten", afterwards(func(_ Event, f Fleet) Fleet { f.wake = time.Time{}; return f })},
	}
}

// policy has the rules work by another policy than the fleet's.
func policy(change func(*Policy)) func(*rules) {
	return func(r *rules) {
		restore := r.restore
		r.restore = func(p Policy, s Stored, at time.Time) Fleet { change(&p); return restore(p, s, at) }
	}
}

// storedAs has the supervisor restore something else than what is stored.
func storedAs(change func(*Stored)) func(*rules) {
	return func(r *rules) {
		restore := r.restore
		r.restore = func(p Policy, s Stored, at time.Time) Fleet { change(&s); return restore(p, s, at) }
	}
}

func restored(change func(Fleet, time.Time) Fleet) func(*rules) {
	return func(r *rules) {
		restore := r.restore
		r.restore = func(p Policy, s Stored, at time.Time) Fleet { return change(restore(p, s, at), at) }
	}
}

// replaceDecide has somebody else decide.
func replaceDecide(by func(decider) decider) func(*rules) {
	return func(r *rules) { r.decide = by(r.decide) }
}

// beforehand changes an event before it is decided on.
func beforehand(change func(Event, Fleet) Event) func(*rules) {
	return replaceDecide(func(decide decider) decider {
		return func(e Event, f Fleet) (Fleet, []Effect) { return decide(change(e, f), f) }
	})
}

// afterwards changes the state that was decided on.
func afterwards(change func(Event, Fleet) Fleet) func(*rules) {
	return replaceDecide(func(decide decider) decider {
		return func(e Event, f Fleet) (Fleet, []Effect) {
			f, effects := decide(e, f)
			return change(e, f), effects
		}
	})
}

type decider = func(Event, Fleet) (Fleet, []Effect)

// inTurn has one decide after the other.
func inTurn(first, second decider) decider {
	return func(e Event, f Fleet) (Fleet, []Effect) {
		f, effects := first(e, f)
		f, more := second(e, f)
		return f, joined(effects, more)
	}
}

// onTick decides on Ticks alone.
func onTick(decide decider) decider {
	return func(e Event, f Fleet) (Fleet, []Effect) {
		if _, tick := e.Fact.(Tick); !tick {
			return f, nil
		}
		return decide(e, f)
	}
}

// joined keeps what is stored in front.
func joined(a, b []Effect) []Effect {
	var records []Record
	var rest []Effect
	for _, effect := range slices.Concat(a, b) {
		if store, ok := effect.(Store); ok {
			records = append(records, store.Records...)
		} else {
			rest = append(rest, effect)
		}
	}
	return append([]Effect{Store{Records: records}}, rest...)
}

// stopOld pretends that the old holder of a swap has answered: of every swap, or where the answer is overdue.
func stopOld(decide decider, overdue bool) decider {
	return func(e Event, f Fleet) (Fleet, []Effect) {
		var all []Effect
		for id := range f.Policy.Shards {
			s := f.Seat(id)
			if !s.Swap.active() || s.Swap.Stopped || overdue && !due(s.Swap.By, e.At) {
				continue
			}
			var effects []Effect
			f, effects = decide(Event{At: e.At, Client: s.Swap.From, Fact: Coma{Epoch: s.Epoch}}, f)
			all = joined(all, effects)
		}
		return f, all
	}
}

// passUnanswered pretends that every check that is overdue was answered well.
func passUnanswered(decide decider) decider {
	well := protocol.HealthReport{Cogs: map[string]protocol.Cog{"vital": {OK: true}, "music": {OK: true}, "admin": {OK: true}}}
	return func(e Event, f Fleet) (Fleet, []Effect) {
		var all []Effect
		for it := f.clients.Iterator(); !it.Done(); {
			id, c, _ := it.Next()
			if !due(c.Check.By, e.At) {
				continue
			}
			var effects []Effect
			f, effects = decide(Event{At: e.At, Client: id, Fact: Health{Report: well}}, f)
			all = joined(all, effects)
		}
		return f, all
	}
}

// expireLost ends the lease of every lost seat.
func expireLost(f Fleet, at time.Time) Fleet {
	for id := range f.Policy.Shards {
		if s := f.Seat(id); s.Phase == SeatLost {
			s.Due = at
			f.seats = f.seats.Set(id, s)
			f.wake = at
		}
	}
	return f
}

func expireGone(e Event, f Fleet) Fleet {
	if _, gone := e.Fact.(Disconnect); gone {
		return expireLost(f, e.At)
	}
	return f
}

// adoptAnything takes every active client for the lost holder.
func adoptAnything(e Event, f Fleet) Event {
	fact, ok := e.Fact.(Identify)
	if !ok || fact.Session == nil || !fact.Session.Active {
		return e
	}
	for id := range f.Policy.Shards {
		if s := f.Seat(id); s.Phase == SeatLost && s.Instance != fact.Instance {
			session := *fact.Session
			session.Epoch = s.Epoch
			fact.Instance, fact.Session, fact.Shard = s.Instance, &session, &id
		}
	}
	e.Fact = fact
	return e
}

// newestComa has every coma name the newest epoch.
func newestComa(e Event, f Fleet) Event {
	if fact, ok := e.Fact.(Coma); ok {
		c, _ := f.Client(e.Client)
		fact.Epoch = f.Seat(c.Seat).Epoch
		e.Fact = fact
	}
	return e
}

func forgetRefused(_ Event, f Fleet) Fleet {
	for it := f.releases.Iterator(); !it.Done(); {
		if release, r, _ := it.Next(); r.State == ReleaseBad {
			f.releases = f.releases.Delete(release)
		}
	}
	return f
}

func freeLanes(_ Event, f Fleet) Fleet {
	for id := range f.Policy.Login.Concurrency {
		if lane, ok := f.lanes.Get(id); ok {
			lane.Busy = ""
			f.lanes = f.lanes.Set(id, lane)
		}
	}
	return f
}

func epochBefore(s *Stored) {
	for i := range s.Seats {
		s.Seats[i].Epoch--
	}
}
