package fleet

import (
	"reflect"
	"slices"
	"time"
)

// rolloutMutations break the rules of releases, processes, budgets and the way back.
func rolloutMutations() []mutation {
	return []mutation{
		{"crashes are not counted", rollout(func(r *RolloutRecord) { r.Restarts = nil })},
		{"a crash has no backoff", rollout(func(r *RolloutRecord) { r.NotBefore = time.Time{} })},
		{"reverts have no budget", policy(func(p *Policy) { p.Rollout.Reverts = 1 << 20 })},
		{"a halt is ignored", rollout(func(r *RolloutRecord) { r.Halted = "" })},
		{"a halt is not told", dropped(haltAlert)},
		{"a refused release is deployed", rewritten(refusedAccepted)},
		{"a started process is not stored", changed(processUnstored)},
		{"processes are forgotten at a restart", storedAs(func(s *Stored) { s.Processes = nil })},
		{"names of processes are used again after a restart", storedAs(func(s *Stored) { s.Rollout.Started = 0 })},
		{"what is stored of a rollout is forgotten", storedAs(func(s *Stored) { s.Rollout.Attempt = Attempt{} })},
		{"a candidate takes over unchecked", rewritten(promoteUnchecked)},
		{"processes that cannot be seen are dead", beforehand(unseenDead)},
		{"nobody is stopped", dropped(func(_ Event, effect Effect) bool { _, stop := effect.(StopProcess); return stop })},
		{"superseded counts as refused", rewritten(supersededBad)},
		{"the way back leads to the failing release", rewritten(backToFailing)},
		{"an attempt has no end", neverAborted},
		{"a release is launched before it is prepared", rewritten(preparedAtOnce)},
		{"nobody is answered", dropped(func(_ Event, effect Effect) bool { _, respond := effect.(Respond); return respond })},
		{"a push before the last one goes on", rewritten(olderGoesOn)},
		{"exits are not heard", beforehand(unheard)},
	}
}

// rewritten changes the state that was decided on; what is stored of the rollout and of releases follows it.
func rewritten(change func(e Event, before, after Fleet, effects []Effect) Fleet) func(*rules) {
	return replaceDecide(func(decide decider) decider {
		return func(e Event, before Fleet) (Fleet, []Effect) {
			after, effects := decide(e, before)
			changed := change(e, before, after, effects)
			var records []Record
			if !reflect.DeepEqual(changed.rollout, after.rollout) {
				records = append(records, changed.rollout)
			}
			for it := changed.releases.Iterator(); !it.Done(); {
				r, now, _ := it.Next()
				if known, _ := after.releases.Get(r); known.State != now.State {
					records = append(records, now)
				}
			}
			if len(records) == 0 {
				return changed, effects
			}
			return changed, joined(effects, []Effect{Store{Records: records}})
		}
	})
}

func rollout(change func(*RolloutRecord)) func(*rules) {
	return rewritten(func(_ Event, _, after Fleet, _ []Effect) Fleet {
		change(&after.rollout)
		return after
	})
}

func haltAlert(_ Event, effect Effect) bool {
	alert, ok := effect.(Alert)
	return ok && alert.What == "halted"
}

// refusedAccepted begins the attempt that was just refused.
func refusedAccepted(e Event, _, after Fleet, _ []Effect) Fleet {
	fact, ok := e.Fact.(Deploy)
	known, _ := after.releases.Get(fact.Release)
	if ok && known.State == ReleaseBad && !after.rollout.Attempt.underWay() {
		after.rollout.Attempt = Attempt{Release: fact.Release, Stage: StageDeploying, At: e.At}
		after.rollout.AttemptBy, after.wake = e.At.Add(time.Minute), e.At
	}
	return after
}

func processUnstored(effect Effect) Effect {
	store, ok := effect.(Store)
	if !ok {
		return effect
	}
	return Store{Records: slices.DeleteFunc(slices.Clone(store.Records), func(r Record) bool {
		_, process := r.(ProcessRecord)
		return process
	})}
}

func promoteUnchecked(_ Event, _, after Fleet, _ []Effect) Fleet {
	for id := range after.Policy.Shards {
		if c, ok := after.Client(after.Seat(id).Candidate); ok {
			c.Promoted = true
			after.clients = after.clients.Set(c.ID, c)
		}
	}
	return after
}

func unseenDead(e Event, _ Fleet) Event {
	if fact, ok := e.Fact.(Running); ok && fact.Unknown {
		e.Fact = Running{}
	}
	return e
}

// unheard loses the end of processes that were not told to leave.
func unheard(e Event, f Fleet) Event {
	if fact, ok := e.Fact.(Exited); ok {
		if p, known := f.processes.Get(fact.Instance); known && !p.Retired {
			e.Fact = Exited{Instance: "nobody"}
		}
	}
	return e
}

func supersededBad(e Event, before, after Fleet, _ []Effect) Fleet {
	last := after.rollout.Last
	if last.Stage != StageSuperseded || reflect.DeepEqual(last, before.rollout.Last) {
		return after
	}
	known, _ := after.releases.Get(last.Release)
	known.State, known.At = ReleaseBad, e.At
	after.releases = after.releases.Set(last.Release, known)
	return after
}

func backToFailing(_ Event, _, after Fleet, effects []Effect) Fleet {
	for _, effect := range effects {
		if alert, ok := effect.(Alert); ok && alert.What == "reverted" {
			after.lastGood, after.rollout.Desired = alert.Release, alert.Release
		}
	}
	return after
}

// neverAborted has attempts go on that came to no end in time, and checks of candidates, too.
func neverAborted(r *rules) {
	rollout(func(r *RolloutRecord) { r.AttemptBy = time.Time{} })(r)
	dropped(func(_ Event, effect Effect) bool { _, prepare := effect.(Prepare); return prepare })(r)
}

func preparedAtOnce(_ Event, _, after Fleet, effects []Effect) Fleet {
	for _, effect := range effects {
		if prepare, ok := effect.(Prepare); ok {
			after.prepared = with(after.prepared, prepare.Release, true)
		}
	}
	return after
}

func olderGoesOn(e Event, before, after Fleet, _ []Effect) Fleet {
	was, now := before.rollout.Attempt, after.rollout.Attempt
	if _, ok := e.Fact.(Deploy); ok && was.underWay() && now.Generation > was.Generation {
		after.rollout.Attempt, after.rollout.AttemptBy = was, before.rollout.AttemptBy
	}
	return after
}
