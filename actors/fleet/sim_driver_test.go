package fleet

import (
	"fmt"
	"slices"
	"time"
)

// driver starts and stops a fleet's processes, as the rules want it. What it has done survives the service; what it was about
// to answer does not.
type driver struct {
	w         *world
	survey    time.Duration // until Running is known, at most
	unknown   bool          // it cannot say what runs
	prepared  map[Release]bool
	processes map[string]*bot // alive
	launched  map[string]bool // ever
	busy      map[string]time.Duration
}

func newDriver(w *world) *driver {
	return &driver{
		w: w, survey: 2 * time.Second, unknown: w.mix.unknown, prepared: map[Release]bool{}, processes: map[string]*bot{},
		launched: map[string]bool{}, busy: map[string]time.Duration{},
	}
}

// tell brings a fact to the supervisor's life that it belongs to.
func (d *driver) tell(run int, after time.Duration, fact Fact) {
	d.w.after(after, func() {
		if d.w.sup.run == run {
			d.w.note("the driver says %T %+v", fact, fact)
			d.w.sup.receive(letter{event: Event{Fact: fact}})
		}
	})
}

// fails reports whether the machine refuses.
func (d *driver) fails() bool { return !d.w.quiet && d.w.chance(d.w.mix.driverFails) }

// started answers a start of the service: some time later it says what runs at that moment.
func (d *driver) started() {
	run := d.w.sup.run
	d.w.after(d.w.between(0, d.survey), func() {
		fact := Running{PIDs: map[string]int{}, Unknown: d.unknown}
		for _, b := range d.w.bots {
			if b.launched && b.alive && !d.unknown {
				fact.Instances = append(fact.Instances, b.instance)
				fact.PIDs[b.instance] = len(fact.Instances)
			}
		}
		d.tell(run, d.w.between(time.Millisecond, 50*time.Millisecond), fact)
	})
	if len(d.w.pushed) == 0 {
		d.w.after(d.w.between(0, d.survey), func() { d.w.ask(Deploy{Release: d.w.newRelease(), Who: "start", Only: IfFirst}) })
	}
}

// perform does what the rules want of the driver.
func (d *driver) perform(effect Effect) {
	switch effect := effect.(type) {
	case Prepare:
		d.prepare(effect.Release)
	case Launch:
		d.launch(effect)
	case StopProcess:
		d.stop(effect.Instance)
	case Collect:
		d.collect(effect.Keep)
	}
}

// prepare takes its time; a setup may fail, or hang.
func (d *driver) prepare(r Release) {
	run, took := d.w.sup.run, d.w.between(10*time.Millisecond, 3*time.Second)
	fact := Prepared{Release: r}
	switch {
	case d.fails():
		fact.Failure, fact.Detail = FailureDriver, "disk full"
	case d.w.quality[r] == unknown, !slices.Contains(d.w.pushed, r):
		fact.Failure = FailureUnknown
	case d.w.quality[r] == setupBreaks:
		fact.Failure, fact.Detail = FailureSetup, "exit status 1"
	case d.w.quality[r] == setupStays:
		fact.Failure, took = FailureSetupTimeout, d.w.policy.Rollout.SetupTimeout
	}
	d.w.after(took, func() { d.prepared[r] = d.prepared[r] || fact.Failure == "" })
	d.tell(run, took, fact)
}

// inOrder does something to a process after what was begun before. What has not begun when the service dies may never happen.
func (d *driver) inOrder(instance string, took time.Duration, do func()) {
	run := d.w.sup.run
	d.busy[instance] = max(d.busy[instance], d.w.now) + took
	d.w.at(d.busy[instance], func() {
		if d.w.sup.run == run {
			do()
		}
	})
}

// launch starts a process: never twice the same, never one that is not stored.
func (d *driver) launch(effect Launch) {
	w := d.w
	if r, ok := w.store.processes[effect.Instance]; !ok || r.Release != effect.Release {
		w.fail("6", "%s is launched and not stored", effect.Instance)
	}
	if d.launched[effect.Instance] {
		w.fail("6", "%s is launched twice", effect.Instance)
	}
	d.launched[effect.Instance] = true
	if !d.prepared[effect.Release] {
		w.fail("6", "%s is launched of a release that is not prepared", effect.Instance)
	}
	run := w.sup.run
	d.inOrder(effect.Instance, w.between(time.Millisecond, 500*time.Millisecond), func() {
		fact := Launched{Instance: effect.Instance, PID: 1}
		if d.fails() {
			fact.Failure, fact.Detail, fact.PID = FailureDriver, "fork: resource temporarily unavailable", 0
		} else {
			w.spawnLaunched(effect)
		}
		d.tell(run, w.between(0, 300*time.Millisecond), fact)
	})
}

// spawnLaunched starts a process with a launch secret.
func (w *world) spawnLaunched(effect Launch) {
	w.spawned++
	b := &bot{
		w: w, name: fmt.Sprintf("b%d", w.spawned), release: effect.Release, instance: effect.Instance, launched: true, seat: effect.Seat,
		traits: w.randomTraits(), alive: true,
	}
	w.bots = append(w.bots, b)
	w.driver.processes[b.instance] = b
	w.note("%s (%s) is launched: %s (%s) %+v", b.name, b.instance, b.release, w.quality[b.release], b.traits)
	switch w.quality[b.release] {
	case exits:
		b.later(w.between(0, 2*time.Second), b.kill)
	case silent:
	case good, bad, degraded, flaky, vital, dies, setupBreaks, setupStays, unknown:
		b.later(w.between(0, 2*time.Second), b.connect)
	}
}

// stopGrace is how long a process has from SIGTERM to SIGKILL.
const stopGrace = 4 * time.Second

// stop sends SIGTERM, and SIGKILL after the grace.
func (d *driver) stop(instance string) {
	d.inOrder(instance, 0, func() {
		b := d.processes[instance]
		if b == nil {
			return
		}
		d.w.note("%s (%s) is stopped", b.name, instance)
		if d.w.chance(0.7) {
			b.wake(nil, func() {
				if b.conn == nil || !b.conn.greeted {
					b.kill()
				} else {
					b.quit()
				}
			})
		}
		d.w.after(stopGrace, b.kill)
		d.busy[instance] = d.w.now + stopGrace
	})
}

// collect forgets the releases that are not kept and do not run.
func (d *driver) collect(keep []Release) {
	kept := map[Release]bool{}
	for _, r := range keep {
		kept[r] = true
	}
	for _, b := range d.processes {
		kept[b.release] = true
	}
	for r := range d.prepared {
		if !kept[r] {
			delete(d.prepared, r)
		}
	}
}

// exited is the end of a process. It is reported once, to the life of the service that saw it.
func (d *driver) exited(b *bot) {
	delete(d.processes, b.instance)
	for i, other := range d.w.bots {
		if other == b {
			d.w.bots = append(d.w.bots[:i:i], d.w.bots[i+1:]...)
			break
		}
	}
	died := d.w.sup.run
	d.w.after(d.w.between(time.Millisecond, 2*time.Second), func() {
		if d.w.sup.run == died || d.w.chance(0.5) {
			d.w.note("%s (%s) is reported dead", b.name, b.instance)
			d.w.sup.receive(letter{event: Event{Fact: Exited{Instance: b.instance, How: "exit status 1"}}})
		}
	})
}

// reboot ends all processes of the machine; the service may be on another one.
func (d *driver) reboot() {
	d.w.note("the machine reboots")
	for _, b := range append([]*bot{}, d.w.bots...) {
		if b.launched {
			b.kill()
		}
	}
	if d.w.chance(0.7) {
		d.w.sup.crash()
	}
}

// drivenMixes are schedules of fleets whose processes a driver starts, on what people push.
func drivenMixes(vary func(string, func(*mix)) mix) []mix {
	worth := []quality{good, good, good, good, good, good, degraded, bad, flaky, vital, dies, dies, exits, silent, setupBreaks, setupStays, unknown}
	driven := func(name string, change func(*mix)) mix {
		return vary(name, func(m *mix) {
			m.driven, m.bots, m.releases, m.worth, m.driverFails = true, 0, nil, worth, 0.03
			m.faults, m.length, m.full, m.quirks = 8*time.Second, 120*time.Second, 0.7, 0.15
			m.weights = [faultKinds]int{
				faultCut: 2, faultKill: 2, faultFreeze: 2, faultGiveUp: 1, faultQuit: 1, faultReady: 1, faultWork: 3, faultCrash: 1, faultOutage: 1,
				faultOffline: 1, faultPush: 6, faultBurst: 2, faultRedeliver: 2, faultRollback: 1, faultTryAgain: 1, faultReboot: 1,
			}
			m.policy = drivenSim
			change(m)
		})
	}
	return []mix{
		driven("a driver, and pushes of all kinds", func(*mix) {}),
		driven("pushes and little else", func(m *mix) {
			m.quirks, m.driverFails, m.stalls, m.faults, m.length = 0, 0, 0, 25*time.Second, 300*time.Second
			m.weights = [faultKinds]int{faultPush: 12, faultBurst: 1, faultRedeliver: 2, faultRollback: 1, faultWork: 4, faultKill: 1}
		}),
		driven("bad pushes in a row", func(m *mix) {
			m.worth = []quality{good, bad, vital, dies, dies, dies, dies, exits, silent, setupBreaks, setupStays, flaky}
			m.quirks, m.faults, m.length = 0, 20*time.Second, 240*time.Second
			m.weights = [faultKinds]int{faultPush: 12, faultRedeliver: 4, faultTryAgain: 1, faultCrash: 2, faultWork: 2}
			m.policy = func(p *Policy) { drivenSim(p); p.Rollout.Reverts = 2 }
		}),
		driven("a supervisor that crashes in every step", func(m *mix) {
			m.stalls, m.stall, m.downtime, m.weights[faultCrash] = 0.1, 15*time.Second, 15*time.Second, 8
		}),
		driven("a driver that cannot say what runs, no lease", func(m *mix) {
			m.unknown, m.weights[faultCrash], m.weights[faultReboot] = true, 3, 2
			m.policy = func(p *Policy) { drivenSim(p); p.Lease = 0 }
		}),
		driven("a driver and two shards", func(m *mix) {
			m.policy = func(p *Policy) { drivenSim(p); p.Shards, p.Login.Concurrency = 2, 2 }
		}),
		driven("a driver, swaps by shutdown, no standbys", func(m *mix) {
			m.policy = func(p *Policy) {
				drivenSim(p)
				p.Standbys, p.Handover.To, p.Outdated = 0, PartingShutdown, PartingShutdown
			}
		}),
		driven("processes that die and machines that fail", func(m *mix) {
			m.weights[faultKill], m.weights[faultReboot], m.weights[faultQuit], m.driverFails = 12, 4, 3, 0.1
		}),
		driven("a driver, and clients of somebody else", func(m *mix) {
			m.bots, m.releases, m.weights[faultStray], m.weights[faultDeploy] = 2, []Release{"1.0.0", "9.0.0", "v1"}, 2, 2
		}),
	}
}

func drivenSim(p *Policy) {
	p.Rollout = RolloutPolicy{
		Driven: true, SetupTimeout: 15 * time.Second, Keep: 5, Reverts: 3, RevertWindow: time.Hour, Restarts: 4, RestartWindow: 3 * time.Minute,
		BackoffMin: time.Second, BackoffMax: 20 * time.Second,
	}
}
