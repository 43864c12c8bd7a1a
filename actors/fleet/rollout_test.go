package fleet

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
)

// natures with what becomes of a push that has one. Those without a reason are not the release's fault.
var pushes = []struct {
	nature nature
	stage  Stage
	reason string
}{
	{sound, StageGood, ""},
	{setupFails, StageBad, "setup_failed"},
	{setupHangs, StageBad, "setup_timeout"},
	{exitsAtOnce, StageBad, "exited"},
	{staysSilent, StageBad, "startup_timeout"},
	{neverReady, StageBad, "startup_timeout"},
	{vitalFails, StageBad, "vital_cog_failure"},
	{percentLow, StageBad, "health_check_failure"},
	{crashesSoon, StageBad, "crashed"},
	{failsSoon, StageBad, "vital_cog_failure"},
	{cannotLaunch, StageAborted, "driver_error"},
}

func served(t *testing.T, standbys int) *farm {
	p := drivenPolicy()
	p.Standbys, p.Health.Interval = standbys, 5*time.Minute
	f := newFarm(t, p)
	f.say("", Running{})
	f.request(Deploy{Release: "v1", Who: "start", Only: IfFirst})
	f.run(20 * time.Minute)
	if f.holder(0) != "v1" || f.state.LastGood() != "v1" {
		t.Fatalf("the first release is not in service: %+v", f.state.View(f.at))
	}
	return f
}

// "Failure before promotion: the old client was never stopped … marked bad, the code reverted to the last good one." Section 6, 3 and 4.
func TestPushes(t *testing.T) {
	t.Parallel()
	for _, push := range pushes {
		for standbys := range 2 {
			t.Run(fmt.Sprintf("%s, %d standbys", push.nature, standbys), func(t *testing.T) {
				t.Parallel()
				f := served(t, standbys)
				f.natures["v2"] = push.nature
				f.request(Deploy{Release: "v2", Who: "webhook"})
				f.run(time.Hour)
				last := f.state.Rollout().Last
				assert.Equal(t, push.stage, last.Stage)
				assert.Equal(t, push.reason, last.Reason)
				want := Release("v1")
				if push.stage == StageGood {
					want = "v2"
				}
				assert.Equal(t, want, f.holder(0), "the release that holds the seat")
				assert.Equal(t, want, f.state.LastGood(), "LastGood()")
				assert.Equal(t, want, f.state.Rollout().Desired, "Desired")
				assert.Empty(t, f.state.Rollout().Halted)
				running := string(want)
				for range standbys {
					running += " " + string(want)
				}
				assert.Equal(t, running, f.running(), "what runs")
			})
		}
	}
}

// "Each step is stored before it is taken, so a restarted supervisor carries on where it stopped." (section 6, 10) The supervisor dies after
// every single event of every kind of push, with the processes or without.
func TestRestartAtEveryStep(t *testing.T) {
	t.Parallel()
	for _, push := range pushes {
		for _, survive := range []bool{true, false} {
			t.Run(fmt.Sprintf("%s, processes survive %v", push.nature, survive), func(t *testing.T) {
				t.Parallel()
				step := 0
				for ; restartAt(t, push.nature, survive, step) && !t.Failed(); step++ {
				}
				assert.Greater(t, step, 3, "the supervisor died after this step")
			})
		}
	}
}

// restartAt kills the supervisor at one step of a push, and reports whether there was such a step.
func restartAt(t *testing.T, n nature, survive bool, step int) bool {
	t.Helper()
	f := served(t, 1)
	f.natures["v2"] = n
	launches := f.launches
	f.request(Deploy{Release: "v2", Who: "webhook"})
	end := f.at.Add(30 * time.Minute)
	for range step {
		if !f.step(end) {
			return false
		}
	}
	f.reboot(survive)
	f.run(90 * time.Minute)
	view := f.state.View(f.at)
	want := Release("v1")
	if n == sound {
		want = "v2"
	}
	assert.Equal(t, want, f.holder(0), "the release that holds the seat: %+v", view)
	assert.Equal(t, want, f.state.LastGood(), "LastGood()")
	assert.Equal(t, want, view.Desired, "Desired")
	assert.Empty(t, view.Halted)
	assert.Empty(t, view.Rollout.Attempt, "an attempt is still under way")
	assert.LessOrEqual(t, len(view.Rollout.Reverts), 1, "reverts")
	assert.LessOrEqual(t, f.launches-launches, 8, "processes that were started")
	return true
}

// "Ten bad pushes in a row, webhook redeliveries and a supervisor kill -9 …: never a loop, never two active …, never more than the rollback budget;
// the end state is the last good version or halted with one alert.".
func TestTenBadPushes(t *testing.T) {
	t.Parallel()
	for seed := range uint64(40) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			t.Parallel()
			f := served(t, int(seed%2))
			launches := f.launches
			f.pushTenBad(rand.New(rand.NewPCG(seed, 1)))
			view := f.state.View(f.at)
			assert.Equal(t, Release("v1"), f.holder(0), "the release that holds the seat: %+v", view)
			assert.Equal(t, Release("v1"), view.Desired)
			assert.Empty(t, view.Rollout.Attempt)
			assert.LessOrEqual(t, f.alerted("reverted"), f.state.Policy.Rollout.Reverts)
			assert.Less(t, f.launches-launches, 100, "processes that were started")
			if view.Halted != "" {
				assert.Equal(t, 1, f.alerted("halted"))
			}
			quiet := f.launches
			f.run(3 * time.Hour)
			assert.Equal(t, quiet, f.launches, "processes started although nothing happens")
		})
	}
}

// TestTroubledFleets has everything happen at random, to fleets of all kinds: pushes, rollbacks, deaths of processes, of connections and of the
// supervisor. The invariants hold throughout, and once it is quiet the seats are held, unless the fleet is halted.
func TestTroubledFleets(t *testing.T) {
	t.Parallel()
	for seed := range uint64(50) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			t.Parallel()
			f := troubled(t, seed)
			started := f.launches
			f.run(3 * time.Hour)
			view := f.state.View(f.at)
			assert.Less(t, f.launches-started, 40, "processes started although nothing happens")
			for seat := range view.Seats {
				if view.LastGood != "" && view.Halted != HaltedCrashes {
					assert.NotEmpty(t, f.holder(seat), "nobody holds seat %d: %+v", seat, view)
				}
			}
			if f.state.Policy.Lease > 0 || view.Halted != "" {
				return
			}
			started = f.launches
			f.run(3 * time.Hour)
			assert.Equal(t, started, f.launches, "processes started although nothing happens")
		})
	}
}

// troubled is a fleet that has been through much.
func troubled(t *testing.T, seed uint64) *farm {
	chances := rand.New(rand.NewPCG(seed, 2))
	p := drivenPolicy()
	p.Health.Interval, p.Standbys, p.Shards = 5*time.Minute, chances.IntN(2), 1+chances.IntN(2)
	p.Rollout.Reverts, p.Rollout.Restarts = 20, 20
	if chances.IntN(3) == 0 {
		p.Handover.To, p.Outdated = PartingShutdown, PartingShutdown
	}
	if chances.IntN(3) == 0 {
		p.Lease = 0
	}
	if chances.IntN(2) == 0 {
		p.Login.Spacing = 5 * time.Second
	}
	f := newFarm(t, p)
	f.say("", Running{})
	releases := []Release{"a", "b", "c", "d", "e", "f"}
	for _, r := range releases[1:] {
		if chances.IntN(2) == 0 {
			f.natures[r] = pushes[chances.IntN(len(pushes))].nature
		}
	}
	for range 60 {
		f.trouble(chances, releases)
		f.run(time.Duration(chances.IntN(240_000)) * time.Millisecond)
		if chances.IntN(4) == 0 {
			f.run(10 * time.Minute)
		}
	}
	return f
}

func (f *farm) trouble(chances *rand.Rand, releases []Release) {
	instances := slices.Sorted(maps.Keys(f.robots))
	var r *robot
	if len(instances) > 0 {
		r = f.robots[instances[chances.IntN(len(instances))]]
	}
	switch what := chances.IntN(10); {
	case what < 3:
		f.request(Deploy{Release: releases[chances.IntN(len(releases))], Who: "webhook"})
	case what == 3:
		f.request(Rollback{Who: "maria"})
	case what == 4:
		f.request(TryAgain{Who: "maria"})
	case what == 5:
		f.reboot(chances.IntN(3) != 0)
	case r == nil:
	case what < 8:
		f.die(r, "killed")
	default:
		f.leave(r, false)
		f.later(r, func() { f.identify(r) })
	}
}

// pushTenBad pushes ten releases that are bad, each in its own way, and some of them again.
func (f *farm) pushTenBad(chances *rand.Rand) {
	for i := range 10 {
		release := Release(fmt.Sprintf("bad%d", i))
		f.natures[release] = pushes[1+chances.IntN(len(pushes)-1)].nature
		f.request(Deploy{Release: release, Who: "webhook"})
		for range chances.IntN(4) {
			f.run(time.Duration(chances.IntN(300)) * time.Second)
			f.request(Deploy{Release: release, Who: "webhook"}) // redelivered
			if chances.IntN(3) == 0 {
				f.reboot(chances.IntN(4) != 0)
			}
		}
		f.run(time.Duration(chances.IntN(600)) * time.Second)
	}
	f.run(4 * time.Hour)
}
