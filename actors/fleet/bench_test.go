package fleet

import (
	"fmt"
	"maps"
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"github.com/urban-robot/urban-robot/protocol"
)

// This file is the stage on which tables and scenarios play: the rules under a clock of their own, beside a store that
// remembers and processes that believe what they are told. After each step it looks at the invariants.

// bench is a fleet on that stage.
type bench struct {
	t      testing.TB
	at     time.Time
	state  Fleet
	stored ledger
	minds  map[string]mind // by instance
}

// mind is what a bot process believes. It is told to stop only when it says that it has: the worst case.
type mind struct {
	seat   int
	active bool
	until  time.Time // not zero: it has lost its connection, and its lease ends then
}

// ledger is a store.
type ledger struct {
	seats     map[int]SeatRecord
	releases  map[Release]ReleaseRecord
	rollout   RolloutRecord
	processes map[string]ProcessRecord
	logins    map[time.Time]LoginRecord
	caches    map[int]CacheRecord
}

// drivenPolicy is that of a fleet with a driver, and with the defaults of the contract's section 8, paced logins excepted.
func drivenPolicy() Policy {
	return Policy{
		Lease: 30 * time.Second, LeaseMargin: 5 * time.Second, Shards: 1, Outdated: PartingComa, CacheBytes: 1 << 20,
		Health: HealthPolicy{
			HealthyPercentage: 90, VitalCogs: []string{"vital"}, Timeout: 10 * time.Second, Interval: time.Minute, Failures: 3,
			CandidateSuccesses: 1, CandidateDeadline: 3 * time.Minute, Bake: 10 * time.Minute,
		},
		Handover: HandoverPolicy{To: PartingComa, Drain: time.Second, CacheSync: true, Deadline: 10 * time.Second},
		Login:    LoginPolicy{Daily: 1000, Reserve: 100, Concurrency: 1},
		Rollout: RolloutPolicy{
			Driven: true, SetupTimeout: 10 * time.Minute, Keep: 5, Reverts: 3, RevertWindow: time.Hour, Restarts: 5, RestartWindow: 10 * time.Minute,
			BackoffMin: time.Second, BackoffMax: 5 * time.Minute,
		},
		Ready: 2 * time.Minute, Answer: 10 * time.Second,
	}
}

func newBench(t testing.TB, p Policy) *bench {
	t.Helper()
	stored := ledger{
		seats: map[int]SeatRecord{}, releases: map[Release]ReleaseRecord{}, processes: map[string]ProcessRecord{},
		logins: map[time.Time]LoginRecord{}, caches: map[int]CacheRecord{},
	}
	return &bench{t: t, at: epoch0, state: Restore(p, Stored{}, epoch0), stored: stored, minds: map[string]mind{}}
}

// restart is a supervisor that dies and comes back: only what is stored survives, and every connection is gone.
func (b *bench) restart() {
	for instance, m := range b.minds {
		b.disconnected(instance, m)
	}
	b.state = Restore(b.state.Policy, b.stored.all(), b.at)
}

// do lets the rules answer a fact of a client, or of nobody, and looks at the invariants.
func (b *bench) do(id ClientID, fact Fact) []Effect { return b.ask(id, 0, fact) }

// ask is do with an acknowledgement or a ticket.
func (b *bench) ask(id ClientID, ack uint64, fact Fact) []Effect {
	e := Event{At: b.at, Client: id, Ack: ack, Fact: fact}
	before := b.state
	b.heard(e)
	next, effects := Decide(e, before)
	if _, again := Decide(e, before); !reflect.DeepEqual(effects, again) {
		b.t.Errorf("Decide(%T) changed what it was given:\n%v\nand then\n%v", fact, effects, again)
	}
	if id == "" && ack != 0 {
		assert.Equal(b.t, 1, responses(effects), "responses to %T", fact)
		e.Ack = 0 // a ticket
	}
	if problem := inspect(e, before, next, effects); problem != "" {
		b.t.Errorf("invariant %s, after %+v of %q", problem, fact, id)
	}
	b.state = next
	for _, effect := range effects {
		b.perform(effect)
	}
	b.checkStored()
	b.checkMinds()
	return effects
}

func responses(effects []Effect) int {
	n := 0
	for _, effect := range effects {
		if _, ok := effect.(Respond); ok {
			n++
		}
	}
	return n
}

// wait lets time pass, with a Tick whenever the rules want one. each is called with what every Tick brings.
func (b *bench) wait(d time.Duration, each func([]Effect)) {
	end := b.at.Add(d)
	for range 10_000 {
		wake := b.state.Wake()
		if wake.IsZero() || wake.After(end) {
			b.at = end
			return
		}
		if wake.After(b.at) {
			b.at = wake
		}
		each(b.do("", Tick{}))
	}
	b.t.Fatalf("ten thousand Ticks within %v", d)
}

// heard is what a fact says of the process that it comes from.
func (b *bench) heard(e Event) {
	switch fact := e.Fact.(type) {
	case Exited:
		delete(b.minds, fact.Instance)
	case Coma, Shutdown:
		b.mind(e.Client, func(m *mind) { m.active = false })
	case Disconnect:
		if c, ok := b.state.Client(e.Client); ok {
			b.disconnected(c.Instance, b.minds[c.Instance])
		}
	}
}

func (b *bench) disconnected(instance string, m mind) {
	if lease := b.state.Policy.Lease; lease > 0 && m.active && m.until.IsZero() {
		m.until = b.at.Add(lease)
		b.minds[instance] = m
	}
}

func (b *bench) mind(id ClientID, change func(*mind)) {
	c, ok := b.state.Client(id)
	if !ok {
		return
	}
	m := b.minds[c.Instance]
	m.seat = c.Seat
	change(&m)
	b.minds[c.Instance] = m
}

func (b *bench) perform(effect Effect) {
	switch effect := effect.(type) {
	case Store:
		for _, r := range effect.Records {
			b.stored.keep(r)
		}
	case Say:
		b.mind(effect.Client, func(m *mind) { m.until, m.active = time.Time{}, m.active && effect.Hello.ProcessCommands })
	case Tell:
		if _, ok := effect.Command.(protocol.OK); ok {
			b.mind(effect.Client, func(m *mind) { m.active = true })
		}
	case KeepCache:
		b.stored.caches[effect.Record.Seat] = effect.Record
	}
}

// checkMinds is invariant 1: never two active, leases counted in.
func (b *bench) checkMinds() {
	active := map[int]string{}
	for _, instance := range slices.Sorted(maps.Keys(b.minds)) {
		m := b.minds[instance]
		if !m.active || !m.until.IsZero() && !b.at.Before(m.until) {
			continue
		}
		if other, two := active[m.seat]; two {
			b.t.Errorf("%s and %s both believe that they hold seat %d", other, instance, m.seat)
		}
		active[m.seat] = instance
	}
}

// checkStored is invariant 6: what is stored gives the same state again.
func (b *bench) checkStored() {
	again := Restore(b.state.Policy, b.stored.all(), b.at)
	assert.Equal(b.t, b.state.Rollout(), again.Rollout(), "Rollout() after a restart")
	assert.Equal(b.t, b.state.LastGood(), again.LastGood(), "LastGood() after a restart")
	assert.Equal(b.t, b.state.Logins(b.at), again.Logins(b.at), "Logins() after a restart")
	now, then := b.state.View(b.at), again.View(b.at)
	assert.Equal(b.t, processesIn(now), processesIn(then), "processes after a restart")
	assert.Equal(b.t, now.Releases, then.Releases, "releases after a restart")
	for i, s := range now.Seats {
		assert.Equal(b.t, s.Epoch, then.Seats[i].Epoch, "epoch of seat %d after a restart", i)
		assert.Equal(b.t, s.Instance, then.Seats[i].Instance, "holder of seat %d after a restart", i)
	}
}

// processesIn is what is stored of the processes.
func processesIn(v View) []string {
	var all []string
	for _, p := range v.Running {
		all = append(all, fmt.Sprintf("%s of %s, seat %d, retired %v", p.Instance, p.Release, p.Seat, p.Retired))
	}
	return all
}

func (l *ledger) keep(r Record) {
	switch r := r.(type) {
	case SeatRecord:
		l.seats[r.Seat] = r
	case ReleaseRecord:
		l.releases[r.Release] = r
	case RolloutRecord:
		l.rollout = r
	case ProcessRecord:
		if l.processes[r.Instance] = r; r.Gone {
			delete(l.processes, r.Instance)
		}
	case LoginRecord:
		l.logins[r.Hour] = r
	case ClientRecord, EventRecord:
	}
}

func (l *ledger) all() Stored {
	return Stored{
		Seats: slices.Collect(maps.Values(l.seats)), Releases: slices.Collect(maps.Values(l.releases)), Rollout: l.rollout,
		Processes: slices.Collect(maps.Values(l.processes)), Logins: slices.Collect(maps.Values(l.logins)), Caches: slices.Collect(maps.Values(l.caches)),
	}
}

// report is a bot's health report by a word.
func report(how string) protocol.HealthReport {
	cogs := map[string]protocol.Cog{"vital": {OK: true}, "music": {OK: true}, "admin": {OK: true}}
	r := protocol.HealthReport{Cogs: cogs}
	switch how {
	case "vital":
		cogs["vital"] = protocol.Cog{Error: "ImportError: wavelink"}
	case "low":
		half := 50.0
		r.Percentage = &half
	case "degraded":
		most := 95.0
		r.Percentage = &most
	case "outage":
		cogs["music"] = protocol.Cog{Error: "no route", External: "lavalink"}
	case "ok":
	default:
		panic(fmt.Sprintf("no report is called %q", how))
	}
	return r
}
