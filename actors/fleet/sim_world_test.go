package fleet

import (
	"fmt"
	"time"

	"github.com/urban-robot/urban-robot/protocol"
)

// rules are what is simulated: the package's own, or one of them broken on purpose.
type rules struct {
	decide  func(Event, Fleet) (Fleet, []Effect)
	client  func(Input, Connection, Admission) (Connection, []ClientEffect)
	restore func(Policy, Stored, time.Time) Fleet
}

func ownRules() rules { return rules{decide: Decide, client: DecideClient, restore: Restore} }

// launchSecret stands for the secrets of all processes that the driver starts.
var launchSecret = protocol.NewToken("launch")

// world is one schedule.
type world struct {
	clock
	journal
	mix       mix
	rules     rules
	policy    Policy
	admission Admission
	quality   map[Release]quality
	outage    bool
	quiet     bool // nothing goes wrong any more

	sup     *supervisor
	store   *modelStore
	discord *discord
	driver  *driver
	bots    []*bot // processes, the dead ones too until they are replaced
	ended   []*bot
	conns   []*conn
	byID    map[ClientID]*conn
	opened  int
	spawned int
	news    uint64
	active  *bot // the newest one told ok
	grants  int
	pushed  []Release // by people, oldest first
	tickets uint64
	ledger  accounts

	failed string
}

// simulate runs one schedule and returns what it broke, if anything.
func simulate(seed uint64, r rules, record bool) *world {
	w := &world{clock: newClock(seed), rules: r, byID: map[ClientID]*conn{}}
	w.on = record
	all := mixes()
	w.mix = all[seed%uint64(len(all))]
	w.policy = simPolicy()
	w.mix.policy(&w.policy)
	w.admission = Admission{
		Keys: map[string]protocol.Token{"fleet": {}}, Identify: 5 * time.Second, Leave: w.mix.leave, Strikes: 10,
		Launched: func(_, _ string, secret protocol.Token) bool { return secret.Equal(launchSecret) },
	}
	w.quality = map[Release]quality{}
	for _, release := range w.mix.releases {
		w.quality[release] = pick(&w.clock, good, good, good, degraded, bad, flaky, vital)
	}
	w.store, w.discord, w.sup, w.driver = newModelStore(w), &discord{w: w}, &supervisor{w: w}, newDriver(w)
	w.sup.start()
	for i := range w.mix.bots {
		w.spawn(w.mix.releases[min(i/2, len(w.mix.releases)-1)])
	}
	w.after(w.between(0, 10*time.Second), w.disturb)
	w.run(w.mix.length)
	if w.failed == "" {
		w.settleDown()
	}
	return w
}

// run lets time pass, and looks at the invariants after each step.
func (w *world) run(d time.Duration) {
	until := w.now + d
	for w.failed == "" && w.step(until) {
		w.checkActive()
	}
}

// fail ends the schedule: an invariant is broken.
func (w *world) fail(invariant, format string, args ...any) {
	if w.failed == "" {
		w.failed = fmt.Sprintf("invariant %s: ", invariant) + fmt.Sprintf(format, args...)
		w.note("%s", w.failed)
	}
}

func (w *world) note(format string, args ...any) { w.add(w.now, format, args...) }

// deploy starts another process, of any release but rather of a new one, in the place of one that is not active.
func (w *world) deploy() {
	release := pick(&w.clock, w.mix.releases...)
	for i, b := range w.bots {
		if !b.alive || b.active() || b.frozen || b.launched {
			continue
		}
		b.quit()
		if !b.alive || b.leaving {
			w.bots = append(w.bots[:i:i], w.bots[i+1:]...)
			w.spawn(release)
		}
		return
	}
}

// replace starts another process some time after one has ended.
func (w *world) replace(b *bot) {
	release := b.release
	if !w.quiet && w.chance(0.4) {
		release = pick(&w.clock, w.mix.releases...)
	}
	w.after(w.between(time.Second, w.mix.restart), func() {
		for i, other := range w.bots {
			if other == b && (!w.quiet || !w.refused(release) && w.quality[release] != dies) {
				w.bots = append(w.bots[:i:i], w.bots[i+1:]...)
				w.spawn(release)
				return
			}
		}
	})
}

// refused reports whether a release is stored as bad.
func (w *world) refused(r Release) bool { return w.store.releases[r].State == ReleaseBad }

// reportExit brings the proof of a process's death to the supervisor, if that lives to hear it.
func (w *world) reportExit(b *bot) {
	w.after(w.between(10*time.Millisecond, 2*time.Second), func() { w.tellExit(b) })
}

func (w *world) tellExit(b *bot) {
	w.note("%s (%s) is reported dead", b.name, b.instance)
	w.sup.receive(letter{event: Event{Fact: Exited{Instance: b.instance}}})
}
