package fleet

import "fmt"

// newRelease is a commit that nobody has seen before.
func (w *world) newRelease() Release {
	r := Release(fmt.Sprintf("v%d", len(w.pushed)+1))
	w.pushed = append(w.pushed, r)
	w.quality[r] = pick(&w.clock, w.mix.worth...)
	if len(w.pushed) == 1 && w.chance(0.7) {
		w.quality[r] = good
	}
	return r
}

// anyRelease is one that was pushed before.
func (w *world) anyRelease() Release {
	if len(w.pushed) == 0 {
		return w.newRelease()
	}
	return pick(&w.clock, w.pushed...)
}

// ask asks the supervisor for a rollout, if it lives to hear it.
func (w *world) ask(fact Fact) {
	w.tickets++
	w.note("somebody asks for %T %+v", fact, fact)
	w.sup.receive(letter{event: Event{Ack: w.tickets, Fact: fact}})
}

// request is what people, webhooks and polls want.
func (w *world) request(kind fault) {
	switch kind {
	case faultPush:
		w.ask(Deploy{Release: w.newRelease(), Who: "webhook"})
	case faultBurst:
		for range 2 + w.chances.IntN(4) {
			r := w.newRelease()
			w.after(w.between(0, w.mix.faults), func() { w.ask(Deploy{Release: r, Who: "webhook"}) })
		}
	case faultRedeliver:
		w.ask(Deploy{Release: w.anyRelease(), Who: "webhook", Only: pick(&w.clock, Only(0), IfNew, IfFirst)})
	case faultRollback:
		w.ask(Rollback{Release: pick(&w.clock, "", "", w.anyRelease()), Who: "maria"})
	case faultTryAgain:
		w.ask(TryAgain{Who: "maria"})
	case faultStray:
		w.spawn(pick(&w.clock, w.anyRelease(), "1.0.0", "9.0.0"))
	case faultReboot:
		w.driver.reboot()
	case faultCut, faultKill, faultFreeze, faultGiveUp, faultQuit, faultReady, faultComa, faultHealth, faultWork, faultCrash, faultDeploy, faultAway,
		faultOutage, faultOffline, faultKinds: // nobody asks for that
	}
}
