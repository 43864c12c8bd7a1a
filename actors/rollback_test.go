package actors

import (
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/urban-robot/urban-robot/deploy"
	"github.com/urban-robot/urban-robot/deploy/deploytest"
	"github.com/urban-robot/urban-robot/protocol/admin"
)

var errMachine = errors.New("the machine is broken")

func TestRolloutFromTheFirstStart(t *testing.T) {
	inDriven(t, func(w *world, c *crew) {
		c.push("a")
		c.start()
		c.serves("a")
		c.has("a-1")
		c.told("info: rollout started a")
		w.pass(11 * time.Minute)
		c.has("a-1", "a-2")
		c.ended("a", admin.StageGood, "")
		c.told("info: promoted a")

		c.pushed("b")
		c.serves("b")
		c.has("a-1", "a-2", "b-3")
		c.told("info: rollout started b")
		w.pass(11 * time.Minute)
		c.serves("b")
		c.has("b-3", "b-4") // a has left
		c.ended("b", admin.StageGood, "")
		c.told("info: promoted b")
		if got, want := c.called(deploytest.Collect), []string{"a", "b,a"}; !slices.Equal(got, want) {
			t.Errorf("Collect() was called with %q, want %q", got, want)
		}
		if got, want := c.called(deploytest.Prepare), []string{"a", "b"}; !slices.Equal(got, want) {
			t.Errorf("Prepare() was called with %q, want %q", got, want)
		}
		w.logged(1, "process started", `"instance":"b-3"`, `"release":"b"`, `"component":"rollback"`)
	})
}

func TestReleaseThatFailsBeforeItServes(t *testing.T) {
	for name, test := range map[string]struct {
		temper temper
		fails  func(*crew)
		wait   time.Duration
		stage  admin.Stage
		reason string
	}{
		"its setup fails": {
			fails: func(c *crew) {
				c.FailSetup("b", &deploy.SetupError{Release: "b", Output: "no wheel", Err: errors.New("exit status 1")})
			},
			stage: admin.StageBad, reason: "setup_failed",
		},
		"its setup hangs": {
			fails: func(c *crew) { c.FailSetup("b", &deploy.SetupError{Release: "b", TimedOut: true}) },
			stage: admin.StageBad, reason: "setup_timeout",
		},
		"it exits at once":         {fails: func(c *crew) { c.EndAtOnce("b", 1, "", "no module") }, stage: admin.StageBad, reason: "exited"},
		"it never identifies":      {temper: temper{silent: true}, wait: time.Minute, stage: admin.StageBad, reason: "startup_timeout"},
		"it is never ready":        {temper: temper{unready: true}, wait: time.Minute, stage: admin.StageBad, reason: "startup_timeout"},
		"it is not healthy":        {temper: temper{sick: true}, stage: admin.StageBad, reason: "health_check_failure"},
		"its percentage is low":    {temper: temper{percent: 50}, stage: admin.StageBad, reason: "health_check_failure"},
		"the driver cannot set up": {fails: func(c *crew) { c.Fail(deploytest.Prepare, errMachine) }, stage: admin.StageAborted, reason: "driver_error"},
		"the driver cannot start":  {fails: func(c *crew) { c.Fail(deploytest.Start, errMachine) }, stage: admin.StageAborted, reason: "driver_error"},
		"the driver does not know it": {
			fails: func(c *crew) { c.Fail(deploytest.Prepare, deploy.ErrUnknownRelease) }, stage: admin.StageAborted, reason: "unknown_release",
		},
		"the driver panics in a setup": {fails: func(c *crew) { c.throw(deploytest.Prepare, 1) }, stage: admin.StageAborted, reason: "driver_error"},
		"the driver panics in a start": {fails: func(c *crew) { c.throw(deploytest.Start, 1) }, stage: admin.StageAborted, reason: "driver_error"},
		"the driver hangs in a setup": {
			fails: func(c *crew) { c.Hold(deploytest.Prepare) }, wait: 11 * time.Minute, stage: admin.StageAborted, reason: "driver_error",
		},
	} {
		t.Run(name, func(t *testing.T) {
			inDriven(t, func(w *world, c *crew) {
				c.good()
				c.told("info: rollout started a", "info: promoted a")
				if test.fails != nil {
					test.fails(c)
				}
				if o := c.pushed("b", test.temper); o.Result != admin.ResultAccepted || o.Release != "b" || o.Generation != 2 {
					t.Errorf("Push() = %+v, want it accepted as generation 2", o)
				}
				w.pass(test.wait)
				c.ended("b", test.stage, test.reason)
				c.undisturbed(test.stage, test.reason)
				w.logged(0, "seat lost")
				w.logged(0, `"release":"a"`, "coma", `"from":"active"`)
			})
		})
	}
}

// undisturbed fails unless a serves as if b had never been there, and b is refused from now on if it was bad.
func (c *crew) undisturbed(stage admin.Stage, reason string) {
	c.w.t.Helper()
	c.serves("a")
	c.has("a-1", "a-2")
	end := "warning: refused b " + reason
	if stage == admin.StageAborted {
		end = "warning: rollout aborted b " + reason
	}
	c.told("info: rollout started b", end)
	if f := c.status(); f.Desired.Release != "a" || f.Attempt != nil || len(f.Processes) != 2 {
		c.w.t.Errorf("Status() = %+v, want a desired and two processes", f)
	}
	if again := c.hook("b"); stage == admin.StageBad && again.Result != admin.ResultRefused {
		c.w.t.Errorf("Push() = %+v for a refused release, want it refused", again)
	}
}

func TestCrashInTheBakeWakesTheOldOne(t *testing.T) {
	inDriven(t, func(w *world, c *crew) {
		c.good()
		c.told("info: rollout started a", "info: promoted a")
		c.pushed("b", temper{crashes: true})
		c.serves("a")
		w.pass(time.Minute)
		c.ended("b", admin.StageBad, "crashed")
		c.told("info: rollout started b", "error: reverted b crashed")
		c.has("a-1", "a-2")
		if f := c.status(); f.LastAttempt.Detail != "exit status 1: it ends" {
			t.Errorf("the last attempt is %+v, want its exit in it", f.LastAttempt)
		}
	})
}

func TestRevertsBeyondTheirBudgetHalt(t *testing.T) {
	inDriven(t, func(w *world, c *crew) {
		c.good()
		c.pushed("b", temper{crashes: true})
		c.pushed("c", temper{crashes: true})
		c.told("info: rollout started a", "info: promoted a", "info: rollout started b", "error: reverted b crashed", "info: rollout started c", "error: reverted c crashed")
		c.pushed("d", temper{crashes: true})
		c.told("info: rollout started d", "error: reverted d crashed", "error: halted d reverts")
		if o := c.pushed("e"); o.Result != admin.ResultRefused {
			t.Errorf("Push() = %+v in a halted fleet, want it refused", o)
		}
		w.pass(24 * time.Hour)
		c.serves("a")
		c.told()
		if f := c.status(); f.Halted != "reverts" {
			t.Errorf("the fleet is halted for %q, want reverts", f.Halted)
		}
	})
}

func TestCrashedProcessIsStartedAgainLaterEachTime(t *testing.T) {
	inDriven(t, func(w *world, c *crew) {
		w.policy().Standbys = 0
		c.good()
		c.told("info: rollout started a", "info: promoted a")
		crash := func(instance string) { c.kill(instance) }
		for i, wait := range []time.Duration{time.Second, 2 * time.Second, 4 * time.Second, 8 * time.Second, 16 * time.Second} {
			crash(c.lives()[0])
			w.pass(wait - 10*time.Millisecond)
			c.has()
			w.pass(2 * time.Second)
			c.serves("a")
			if n := len(c.called(deploytest.Start)); n != i+2 {
				t.Errorf("%d processes were started, want %d", n, i+2)
			}
		}
		c.told()
		crash(c.lives()[0])
		w.pass(time.Hour)
		c.has()
		c.told("error: halted a crashes")
		if o, err := (Operations{w.system}).TryAgain(w.t.Context(), theFleet, "somebody"); err != nil || o.Result != admin.ResultAccepted {
			t.Errorf("TryAgain() = %+v, %v, want it accepted", o, err)
		}
		w.pass(time.Second)
		c.serves("a")
	})
}

func TestPollFindsWhatIsNew(t *testing.T) {
	inDriven(t, func(w *world, c *crew) {
		w.config.Fleets[0].Poll = time.Minute
		c.good()
		c.push("b", temper{sick: true})
		w.pass(2 * time.Minute)
		c.ended("b", admin.StageBad, "health_check_failure")
		prepared := len(c.called(deploytest.Prepare))
		w.pass(time.Hour) // the same, again and again
		if n := len(c.called(deploytest.Prepare)); n != prepared {
			t.Errorf("%d setups after an hour of polls, want %d", n, prepared)
		}
		c.Fail(deploytest.Resolve, errMachine)
		c.Fail(deploytest.Resolve, errMachine)
		c.push("c")
		w.pass(2 * time.Minute)
		w.logged(1, "release not resolved", "the machine is broken", `"reason":"poll"`)
		c.serves("a")
		w.pass(2 * time.Minute)
		c.serves("c")
	})
}

func TestPollOfAHaltedFleetIsToldOnce(t *testing.T) {
	inDriven(t, func(w *world, c *crew) {
		w.config.Fleets[0].Poll = time.Minute
		w.policy().Rollout.Reverts = 1
		c.good()
		c.pushed("b", temper{crashes: true})
		c.push("c")
		w.pass(time.Hour)
		c.serves("a")
		w.logged(1, "request refused", "poll: the fleet is halted")
	})
}

func TestDriverThatFollowsNothingIsNotPolled(t *testing.T) {
	inDriven(t, func(w *world, c *crew) {
		w.config.Fleets[0].Poll = time.Minute
		c.Fail(deploytest.Resolve, deploy.ErrNotSupported)
		c.push("a")
		c.start()
		w.pass(time.Hour)
		if n := len(c.called(deploytest.Resolve)); n != 1 {
			t.Errorf("Resolve() was called %d times, want once", n)
		}
		w.logged(0, "release not resolved")
	})
}

func TestFirstDeployIsTriedUntilThereIsOne(t *testing.T) {
	inDriven(t, func(w *world, c *crew) {
		c.start() // nothing was ever pushed
		c.Fail(deploytest.Resolve, errMachine)
		w.pass(30 * time.Second)
		c.push("a")
		w.pass(time.Minute)
		c.serves("a")
		w.pass(time.Hour)
		if n := len(c.called(deploytest.Resolve)); n > 6 {
			t.Errorf("Resolve() was called %d times, want that to end", n)
		}
	})
}

func TestPushIsAHint(t *testing.T) {
	inDriven(t, func(w *world, c *crew) {
		c.good()
		c.push("b")
		c.push("c")
		if o := c.hook("b"); o.Result != admin.ResultRefused {
			t.Errorf("Push(b) = %+v, want it refused: the branch is at c", o)
		}
		w.logged(1, "request refused", "webhook: b is not what the branch stands at now: that is c")
		first, second := c.hook("c"), c.hook("c")
		if first.Result != admin.ResultAccepted || second.Result != admin.ResultUnchanged || second.Generation != first.Generation {
			t.Errorf("Push(c) = %+v and then %+v, want it accepted once", first, second)
		}
		w.pass(20 * time.Minute)
		c.serves("c")
		if o := c.hook("a"); o.Result != admin.ResultRefused {
			t.Errorf("Push(a) = %+v for an old delivery, want it refused", o)
		}
		w.pass(time.Minute)
		c.serves("c")
	})
}

func TestPushOfADriverThatFollowsNothing(t *testing.T) {
	inDriven(t, func(_ *world, c *crew) {
		c.good()
		c.push("b")
		c.Fail(deploytest.Resolve, deploy.ErrNotSupported)
		if o := c.pushed("b"); o.Result != admin.ResultAccepted {
			t.Errorf("Push() = %+v, want it accepted", o)
		}
		c.serves("b")
	})
}

func TestPushIsNotLostWhileTheDriverFails(t *testing.T) {
	inDriven(t, func(w *world, c *crew) {
		c.good()
		c.Fail(deploytest.Resolve, errMachine)
		c.Fail(deploytest.Resolve, errMachine)
		c.push("b")
		if o := c.hook("b"); o.Result != admin.ResultRefused {
			t.Errorf("Push() = %+v, want it refused", o)
		}
		w.pass(time.Minute)
		c.serves("b")
		for range 100 {
			c.Fail(deploytest.Resolve, errMachine)
		}
		c.push("c")
		before := len(c.called(deploytest.Resolve))
		c.hook("c")
		w.pass(time.Hour)
		if n := len(c.called(deploytest.Resolve)) - before; n != pushAttempts {
			t.Errorf("Resolve() was called %d times, want %d", n, pushAttempts)
		}
	})
}

func TestRequestsAreDecidedInTheirOrder(t *testing.T) {
	inDriven(t, func(w *world, c *crew) {
		c.good()
		c.push("b")
		letGo := c.Hold(deploytest.Resolve)
		var answers [3]admin.Outcome
		for i, reference := range []string{"a", "b", "b"} {
			go func() {
				var err error
				if answers[i], err = (Operations{w.system}).Deploy(w.t.Context(), theFleet, reference, "somebody"); err != nil {
					t.Errorf("Deploy() = %v, want nil", err)
				}
			}()
			w.pass(time.Second)
		}
		if n := len(c.called(deploytest.Resolve)); n != 2 { // the start's, and the first one
			t.Errorf("Resolve() was called %d times, want one at a time", n)
		}
		letGo()
		w.pass(time.Second)
		for i, want := range []admin.Result{admin.ResultUnchanged, admin.ResultAccepted, admin.ResultUnchanged} {
			if answers[i].Result != want {
				t.Errorf("Deploy() = %+v, want it %s", answers[i], want)
			}
		}
	})
}

func TestNewerPushSupersedes(t *testing.T) {
	inDriven(t, func(w *world, c *crew) {
		c.good()
		letGo := c.Hold(deploytest.Prepare)
		c.pushed("b")
		c.pushed("c")
		c.ended("b", admin.StageSuperseded, "")
		letGo()
		w.pass(time.Minute)
		c.serves("c")
		if started := c.called(deploytest.Start); !slices.Equal(started, []string{"a-1", "a-2", "c-3"}) {
			t.Errorf("started were %q, want no b", started)
		}
	})
}

func TestWhoCannotBeSeenIsNotDead(t *testing.T) {
	inDriven(t, func(w *world, c *crew) {
		c.good()
		c.stop()
		w.pass(5 * time.Second)
		c.Fail(deploytest.Running, deploy.ErrNotSupported)
		c.start()
		c.serves("a")
		c.has("a-1", "a-2")
		w.pass(time.Hour)
		c.has("a-1", "a-2")
		w.logged(0, "seat vacated")
	})
}

func TestSurveyIsRepeatedUntilItSucceeds(t *testing.T) {
	inDriven(t, func(w *world, c *crew) {
		c.push("a")
		c.throw(deploytest.Running, 1)
		for range 2 {
			c.Fail(deploytest.Running, errMachine)
		}
		c.start()
		c.has()
		w.pass(40 * time.Second)
		c.serves("a")
		w.logged(2, "processes not surveyed", "the machine is broken", `"attempt":`)
		w.logged(1, "processes not surveyed", "the driver panicked: the driver is broken")
		w.logged(1, "driver panicked", "crew_test.go")
	})
}

func TestStopIsRepeatedUntilItSucceeds(t *testing.T) {
	inDriven(t, func(w *world, c *crew) {
		c.good()
		c.throw(deploytest.Stop, 1)
		c.Fail(deploytest.Stop, errMachine)
		letGo := c.Hold(deploytest.Stop)
		c.pushed("b", temper{sick: true, deaf: true})
		w.pass(driverTimeout) // the first call ends with its limit
		letGo()
		c.has("a-1", "a-2", "b-3")
		w.pass(time.Minute)
		c.has("a-1", "a-2")
		w.logged(3, "process not stopped", `"instance":"b-3"`)
		w.logged(1, "process stopped", `"instance":"b-3"`)
		if f := c.status(); len(f.Processes) != 2 {
			t.Errorf("the processes are %+v, want two", f.Processes)
		}
	})
}

func TestDriverThatCannotStop(t *testing.T) {
	inDriven(t, func(w *world, c *crew) {
		c.good()
		for range 10 {
			c.Fail(deploytest.Stop, deploy.ErrNotSupported)
		}
		c.pushed("b", temper{sick: true, deaf: true})
		w.pass(10 * time.Minute)
		c.has("a-1", "a-2", "b-3")
		w.logged(1, "process not stopped", "somebody has to", `"level":"warn"`)
		c.kill("b-3")
		w.pass(time.Second)
		if f := c.status(); len(f.Processes) != 2 {
			t.Errorf("the processes are %+v, want two", f.Processes)
		}
	})
}

func TestDeathThatWasNotReportedIsKnownFromItsStop(t *testing.T) {
	inDriven(t, func(w *world, c *crew) {
		c.good()
		c.push("b", temper{sick: true, deaf: true})
		c.hook("b")
		w.pass(5 * time.Second)
		c.mute.Store(true)
		c.kill("b-3")
		c.mute.Store(false)
		w.pass(time.Minute)
		if f := c.status(); len(f.Processes) != 2 {
			t.Errorf("the processes are %+v, want two", f.Processes)
		}
	})
}

func TestStartAndStopOfAProcessKeepTheirOrder(t *testing.T) {
	inDriven(t, func(w *world, c *crew) {
		c.good()
		letGo := c.Hold(deploytest.Start)
		c.push("b")
		c.hook("b")
		w.pass(10 * time.Second)
		c.push("c")
		c.hook("c") // b is to be stopped, and its start is under way
		w.pass(10 * time.Second)
		if n := len(c.called(deploytest.Stop)); n != 0 {
			t.Errorf("Stop() was called %d times beside Start(), want it to wait", n)
		}
		letGo()
		w.pass(time.Minute)
		c.serves("c")
		c.has("a-1", "a-2", "c-4")
		var story []deploytest.Method
		for _, call := range c.Calls() {
			if call.Argument == "b-3" {
				story = append(story, call.Method)
			}
		}
		if !slices.Equal(story, []deploytest.Method{deploytest.Start, deploytest.Stop}) {
			t.Errorf("the calls about b-3 are %q, want it started and stopped", story)
		}
	})
}

func TestStartThatFailedHalfwayLeavesNothing(t *testing.T) {
	inDriven(t, func(w *world, c *crew) {
		c.good()
		c.halfway(1)
		c.pushed("b")
		c.ended("b", admin.StageAborted, "driver_error")
		c.has("a-1", "a-2")
		w.logged(1, "process not started", "the answer was lost")
		c.serves("a")
	})
}

func TestSetupsAreNotCollected(t *testing.T) {
	inDriven(t, func(w *world, c *crew) {
		c.good()
		c.pushed("b")
		letCollect := c.Hold(deploytest.Collect)
		w.pass(11 * time.Minute)
		c.ended("b", admin.StageGood, "")
		c.pushed("c")
		if c.Prepared("c") {
			t.Error("c is prepared while releases are collected, want it to wait")
		}
		letCollect()
		w.pass(time.Minute)
		c.serves("c")
		c.throw(deploytest.Collect, 1)
		w.pass(11 * time.Minute)
		w.logged(1, "old releases not collected", "the driver panicked")
		c.serves("c")
	})
}

func TestTwoFleetsDoNotDisturbEachOther(t *testing.T) {
	inDriven(t, func(w *world, c *crew) {
		w.config.Fleets = append(w.config.Fleets, w.config.Fleets[0])
		w.config.Fleets[1].Name = "neon"
		other := w.crew(1)
		other.push("a")
		c.push("a")
		w.run()
		c.system.Store(w.system)
		other.system.Store(w.system)
		w.pass(12 * time.Minute)
		c.serves("a")
		other.serves("a")
		other.throw(deploytest.Prepare, 1000)
		other.throw(deploytest.Stop, 1000)
		before := c.lives()
		other.pushed("b")
		other.ended("b", admin.StageAborted, "driver_error")
		other.kill("a-1") // it has the same name as the other fleet's
		w.pass(time.Minute)
		other.serves("a")
		c.serves("a")
		c.has(before...)
		c.told("info: rollout started a", "info: promoted a")
		w.logged(0, "seat vacated", `"fleet":"helium"`)
		c.ended("a", admin.StageGood, "")
		other.quiet()
	})
}
