package fleet

import (
	"slices"
	"time"
)

// letter is a message in the supervisor's mailbox.
type letter struct {
	event   Event
	from    *conn
	content uint64 // of a cache
}

// supervisor is the one actor of a fleet: it lets the rules decide and does what they say. While a record is not durable,
// everything behind it waits.
type supervisor struct {
	w       *world
	run     int // counts its lives: what was planned for one does not happen in the next
	alive   bool
	state   Fleet
	mailbox []letter
	waiting bool     // for the store
	writing []Record // what it waits for
	ticking time.Duration
	ticks   int // at one instant
	tickAt  time.Duration
}

// start restores the supervisor from the store.
func (s *supervisor) start() {
	s.alive, s.waiting, s.writing, s.mailbox, s.ticking, s.ticks = true, false, nil, nil, 0, 0
	s.state = s.w.rules.restore(s.w.policy, s.w.store.stored(), s.w.time())
	s.w.note("the supervisor starts")
	s.w.checkStored(s.state)
	if s.w.mix.driven {
		s.w.driver.started()
	}
	s.schedule()
}

// crash loses what is not stored. What is being written may still become durable, although nothing follows from it.
func (s *supervisor) crash() {
	if !s.alive {
		return
	}
	s.w.note("the supervisor dies")
	s.alive = false
	s.run++
	if s.waiting && s.w.chance(0.5) {
		s.w.store.write(s.writing)
	}
	for _, c := range s.w.conns {
		if !c.closed {
			c.vanish()
		}
	}
	s.w.conns = nil
	s.w.after(s.w.between(50*time.Millisecond, s.w.mix.downtime), s.start)
}

func (s *supervisor) receive(l letter) {
	if !s.alive {
		return
	}
	s.mailbox = append(s.mailbox, l)
	s.drain()
}

// drain decides on what has come, one after the other.
func (s *supervisor) drain() {
	for s.alive && !s.waiting && len(s.mailbox) > 0 && s.w.failed == "" {
		l := s.mailbox[0]
		s.mailbox = s.mailbox[1:]
		s.decide(l)
	}
	s.schedule()
}

func (s *supervisor) decide(l letter) {
	l.event.At = s.w.time()
	before := s.state
	next, effects := s.w.rules.decide(l.event, before)
	s.state = next
	s.w.checkStep(l, before, next, effects)
	s.perform(l, effects)
}

// perform does what the rules want, in this order, and stops at a record until it is durable.
func (s *supervisor) perform(l letter, effects []Effect) {
	for i, effect := range effects {
		store, ok := effect.(Store)
		if !ok {
			s.send(l, effect)
			continue
		}
		if s.w.quiet || !s.w.chance(s.w.mix.stalls) {
			s.w.store.write(store.Records)
			continue
		}
		s.waiting, s.writing = true, store.Records
		run, rest := s.run, effects[i+1:]
		s.w.note("the store stalls")
		s.w.after(s.w.between(10*time.Millisecond, s.w.mix.stall), func() {
			if s.run != run {
				return
			}
			s.waiting = false
			s.w.store.write(s.writing)
			s.perform(l, rest)
			s.drain()
		})
		return
	}
	s.w.checkStored(s.state)
}

// send carries an effect to the one it is for.
func (s *supervisor) send(l letter, effect Effect) {
	switch effect := effect.(type) {
	case Say:
		s.to(effect.Client, effect)
	case Tell:
		s.to(effect.Client, effect)
	case Answer:
		s.to(effect.Client, effect)
	case Hangup:
		s.to(effect.Client, effect)
	case DeliverCache:
		for _, id := range effect.To {
			s.to(id, effect)
		}
	case KeepCache:
		s.keep(l, effect)
	case Prepare, Launch, StopProcess, Collect:
		s.w.driver.perform(effect)
	case Alert:
		s.w.note("  ! %s %s %s %s", effect.What, effect.Release, effect.Reason, effect.Detail)
	case Respond:
		s.w.note("  = %s: %s", effect.Outcome, effect.Text)
	case Store:
	}
}

func (s *supervisor) to(id ClientID, effect Effect) {
	c, ok := s.w.byID[id]
	if !ok {
		s.w.fail("6", "an effect for a client that never was: %s", id)
		return
	}
	s.w.checkSaid(c, effect)
	c.order(effect, 0)
}

// keep stores a cache outside of the supervisor: it takes its time, and may fail.
func (s *supervisor) keep(l letter, effect KeepCache) {
	run := s.run
	failed := !s.w.quiet && s.w.chance(s.w.mix.cacheFails)
	s.w.after(s.w.between(time.Millisecond, s.w.mix.cacheTime), func() {
		if !failed {
			s.w.store.keep(effect.Record, l.content)
		}
		if s.run == run {
			s.receive(letter{event: Event{Client: effect.Client, Ack: effect.Ack, Fact: CacheStored{Record: effect.Record, Failed: failed}}})
		}
	})
}

// schedule plans the Tick that the rules want, or one a little later.
func (s *supervisor) schedule() {
	wake := s.state.Wake()
	if !s.alive || s.waiting || wake.IsZero() {
		return
	}
	at := max(wake.Sub(epoch0), s.w.now)
	if at > s.w.now {
		at += s.w.between(0, 20*time.Millisecond)
	}
	if s.ticking != 0 && s.ticking <= at && s.ticking >= s.w.now {
		return
	}
	s.ticking = max(at, 1)
	run, planned := s.run, s.ticking
	s.w.at(at, func() {
		if s.run != run || s.ticking != planned {
			return
		}
		s.ticking = 0
		if s.tickAt != s.w.now {
			s.tickAt, s.ticks = s.w.now, 0
		}
		if s.ticks++; s.ticks > 100 {
			s.w.fail("5", "a hundred Ticks at one instant")
			return
		}
		s.receive(letter{event: Event{Fact: Tick{}}})
	})
}

// cacheKey names a stored cache.
type cacheKey struct {
	seat   int
	number uint64
}

// modelStore is what survives.
type modelStore struct {
	w         *world
	seats     map[int]SeatRecord
	releases  map[Release]ReleaseRecord
	rollout   RolloutRecord
	processes map[string]ProcessRecord
	logins    map[time.Time]int
	caches    map[int]CacheRecord
	contents  map[cacheKey]uint64
}

func newModelStore(w *world) *modelStore {
	return &modelStore{
		w: w, seats: map[int]SeatRecord{}, releases: map[Release]ReleaseRecord{}, processes: map[string]ProcessRecord{}, logins: map[time.Time]int{}, caches: map[int]CacheRecord{},
		contents: map[cacheKey]uint64{},
	}
}

func (m *modelStore) write(records []Record) {
	for _, r := range records {
		switch r := r.(type) {
		case SeatRecord:
			if r.Epoch < m.seats[r.Seat].Epoch {
				m.w.fail("2", "seat %d: epoch %d would be stored over %d", r.Seat, r.Epoch, m.seats[r.Seat].Epoch)
			}
			m.seats[r.Seat] = r
		case ReleaseRecord:
			if r.State == ReleaseGood && m.releases[r.Release].State == ReleaseBad {
				m.w.fail("3", "the refused release %s is good all of a sudden", r.Release)
			}
			m.releases[r.Release] = r
		case LoginRecord:
			m.logins[r.Hour] = r.Count
		case EventRecord:
			m.w.note("  - %s %s %s %s→%s %s %s", r.Event, r.Client, r.Release, r.From, r.To, r.Reason, r.Detail)
		case RolloutRecord:
			m.rollout = r
		case ProcessRecord:
			if m.processes[r.Instance] = r; r.Gone {
				delete(m.processes, r.Instance)
			}
		case ClientRecord:
		}
	}
}

// keep keeps the newest cache of a seat.
func (m *modelStore) keep(r CacheRecord, content uint64) {
	key := cacheKey{r.Seat, r.Number}
	if old, ok := m.contents[key]; ok && old != content {
		m.w.fail("7", "seat %d: two caches of the number %d", r.Seat, r.Number)
	}
	m.contents[key] = content
	if r.Number > m.caches[r.Seat].Number {
		m.caches[r.Seat] = r
	}
}

// stored is what Restore gets.
func (m *modelStore) stored() Stored {
	var s Stored
	for seat := range m.w.policy.Shards {
		if r, ok := m.seats[seat]; ok {
			s.Seats = append(s.Seats, r)
		}
		if r, ok := m.caches[seat]; ok {
			s.Caches = append(s.Caches, r)
		}
	}
	for _, r := range m.releases {
		s.Releases = append(s.Releases, r)
	}
	slices.SortFunc(s.Releases, func(a, b ReleaseRecord) int { return a.At.Compare(b.At) })
	s.Rollout = m.rollout
	for _, p := range m.processes {
		s.Processes = append(s.Processes, p)
	}
	for hour, count := range m.logins {
		s.Logins = append(s.Logins, LoginRecord{Hour: hour, Count: count})
	}
	return s
}
