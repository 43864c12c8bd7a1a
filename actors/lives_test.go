package actors

import (
	"fmt"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/asynkron/protoactor-go/actor"

	"github.com/urban-robot/urban-robot/deploy/deploytest"
	"github.com/urban-robot/urban-robot/protocol/admin"
)

// rollouts are the three ways a rollout goes, with what serves in the end.
var rollouts = map[string]struct {
	temper temper
	serves string
}{
	"good":    {serves: "b"},
	"sick":    {temper: temper{sick: true}, serves: "a"},
	"crashes": {temper: temper{crashes: true}, serves: "a"},
}

// ends fails unless the fleet is as it should be after a rollout of b, whatever happened on the way.
func (c *crew) ends(serves string) {
	c.w.t.Helper()
	c.serves(serves)
	f := c.status()
	known := make([]string, len(f.Processes))
	for i, p := range f.Processes {
		known[i] = p.Instance
	}
	if got := c.lives(); !slices.Equal(got, known) || len(got) != 2 {
		c.w.t.Errorf("the processes are %q, and the fleet knows %q, want two that it knows", got, known)
	}
	if f.LastGood != serves || f.Attempt != nil || f.Halted != "" {
		c.w.t.Errorf("Status() = %+v, want %s good and nothing under way", f, serves)
	}
	started := c.called(deploytest.Start)
	slices.Sort(started)
	if twice := slices.Compact(slices.Clone(started)); len(twice) != len(started) {
		c.w.t.Errorf("the starts are %q, want none twice", started)
	}
	if serves == "b" {
		return
	}
	c.staysRefused()
}

// hint is the webhook of a push that may get no answer.
func (c *crew) hint(commit string) {
	if _, err := (Operations{c.w.system}).Push(c.w.t.Context(), c.name, commit, "webhook"); err != nil {
		c.w.pass(time.Second)
		_, _ = (Operations{c.w.system}).Push(c.w.t.Context(), c.name, commit, "webhook again")
	}
}

// staysRefused fails if a refused release is started again.
func (c *crew) staysRefused() {
	c.w.t.Helper()
	c.ended("b", admin.StageBad, c.status().LastAttempt.Reason)
	before := len(c.called(deploytest.Start))
	if o := c.hook("b"); o.Result != admin.ResultRefused {
		c.w.t.Errorf("Push(b) = %+v, want it refused", o)
	}
	c.w.pass(time.Minute)
	if n := len(c.called(deploytest.Start)); n != before {
		c.w.t.Errorf("%d processes were started for a refused release, want none", n-before)
	}
}

// inEveryStep plays every rollout many times, to be disturbed with each write to the store in turn.
func inEveryStep(t *testing.T, words [2]string, play func(c *crew, step int, first bool, how temper)) {
	t.Helper()
	for name, rollout := range rollouts {
		for step := range 2 * 24 {
			first := step%2 == 0
			word := words[step%2]
			t.Run(fmt.Sprint(name, " step ", step/2+1, " ", word), func(t *testing.T) {
				inDriven(t, func(w *world, c *crew) {
					play(c, step/2+1, first, rollout.temper)
					w.pass(30 * time.Minute)
					c.ends(rollout.serves)
				})
			})
		}
	}
}

func TestSupervisorThatPanicsInAnyStepOfARollout(t *testing.T) {
	inEveryStep(t, [2]string{"before it is stored", "after it is stored"}, func(c *crew, step int, before bool, how temper) {
		failing := c.w.brittle()
		c.good()
		breaks := &failing.applied
		if before {
			breaks = &failing.apply
		}
		var writes atomic.Int64
		breaks.set(func() error {
			if writes.Add(1) == int64(step) {
				panic("the store is broken")
			}
			return nil
		})
		c.push("b", how)
		c.hint("b")
	})
}

func TestSystemThatEndsInAnyStepOfARollout(t *testing.T) {
	inEveryStep(t, [2]string{"processes live on", "processes die"}, func(c *crew, step int, alive bool, how temper) {
		c.good()
		c.push("b", how)
		writes := c.w.memory.Writes() + step
		c.hook("b")
		for i := 0; i < 1000 && c.w.memory.Writes() < writes; i++ {
			c.w.pass(10 * time.Millisecond)
		}
		c.stop()
		for _, instance := range c.lives() {
			if !alive {
				c.kill(instance)
			}
		}
		c.w.pass(3 * time.Second)
		c.start()
	})
}

// once has the supervisor panic once.
func (b *brittle) once(w *world) {
	b.apply.set(func() error {
		b.apply.works()
		panic("the store is broken")
	})
	w.join("0.0.1").goes() // it decides something
	w.pass(0)
}

func TestStartUnderWayWhenTheSupervisorPanics(t *testing.T) {
	for name, half := range map[string]int{"it succeeds": 0, "its answer is lost": 1} {
		t.Run(name, func(t *testing.T) {
			inDriven(t, func(w *world, c *crew) {
				failing := w.brittle()
				c.good()
				letGo := c.Hold(deploytest.Start)
				c.halfway(half)
				c.push("b")
				c.hook("b")
				w.pass(time.Second)
				surveys := len(c.called(deploytest.Running))
				failing.once(w)
				w.logged(1, "actor panicked")
				w.pass(2 * time.Second)
				if n := len(c.called(deploytest.Running)) - surveys; n != 0 {
					t.Errorf("the driver was asked %d times what runs while a start was under way, want it to wait", n)
				}
				letGo()
				w.pass(30 * time.Minute)
				c.ends("b")
			})
		})
	}
}

func TestSetupUnderWayWhenTheSupervisorPanics(t *testing.T) {
	inDriven(t, func(w *world, c *crew) {
		failing := w.brittle()
		c.good()
		letGo := c.Hold(deploytest.Prepare)
		c.push("b")
		c.hook("b")
		w.pass(time.Second)
		failing.once(w)
		w.pass(time.Second)
		letGo()
		w.pass(30 * time.Minute)
		c.ends("b")
		if got, want := c.called(deploytest.Prepare), []string{"a", "b", "b"}; !slices.Equal(got, want) {
			t.Errorf("Prepare() was called with %q, want %q", got, want)
		}
		w.logged(0, "rollout aborted") // by the cancelled setup
	})
}

func TestStartThatHangsAcrossLivesIsWaitedForInVain(t *testing.T) {
	inDriven(t, func(w *world, c *crew) {
		failing := w.brittle()
		c.good()
		c.deafStart.Store(true)
		c.push("b")
		c.hook("b")
		w.pass(time.Second)
		failing.once(w)
		w.pass(driverTimeout)
		w.logged(1, "processes not surveyed")
		c.serves("a")
		c.deafStart.Store(false)
		w.pass(30 * time.Minute)
		c.ends("b")
	})
}

func TestEndOfRunWithCallsUnderWay(t *testing.T) {
	for name, test := range map[string]struct {
		method deploytest.Method
		most   time.Duration
	}{
		"a setup is cancelled at once":  {deploytest.Prepare, 100 * time.Millisecond},
		"a lookup is cancelled at once": {deploytest.Resolve, 100 * time.Millisecond},
		"a start has a grace":           {deploytest.Start, driverGrace},
		"a survey has a grace":          {deploytest.Running, driverGrace},
	} {
		t.Run(name, func(t *testing.T) {
			inDriven(t, func(_ *world, c *crew) {
				c.push("a")
				c.Hold(test.method)
				c.start()
				began := time.Now()
				c.stop()
				if took := time.Since(began); took > test.most {
					t.Errorf("Run() took %v to end, want %v at most", took, test.most)
				}
			})
		})
	}
}

func TestStopThatFailsDoesNotHoldUpTheEnd(t *testing.T) {
	inDriven(t, func(_ *world, c *crew) {
		c.good()
		for range 100 {
			c.Fail(deploytest.Stop, errMachine)
		}
		c.pushed("b", temper{sick: true, deaf: true})
		began := time.Now()
		c.stop()
		if took := time.Since(began); took > time.Second {
			t.Errorf("Run() took %v to end, want it at once", took)
		}
	})
}

func TestRollbackActorThatPanicsRestartsItsSupervisor(t *testing.T) {
	inDriven(t, func(w *world, c *crew) {
		c.good()
		n := w.system.running.Load()
		pid := n.fleets.supervisors[theFleet]
		child := actor.NewPID(pid.Address, pid.Id+"/rollback")
		n.root.Send(child, drive{effect: nil})
		w.pass(time.Second)
		w.logged(0, "actor panicked")
		n.root.Send(child, returned{life: 1, message: crash{cause: "boom", stack: []byte("stack")}})
		w.pass(10 * time.Second)
		w.logged(1, "actor panicked", "boom", `"component":"rollback"`)
		w.isReady(true)
		c.serves("a")
		c.has("a-1", "a-2")
		for _, stale := range []any{driven{instance: "a-1"}, prepared{}, resolved{}, collected{}, stopsAgain{}, crash{}, surveyed{}} {
			n.root.Send(child, returned{life: 1, message: stale})
			n.root.Send(pid, returned{life: 1, message: happened{}})
		}
		w.pass(time.Second)
		w.logged(1, "actor panicked")
		c.pushed("b")
		c.serves("b")
	})
}

func TestFleetThatIsGivenUpHasNoDriver(t *testing.T) {
	inDriven(t, func(w *world, c *crew) {
		failing := w.brittle()
		c.good()
		failing.apply.panics()
		c.quiet()
		for range restarts + 1 {
			w.join("1.0.0")
		}
		failing.apply.works()
		w.isReady(false)
		calls := len(c.Calls())
		w.pass(time.Hour)
		if n := len(c.Calls()); n != calls {
			t.Errorf("the driver was called %d times for a fleet that is given up, want never", n-calls)
		}
		if _, err := (Operations{w.system}).Status(w.t.Context(), theFleet); err == nil {
			t.Error("Status() = nil for a fleet that is given up, want an error")
		}
	})
}

func TestSupersededSupervisorLeavesTheDriverAlone(t *testing.T) {
	inDriven(t, func(w *world, c *crew) {
		w.config.Fleets[0].Poll = time.Minute
		c.good()
		letGo := c.Hold(deploytest.Resolve)
		go func() { _, _ = (Operations{w.system}).Deploy(w.t.Context(), theFleet, "nothing", "somebody") }()
		w.pass(time.Second)
		if _, _, err := snapshot(w.memory); err != nil {
			t.Fatalf("Acquire() = %v, want nil", err)
		}
		c.kill("a-2") // news that must be stored
		w.pass(time.Second)
		w.logged(1, "fleet given up to a newer supervisor")
		letGo()
		c.quiet()
		calls := len(c.Calls())
		w.pass(time.Hour)
		if n := len(c.Calls()); n != calls {
			t.Errorf("the driver was called %d times for a fleet that is given up, want never", n-calls)
		}
		w.logged(0, "actor panicked")
	})
}

func TestNothingIsStartedThatIsNotStored(t *testing.T) {
	inDriven(t, func(w *world, c *crew) {
		c.good()
		w.memory.FailWrites(1_000_000, errDisk)
		c.push("b")
		go func() { _, _ = (Operations{w.system}).Push(w.t.Context(), theFleet, "b", "webhook") }()
		w.pass(10 * time.Minute)
		if prepared := c.called(deploytest.Prepare); !slices.Equal(prepared, []string{"a"}) {
			t.Errorf("Prepare() was called with %q, want nothing that is not stored", prepared)
		}
		w.memory.FailWrites(0, nil)
		w.pass(2 * time.Second)
		c.serves("b")

		w.pass(11 * time.Minute)
		letGo := c.Hold(deploytest.Prepare)
		c.pushed("c")
		w.memory.FailWrites(1_000_000, errDisk)
		letGo()
		started := len(c.called(deploytest.Start))
		w.pass(10 * time.Minute)
		if n := len(c.called(deploytest.Start)); n != started {
			t.Errorf("%d processes were started that are not stored, want none", n-started)
		}
		w.memory.FailWrites(0, nil)
		w.pass(30 * time.Second)
		c.serves("c")
	})
}
