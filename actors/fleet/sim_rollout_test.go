package fleet

import (
	"fmt"
	"reflect"
	"slices"
	"time"
)

// accounts is what the simulation itself counts of a driven fleet, to hold the rules to it.
type accounts struct {
	reverts  []time.Time // since somebody said to try again
	launches []time.Time
	chances  []time.Time           // reasons to launch: attempts, surveys, tries again
	ended    map[Release]time.Time // when a process of it ended last without being told to
}

// checkRollout looks at one decision of a driven fleet.
func (w *world) checkRollout(e Event, before, after Fleet, effects []Effect) {
	l := &w.ledger
	switch fact := e.Fact.(type) {
	case Running:
		l.chances = append(l.chances, e.At)
	case TryAgain:
		if before.rollout.Halted != "" || after.rollout.Halted == "" && len(after.rollout.Reverts) == 0 {
			l.reverts, l.ended = nil, nil
			l.chances = append(l.chances, e.At)
		}
	case Exited:
		if p, ok := before.processes.Get(fact.Instance); ok && !p.Retired {
			if l.ended == nil {
				l.ended = map[Release]time.Time{}
			}
			l.ended[p.Release] = e.At
		}
	}
	now := after.rollout.Attempt
	if now.underWay() && (now.Generation != before.rollout.Attempt.Generation || now.Release != before.rollout.Attempt.Release) {
		l.chances = append(l.chances, e.At)
		delete(l.ended, now.Release)
		w.checkBegun(before, after)
	}
	w.checkSuperseded(before, after)
	for _, effect := range effects {
		w.checkDriverEffect(e, before, after, effect)
	}
	w.checkProcesses(after)
}

// checkSuperseded looks at the attempt that has just ended for a newer one: it is not bad, and the newer one is under way.
func (w *world) checkSuperseded(before, after Fleet) {
	last := after.rollout.Last
	if last.Stage != StageSuperseded || last == before.rollout.Last {
		return
	}
	was, _ := before.releases.Get(last.Release)
	if now, _ := after.releases.Get(last.Release); now.State == ReleaseBad && was.State != ReleaseBad {
		w.fail("3", "%s was superseded and is refused", last.Release)
	}
	if last.Release == after.rollout.Attempt.Release && last.Generation != 0 && after.rollout.Attempt.Generation < after.rollout.Generation {
		w.fail("6", "%s was superseded and goes on", last.Release)
	}
}

// checkBegun looks at an attempt that has just begun.
func (w *world) checkBegun(before, after Fleet) {
	was, now := before.rollout.Attempt, after.rollout.Attempt
	switch {
	case now.Generation != 0 && now.Generation != after.rollout.Generation:
		w.fail("6", "generation %d begins after %d", now.Generation, after.rollout.Generation)
	case was.underWay() && !after.rollout.Last.At.Equal(now.At):
		w.fail("6", "the attempt of %s never ended and one of %s begins", was.Release, now.Release)
	case before.rollout.Halted != "" && after.rollout.Halted != "" && now.Generation != 0:
		w.fail("4", "an attempt of %s begins although the fleet is halted", now.Release)
	}
}

func (w *world) checkDriverEffect(e Event, before, after Fleet, effect Effect) {
	l := &w.ledger
	switch effect := effect.(type) {
	case Prepare:
		if r, _ := after.releases.Get(effect.Release); r.State == ReleaseBad {
			w.fail("3", "the refused release %s is prepared", effect.Release)
		}
	case Launch:
		l.launches = append(l.launches, e.At)
		w.checkLaunch(e, after, effect)
	case Alert:
		if effect.What != "reverted" {
			return
		}
		l.reverts = append(within(l.reverts, e.At.Add(-w.policy.Rollout.RevertWindow)), e.At)
		w.checkRevert(before, after, effect.Release)
	}
}

// checkLaunch is invariant 3 and 4 for a process: not of a refused release, not at once after its like has ended, and not for ever.
func (w *world) checkLaunch(e Event, after Fleet, effect Launch) {
	l, p := &w.ledger, w.policy.Rollout
	if r, _ := after.releases.Get(effect.Release); r.State == ReleaseBad {
		w.fail("3", "the refused release %s is launched", effect.Release)
	}
	if at, ok := l.ended[effect.Release]; ok && e.At.Before(at.Add(p.BackoffMin)) {
		w.fail("4", "%s is launched %v after one of its release has ended", effect.Instance, e.At.Sub(at))
	}
	if after.rollout.Halted == HaltedCrashes && !after.rollout.Attempt.underWay() {
		w.fail("4", "%s is launched although the fleet is halted", effect.Instance)
	}
	window := e.At.Add(-p.RestartWindow)
	l.launches, l.chances = within(l.launches, window), within(l.chances, window)
	each := w.policy.Shards * (1 + w.policy.Standbys)
	if most := (2*len(l.chances)+1)*each + (len(l.chances)+1)*(p.Restarts+1); len(l.launches) > most {
		w.fail("4", "%d processes are launched within %v, for %d reasons", len(l.launches), p.RestartWindow, len(l.chances))
	}
}

func (w *world) checkRevert(before, after Fleet, from Release) {
	known, _ := before.releases.Get(from)
	now, _ := after.releases.Get(from)
	switch {
	case len(w.ledger.reverts) > w.policy.Rollout.Reverts:
		w.fail("4", "%d reverts, the budget is %d", len(w.ledger.reverts), w.policy.Rollout.Reverts)
	case known.State == ReleaseGood:
		w.fail("4", "a revert of the good release %s", from)
	case after.LastGood() == from || after.rollout.Desired == from:
		w.fail("4", "a revert to the failing release %s", from)
	case now.State != ReleaseBad:
		w.fail("4", "%s is reverted and %v", from, now.State)
	}
}

// checkProcesses bounds how many processes are wanted at one time.
func (w *world) checkProcesses(f Fleet) {
	wanted := make([]int, w.policy.Shards)
	for it := f.processes.Iterator(); !it.Done(); {
		if _, p, _ := it.Next(); !p.Retired {
			wanted[p.Seat]++
		}
	}
	if most := slices.Max(wanted); most > 4+2*w.policy.Standbys {
		w.fail("5", "%d processes are wanted for one seat", most)
	}
}

// checkStoredRollout is invariant 6 for the rollout and the processes.
func (w *world) checkStoredRollout(f Fleet) {
	if !reflect.DeepEqual(f.rollout, w.store.rollout) {
		w.fail("6", "the rollout is %+v, stored is %+v", f.rollout, w.store.rollout)
	}
	if f.processes.Len() != len(w.store.processes) {
		w.fail("6", "%d processes are known, %d stored", f.processes.Len(), len(w.store.processes))
	}
	for it := f.processes.Iterator(); !it.Done(); {
		_, p, _ := it.Next()
		if r, ok := w.store.processes[p.Instance]; !ok || r.Retired != p.Retired || r.Release != p.Release || r.Seat != p.Seat {
			w.fail("6", "%s is %+v, stored is %+v", p.Instance, p, r)
		}
	}
}

// told counts responses and alerts of a halt, and says whether a request was accepted.
func told(effects []Effect) (responses, halts int, accepted bool) {
	for _, effect := range effects {
		switch effect := effect.(type) {
		case Respond:
			responses++
			accepted = effect.Outcome == Accepted
		case Alert:
			if effect.What == "halted" {
				halts++
			}
		}
	}
	return responses, halts, accepted
}

// inspectRollout looks at a decision by itself: one response to each request, one alert to each halt, generations that only grow.
func inspectRollout(e Event, before, after Fleet, effects []Effect) string {
	responses, halts, accepted := told(effects)
	was, now := before.rollout, after.rollout
	want := 0
	switch e.Fact.(type) {
	case Deploy, Rollback, TryAgain:
		want = 1
	}
	switch {
	case responses != want:
		return fmt.Sprintf("6 %d responses to %T", responses, e.Fact)
	case halts > 1 && was.Halted != "" || (halts > 0) != (was.Halted != now.Halted && now.Halted != ""):
		return fmt.Sprintf("4 %d alerts of a halt, which was %q and is %q", halts, was.Halted, now.Halted)
	case now.Generation < was.Generation || now.Started < was.Started:
		return fmt.Sprintf("6 generation %d and process %d come after %d and %d", now.Generation, now.Started, was.Generation, was.Started)
	}
	if fact, ok := e.Fact.(Deploy); ok && accepted {
		if known, _ := before.releases.Get(fact.Release); known.State == ReleaseBad {
			return fmt.Sprintf("3 the refused release %s is accepted", fact.Release)
		}
	}
	if known, _ := after.releases.Get(now.Desired); known.State == ReleaseBad {
		return fmt.Sprintf("4 the refused release %s is desired", now.Desired)
	}
	return ""
}

// tryAgainLater has somebody lift a halt once nothing goes wrong any more, in most schedules.
func (w *world) tryAgainLater() {
	if !w.mix.driven || w.chance(0.2) {
		return
	}
	for _, d := range []time.Duration{0, time.Minute} {
		w.after(d, func() {
			if w.sup.alive && w.sup.state.rollout.Halted != "" {
				w.ask(TryAgain{Who: "maria"})
			}
		})
	}
}

// restlessRollout says why a driven fleet is not at rest, or nothing: no attempt is under way, the seats are held, by what is desired
// and good, with their standbys, and no process runs that is not wanted.
func (w *world) restlessRollout() string {
	f := w.sup.state
	if !w.mix.driven {
		return ""
	}
	base := (&turn{Fleet: f}).base()
	switch a := f.rollout.Attempt; {
	case !f.surveyed:
		return "the driver has not said what runs"
	case a.underWay() && (f.LastGood() != "" || a.Stage != StageBaking):
		return fmt.Sprintf("an attempt of %s is under way: %s", a.Release, a.Stage)
	case f.rollout.Halted == HaltedCrashes || base == "":
		return ""
	}
	if problem := w.restlessProcesses(base); problem != "" {
		return problem
	}
	for id := range w.policy.Shards {
		s := f.Seat(id)
		switch {
		case s.Phase == SeatLost && w.policy.Lease == 0 && w.driver.processes[s.Instance] == nil:
		case s.Phase != SeatHeld && w.startable(base):
			return fmt.Sprintf("seat %d is %s, and %s is good", id, s.Phase, f.LastGood())
		case w.policy.Shards > 1 || f.LastGood() == "" || !w.startable(base) || w.driver.processes[s.Instance] == nil: // somebody else has brought it
		case s.Release != f.rollout.Desired && s.Release != f.LastGood():
			return fmt.Sprintf("seat %d is held by %s, %s is desired and %s was good last", id, s.Release, f.rollout.Desired, f.LastGood())
		}
	}
	return ""
}

// startable reports whether the driver can start a release at all; others have to be started by somebody else.
func (w *world) startable(r Release) bool { return slices.Contains(w.pushed, r) && w.eligible(r) }

func (w *world) restlessProcesses(base Release) string {
	f := w.sup.state
	based, strays := 0, 0
	for it := f.processes.Iterator(); !it.Done(); {
		_, p, _ := it.Next()
		b := w.driver.processes[p.Instance]
		switch {
		case p.Retired && !w.driver.unknown:
			return p.Instance + " is retired and not gone"
		case p.Retired:
		case b == nil:
			return p.Instance + " is wanted and not there"
		case b.conn == nil || !b.conn.greeted || b.discord != loggedIn:
			return p.Instance + " is not let in"
		case p.Release == base:
			based++
		}
	}
	if unwanted := w.unwanted(); unwanted != "" {
		return unwanted + " runs and is not wanted"
	}
	for _, b := range w.bots {
		if !b.launched && b.alive && b.release == base {
			strays++
		}
	}
	each := w.policy.Shards * (1 + w.policy.Standbys)
	if f.rollout.Attempt.underWay() { // the first one, with no way back
		each = w.policy.Shards
	}
	if !w.startable(base) {
		return ""
	}
	if based > each || based+strays < each {
		return fmt.Sprintf("%d processes of %s run, want %d", based, base, each)
	}
	return ""
}

// unwanted is a process that runs and that the rules do not want, if there is one.
func (w *world) unwanted() string {
	for _, b := range w.bots {
		if p, ok := w.sup.state.processes.Get(b.instance); b.launched && b.alive && (!ok || p.Retired) {
			return b.instance
		}
	}
	return ""
}
