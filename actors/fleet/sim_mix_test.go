package fleet

import (
	"time"

	"github.com/urban-robot/urban-robot/protocol"
)

// maxDelay is the longest a packet takes that arrives.
const maxDelay = time.Second

// maxDrift is how much longer a lease is by the slowest clock; with maxDelay it is below the margin.
const maxDrift = 0.08

// mix is a kind of schedule: who takes part and what goes wrong how often. Probabilities are from 0 to 1.
type mix struct {
	name       string
	bots       int
	full       float64 // share of the bots with a full SDK
	quirks     float64 // share of the bots that are slow, never answer something, or the like
	faults     time.Duration
	length     time.Duration
	stalls     float64 // of the store, for each write
	stall      time.Duration
	downtime   time.Duration // of the supervisor after a crash, at most
	cacheTime  time.Duration
	cacheFails float64
	loginFails float64
	exits      float64       // that a process's death is reported
	restart    time.Duration // of a process, at most
	leave      time.Duration // a client has for going after shutdown
	backoff    time.Duration // of a bot that was refused
	releases   []Release
	weights    [faultKinds]int
	policy     func(*Policy)

	driven      bool
	unknown     bool      // its driver cannot say what runs
	driverFails float64   // each call of the driver
	worth       []quality // of the releases that are pushed
}

// fault is something that goes wrong, or that somebody does.
type fault int

const (
	faultCut fault = iota
	faultKill
	faultFreeze
	faultGiveUp
	faultQuit
	faultReady // once more
	faultComa  // once more
	faultHealth
	faultWork
	faultCrash
	faultDeploy
	faultAway
	faultOutage
	faultOffline
	faultPush
	faultBurst
	faultRedeliver
	faultRollback
	faultTryAgain
	faultStray
	faultReboot
	faultKinds
)

var semantic = []Release{"1.0.0", "1.1.0", "9.0.0", "10.0.0"}

func simPolicy() Policy {
	return Policy{
		Lease: 15 * time.Second, LeaseMargin: 3 * time.Second, Shards: 1, Standbys: 1, Outdated: PartingComa, CacheBytes: 1000,
		Health: HealthPolicy{
			HealthyPercentage: 50, VitalCogs: []string{"vital"}, Timeout: 3 * time.Second, Interval: 12 * time.Second, Failures: 2,
			CandidateSuccesses: 1, CandidateDeadline: 20 * time.Second, Bake: 25 * time.Second,
		},
		Handover: HandoverPolicy{To: PartingComa, Drain: 500 * time.Millisecond, CacheSync: true, Deadline: 5 * time.Second},
		Rollout:  RolloutPolicy{Reverts: 3, RevertWindow: time.Hour},
		Login:    LoginPolicy{Daily: 1000, Reserve: 100, Spacing: time.Second, Concurrency: 1},
		Ready:    20 * time.Second, Answer: 5 * time.Second,
	}
}

// mixes are all kinds of schedules; a schedule's seed picks one.
func mixes() []mix {
	even := [faultKinds]int{4, 3, 3, 2, 1, 4, 1, 2, 6, 1, 3, 1, 1, 3}
	base := mix{
		bots: 3, full: 1, quirks: 0.3, faults: 4 * time.Second, length: 90 * time.Second, stalls: 0.01, stall: 2 * time.Second,
		downtime: 3 * time.Second, cacheTime: 200 * time.Millisecond, cacheFails: 0.05, loginFails: 0.05, exits: 0.4,
		leave: 5 * time.Second, restart: 8 * time.Second, backoff: 2 * time.Second, releases: semantic, weights: even, policy: func(*Policy) {},
	}
	vary := func(name string, change func(*mix)) mix {
		m := base
		m.name = name
		change(&m)
		return m
	}
	return append([]mix{
		vary("every bot with a full SDK", func(*mix) {}),
		vary("bots from nothing but the required fields, no lease", func(m *mix) {
			m.full, m.policy = 0, func(p *Policy) { p.Lease = 0 }
		}),
		vary("both kinds of bots with a lease", func(m *mix) { m.full = 0.5 }),
		vary("both kinds of bots without a lease", func(m *mix) {
			m.full, m.policy = 0.5, func(p *Policy) { p.Lease = 0; p.Login.Spacing = 0 }
		}),
		vary("two shards", func(m *mix) {
			m.bots, m.length, m.policy = 5, 60*time.Second, func(p *Policy) { p.Shards, p.Login.Concurrency = 2, 2 }
		}),
		vary("two shards in one lane, old clients leave", func(m *mix) {
			m.bots, m.length = 4, 60*time.Second
			m.policy = func(p *Policy) { p.Shards, p.Login.Spacing, p.Outdated = 2, 0, PartingShutdown }
		}),
		vary("swaps by shutdown", func(m *mix) { m.policy = func(p *Policy) { p.Handover.To = PartingShutdown } }),
		vary("a supervisor that crashes, a store that stalls", func(m *mix) {
			m.stalls, m.stall, m.downtime, m.weights[faultCrash] = 0.1, 25*time.Second, 25*time.Second, 8
			m.cacheTime = 8 * time.Second
		}),
		vary("swaps by shutdown, a store that stalls", func(m *mix) {
			m.stalls, m.stall, m.leave, m.quirks, m.releases = 0.15, 30*time.Second, 20*time.Second, 0.5, []Release{"1.0.0", "1.1.0", "2.0.0", "3.0.0", "4.0.0"}
			m.policy = func(p *Policy) { p.Handover.To = PartingShutdown }
		}),
		vary("releases in no order", func(m *mix) {
			m.full, m.releases = 0.7, []Release{"abc", "1.0.0", "10", "2", "2.0.0-rc.1", "2.0.0"}
		}),
		vary("deploys and little else", func(m *mix) {
			m.bots, m.quirks, m.faults, m.length, m.weights = 4, 0.1, 8*time.Second, 150*time.Second, [faultKinds]int{faultDeploy: 6, faultWork: 4, faultKill: 1, faultReady: 1}
		}),
		vary("few logins", func(m *mix) {
			m.length, m.faults, m.restart, m.backoff, m.quirks = 30*time.Hour, time.Hour, 4*time.Hour, time.Hour, 0
			m.weights[faultKill] = 15
			m.policy = func(p *Policy) {
				p.Login.Daily, p.Login.Reserve, p.Login.Spacing = 12, 3, 5*time.Second
				p.Health.Interval, p.Health.Bake = 3*time.Hour, 4*time.Hour
			}
		}),
		vary("a storm", func(m *mix) {
			m.full, m.bots, m.faults, m.length, m.quirks = 0.8, 5, 700*time.Millisecond, 40*time.Second, 0.4
		}),
	}, drivenMixes(vary)...)
}

// randomTraits is how the next process behaves.
func (w *world) randomTraits() traits {
	t := traits{full: w.chance(w.mix.full), drift: maxDrift * (2*w.chances.Float64() - 1), bold: w.chance(0.5)}
	if w.quiet || !w.chance(w.mix.quirks) {
		return t
	}
	switch w.chances.IntN(5) {
	case 0, 4:
		t.slow = w.between(time.Second, 10*time.Second)
	case 1, 2:
		t.never = pick(&w.clock, "ready", protocol.CommandHealthCheck, protocol.CommandProcessCommands, protocol.CommandComa, protocol.CommandShutdown)
	case 3:
		t.curt = true
	}
	return t
}

// healthy reports whether a bot keeps what the contract asks of it.
func (t traits) healthy() bool { return t.slow == 0 && t.never == "" }

// quality is what a release's code is worth.
type quality string

const (
	good     quality = "good"
	bad      quality = "bad"
	degraded quality = "degraded"
	flaky    quality = "flaky"
	vital    quality = "vital cog fails"

	// Of releases that a driver starts.
	dies        quality = "dies once it is active"
	exits       quality = "exits at once"
	silent      quality = "never identifies"
	setupBreaks quality = "setup fails"
	setupStays  quality = "setup hangs"
	unknown     quality = "there is no such release"
)

// health is the report of a bot of a release.
func (w *world) health(r Release) protocol.HealthReport {
	cogs := map[string]protocol.Cog{"vital": {OK: true}, "music": {OK: true}, "admin": {OK: true}}
	if w.outage {
		cogs["music"] = protocol.Cog{Error: "no route", External: "lavalink"}
	}
	report := protocol.HealthReport{Cogs: cogs}
	switch w.quality[r] {
	case bad:
		no := false
		report.OK, report.Cogs["admin"], report.Cogs["music"] = &no, protocol.Cog{Error: "x"}, protocol.Cog{Error: "y"}
	case degraded:
		report.Cogs["admin"] = protocol.Cog{Error: "x"}
	case flaky:
		if w.chance(0.5) && !w.quiet {
			report.Cogs["vital"] = protocol.Cog{Error: "now and then"}
		}
	case vital:
		report.Cogs["vital"] = protocol.Cog{Error: "ImportError"}
	case good, dies, exits, silent, setupBreaks, setupStays, unknown:
	}
	return report
}

// disturb does one of the things that go wrong, and plans the next.
func (w *world) disturb() {
	if w.quiet {
		return
	}
	w.after(w.between(w.mix.faults/10, 2*w.mix.faults), w.disturb)
	kind := w.nextFault()
	if kind >= faultPush {
		w.request(kind)
		return
	}
	if len(w.bots) == 0 {
		return
	}
	b := pick(&w.clock, w.bots...)
	if w.active != nil && w.chance(0.4) {
		b = w.active // where it hurts most
	}
	w.strike(kind, b)
}

// nextFault picks what goes wrong next.
func (w *world) nextFault() fault {
	total := 0
	for _, weight := range w.mix.weights {
		total += weight
	}
	n := w.chances.IntN(total)
	kind := fault(0)
	for n >= w.mix.weights[kind] {
		n -= w.mix.weights[kind]
		kind++
	}
	return kind
}

// strike does something to a bot, or to all.
func (w *world) strike(kind fault, b *bot) {
	switch kind {
	case faultCut:
		if b.conn != nil {
			b.conn.cut("fault")
		}
	case faultOffline:
		b.offline = w.now + w.between(0, 60*time.Second)
		if b.conn != nil {
			b.conn.cut("offline")
		}
	case faultKill:
		b.kill()
	case faultFreeze:
		b.freeze(w.between(0, 60*time.Second))
	case faultCrash:
		w.sup.crash()
	case faultDeploy:
		w.deploy()
	case faultOutage:
		w.outage = !w.outage
		w.note("outage: %v", w.outage)
	case faultAway:
		b.away = true
		w.after(w.between(0, 20*time.Second), func() { b.away = false })
	case faultGiveUp, faultQuit, faultReady, faultComa, faultHealth, faultWork:
		b.wake(nil, func() { w.disorder(kind, b) })
	case faultPush, faultBurst, faultRedeliver, faultRollback, faultTryAgain, faultStray, faultReboot, faultKinds: // somebody's request
	}
}

// disorder has a bot do something of its own accord.
func (w *world) disorder(kind fault, b *bot) {
	if b.leaving || b.conn == nil || !b.conn.greeted || b.discord != loggedIn {
		return
	}
	switch kind {
	case faultGiveUp:
		b.giveUp()
	case faultQuit:
		b.quit()
	case faultReady: // Discord says READY once more, whatever else the bot is about to say
		if !b.away && b.traits.never != "ready" {
			b.conn.readied = true
			b.conn.say(protocol.Ready{}, 0)
		}
	case faultComa:
		if !b.granted && !b.processing {
			b.giveUp()
		}
	case faultHealth:
		b.report(b.conn, "")
	case faultWork:
		b.work()
	case faultCut, faultKill, faultFreeze, faultCrash, faultDeploy, faultAway, faultOutage, faultOffline, faultPush, faultBurst, faultRedeliver,
		faultRollback, faultTryAgain, faultStray, faultReboot, faultKinds: // not its own doing
	}
}
