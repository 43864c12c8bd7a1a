package actors

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/asynkron/protoactor-go/actor"

	"github.com/urban-robot/urban-robot/actors/fleet"
	"github.com/urban-robot/urban-robot/deploy/deploytest"
	"github.com/urban-robot/urban-robot/protocol/admin"
)

func (c *crew) operations() Operations { return Operations{c.system.Load()} }

func TestStatusAndVersions(t *testing.T) {
	inDriven(t, func(w *world, c *crew) {
		c.good()
		c.pushed("b", temper{sick: true})
		c.pushed("c")
		f := c.status()
		if f.Name != theFleet || *f.Desired != (admin.Target{Release: "c", Generation: 3}) || f.LastGood != "a" {
			t.Errorf("Status() = %+v, want c desired and a good", f)
		}
		if a := cmp.Or(f.Attempt, &admin.Attempt{}); a.Release != "c" || a.Generation != 3 || a.Stage != admin.StageBaking || a.Who != "webhook" {
			t.Errorf("the attempt is %+v, want c baking", f.Attempt)
		}
		c.ended("b", admin.StageBad, "health_check_failure")
		f.Running[0].Since = time.Time{}
		if want := []admin.Seat{{Phase: admin.PhaseHeld, Epoch: 2, Release: "c", Instance: "c-4"}}; !slices.Equal(f.Running, want) {
			t.Errorf("the seats are %+v, want %+v", f.Running, want)
		}
		versions, err := c.operations().Versions(w.t.Context(), theFleet)
		for i := range versions {
			versions[i].Evidence, versions[i].At = "", time.Time{}
		}
		if want := []admin.Version{
			{Release: "c", Generation: 3, State: admin.ReleaseUnproven, Stage: admin.StageBaking},
			{Release: "b", Generation: 2, State: admin.ReleaseBad, Stage: admin.StageBad, Reason: "health_check_failure"},
			{Release: "a", Generation: 1, State: admin.ReleaseGood, Stage: admin.StageGood, Reason: "ok"},
		}; err != nil || !slices.Equal(versions, want) {
			t.Errorf("Versions() = %+v, %v, want %+v", versions, err, want)
		}
		if names := c.operations().Names(); !slices.Equal(names, []string{theFleet}) {
			t.Errorf("Names() = %q, want the one", names)
		}
	})
}

func TestOutcomes(t *testing.T) {
	inDriven(t, func(w *world, c *crew) {
		c.good()
		c.push("b")
		o, ctx := c.operations(), w.t.Context()
		want := func(what string, got admin.Outcome, err error, result admin.Result, release string, generation uint64) {
			t.Helper()
			if err != nil || got.Result != result || got.Release != release || got.Generation != generation || got.Text == "" {
				t.Errorf("%s = %+v, %v, want it %s with %q and %d", what, got, err, result, release, generation)
			}
		}
		got, err := o.Deploy(ctx, theFleet, "b", "somebody")
		want("Deploy(b)", got, err, admin.ResultAccepted, "b", 2)
		got, err = o.Deploy(ctx, theFleet, "", "somebody")
		want("Deploy()", got, err, admin.ResultUnchanged, "b", 2)
		got, err = o.Deploy(ctx, theFleet, "no such branch", "somebody")
		want("Deploy(no such branch)", got, err, admin.ResultRefused, "", 0)
		got, err = o.TryAgain(ctx, theFleet, "somebody")
		want("TryAgain()", got, err, admin.ResultUnchanged, "", 0)
		got, err = o.Rollback(ctx, theFleet, "", "somebody")
		want("Rollback()", got, err, admin.ResultAccepted, "a", 3)
		w.pass(time.Minute)
		c.serves("a")
		got, err = o.Rollback(ctx, theFleet, "b", "somebody")
		want("Rollback(b)", got, err, admin.ResultRefused, "", 0)
		c.pushed("c", temper{sick: true})
		c.push("c", temper{})
		got, err = o.TryAgain(ctx, theFleet, "somebody")
		want("TryAgain()", got, err, admin.ResultAccepted, "c", 5)
		w.pass(time.Minute)
		c.serves("c")
		w.logged(1, "request refused", "somebody: ", "no such release", `"fleet":"helium"`)
		if trail := w.trail(); !slices.Contains(trail, "request refused") {
			t.Errorf("the trail is %q, want a refused request in it", trail)
		}
	})
}

func TestFleetWithoutADriver(t *testing.T) {
	inBubble(t, func(w *world) {
		w.start()
		o := Operations{w.system}
		for reference, want := range map[string]admin.Result{"": admin.ResultRefused, "2.0.0": admin.ResultAccepted} {
			if got, err := o.Deploy(w.t.Context(), theFleet, reference, "somebody"); err != nil || got.Result != want {
				t.Errorf("Deploy(%q) = %+v, %v, want it %s", reference, got, err, want)
			}
		}
		w.logged(0, "actor panicked")
	})
}

// everyRequest asks all there is to ask, and returns the errors.
func everyRequest(ctx context.Context, o Operations, name string) map[string]error {
	said := map[string]error{}
	_, said["Status"] = o.Status(ctx, name)
	_, said["Versions"] = o.Versions(ctx, name)
	_, said["Deploy"] = o.Deploy(ctx, name, "main", "somebody")
	_, said["Deploy of nothing"] = o.Deploy(ctx, name, "", "somebody")
	_, said["Push"] = o.Push(ctx, name, "a", "somebody")
	_, said["Rollback"] = o.Rollback(ctx, name, "", "somebody")
	_, said["TryAgain"] = o.TryAgain(ctx, name, "somebody")
	return said
}

// answersAtOnce fails unless every request is answered at once, with that error.
func (c *crew) answersAtOnce(name string, want error) {
	c.w.t.Helper()
	began := time.Now()
	for what, err := range everyRequest(c.w.t.Context(), c.operations(), name) {
		if !errors.Is(err, want) {
			c.w.t.Errorf("%s() = %v, want %v", what, err, want)
		}
	}
	if took := time.Since(began); took > 0 {
		c.w.t.Errorf("the answers took %v, want them at once", took)
	}
}

func TestWhoCannotAnswerSaysSoAtOnce(t *testing.T) {
	for name, test := range map[string]struct {
		fleet string
		bring func(w *world, c *crew)
		want  error
	}{
		"there is no such fleet": {fleet: "neon", bring: func(_ *world, c *crew) { c.good() }, want: admin.ErrNotFound},
		"it is not loaded yet": {bring: func(w *world, c *crew) {
			w.memory.FailWrites(1000, errDisk)
			c.start()
		}, want: admin.ErrUnavailable},
		"it was given up": {bring: func(w *world, c *crew) {
			failing := w.brittle()
			c.good()
			c.quiet()
			failing.apply.panics()
			for range restarts + 1 {
				w.join("1.0.0")
			}
		}, want: admin.ErrUnavailable},
		"the service has ended": {bring: func(_ *world, c *crew) {
			c.good()
			c.stop()
		}, want: admin.ErrUnavailable},
	} {
		t.Run(name, func(t *testing.T) {
			inDriven(t, func(w *world, c *crew) {
				test.bring(w, c)
				name := cmp.Or(test.fleet, theFleet)
				c.answersAtOnce(name, test.want)
				w.memory.FailWrites(0, nil)
			})
		})
	}
}

func TestFleetWhoseStoreFailsShowsItselfAndDoesNothing(t *testing.T) {
	inDriven(t, func(w *world, c *crew) {
		c.good()
		w.memory.FailWrites(1000, errDisk)
		c.kill("a-2")
		w.isReady(false)
		if f := c.status(); f.LastGood != "a" {
			t.Errorf("Status() = %+v, want what holds until the store works", f)
		}
		began := time.Now()
		for what, ask := range map[string]func() (admin.Outcome, error){
			"Deploy": func() (admin.Outcome, error) { return c.operations().Deploy(w.t.Context(), theFleet, "a", "somebody") },
			"Rollback": func() (admin.Outcome, error) {
				return c.operations().Rollback(w.t.Context(), theFleet, "a", "somebody")
			},
			"TryAgain": func() (admin.Outcome, error) { return c.operations().TryAgain(w.t.Context(), theFleet, "somebody") },
		} {
			if o, err := ask(); !errors.Is(err, admin.ErrUnavailable) || time.Since(began) > 0 {
				t.Errorf("%s() = %+v, %v after %v, want %v at once", what, o, err, time.Since(began), admin.ErrUnavailable)
			}
		}
		w.memory.FailWrites(0, nil)
		w.pass(time.Minute)
		if f := c.status(); f.Attempt != nil {
			t.Errorf("the attempt is %+v, want nothing of what was not available", f.Attempt)
		}
	})
}

func TestWhoAsksCanGiveUp(t *testing.T) {
	inDriven(t, func(w *world, c *crew) {
		c.good()
		letGo := c.Hold(deploytest.Resolve)
		push := func(ctx context.Context) (time.Duration, error) {
			began := time.Now()
			_, err := c.operations().Push(ctx, theFleet, "b", "webhook")
			return time.Since(began), err
		}
		over, cancel := context.WithTimeout(w.t.Context(), -time.Second)
		defer cancel()
		if took, err := push(over); !errors.Is(err, context.DeadlineExceeded) || took > 0 {
			t.Errorf("Push() = %v after %v, want it to see that its time is over", err, took)
		}
		short, cancel := context.WithTimeout(w.t.Context(), 5*time.Second)
		defer cancel()
		if took, err := push(short); !errors.Is(err, context.DeadlineExceeded) || took != 5*time.Second {
			t.Errorf("Push() = %v after %v, want its own deadline", err, took)
		}
		gone, leave := context.WithCancel(w.t.Context())
		time.AfterFunc(time.Second, leave)
		if took, err := push(gone); !errors.Is(err, context.Canceled) || took != time.Second {
			t.Errorf("Push() = %v after %v, want it to end with who asks", err, took)
		}
		if took, err := push(w.t.Context()); !errors.Is(err, context.DeadlineExceeded) || took != answerTimeout {
			t.Errorf("Push() = %v after %v, want it to end after %v", err, took, answerTimeout)
		}
		c.push("b")
		letGo()
		w.pass(time.Minute)
		c.serves("b") // it was asked for, and is done
		w.logged(0, "actor panicked")
	})
}

func TestNobodyWaitsForAFleetThatFails(t *testing.T) {
	for name, end := range map[string]func(w *world, c *crew, failing *brittle){
		"its supervisor panics": func(w *world, _ *crew, failing *brittle) { failing.once(w) },
		"the service ends":      func(_ *world, c *crew, _ *brittle) { c.stop() },
		"a newer supervisor takes over": func(w *world, c *crew, _ *brittle) {
			_, _, _ = snapshot(w.memory)
			c.kill("a-2")
			c.quiet()
		},
	} {
		t.Run(name, func(t *testing.T) {
			inDriven(t, func(w *world, c *crew) {
				failing := w.brittle()
				c.good()
				letGo := c.Hold(deploytest.Resolve)
				answers := make(chan error, 1)
				ctx := w.t.Context()
				go func() {
					_, err := c.operations().Deploy(ctx, theFleet, "a", "somebody")
					answers <- err
				}()
				w.pass(time.Second)
				began := time.Now()
				end(w, c, failing)
				if err := <-answers; !errors.Is(err, admin.ErrUnavailable) || time.Since(began) > time.Second {
					t.Errorf("Deploy() = %v after %v, want %v at once", err, time.Since(began), admin.ErrUnavailable)
				}
				letGo()
			})
		})
	}
}

func TestTicketsAreRedeemedOnce(t *testing.T) {
	var all tickets
	if n := all.issue(nil); n != 0 || all.redeem(0) != nil {
		t.Errorf("issue() = %d for nobody, want 0", n)
	}
	first, second := all.issue(actor.NewPID("here", "1")), all.issue(actor.NewPID("here", "2"))
	if all.redeem(second).Id != "2" || all.redeem(second) != nil || all.redeem(first).Id != "1" || len(all.waiting) != 0 {
		t.Errorf("tickets are redeemed wrongly, left are %v", all.waiting)
	}
}

func TestEventsArePaged(t *testing.T) {
	inDriven(t, func(w *world, c *crew) {
		c.good()
		c.pushed("b", temper{sick: true})
		w.pass(time.Second)
		var seen []string
		var after uint64
		for {
			page, err := c.operations().Events(w.t.Context(), theFleet, after, 7)
			if err != nil {
				t.Fatalf("Events() = %v, want nil", err)
			}
			if len(page) == 0 {
				break
			}
			for _, e := range page {
				seen = append(seen, e.Event)
				after = e.ID
			}
		}
		if all := w.trail(); !slices.Equal(seen, all) {
			t.Errorf("Events() = %q in pages, want %q", seen, all)
		}
		failed, cancel := context.WithCancel(w.t.Context())
		cancel()
		if _, err := c.operations().Events(failed, theFleet, 0, 10); !errors.Is(err, context.Canceled) {
			t.Errorf("Events() = %v, want the store's error", err)
		}
	})
}

func TestIncidentIsToldByOneInstance(t *testing.T) {
	inDriven(t, func(w *world, c *crew) {
		c.good()
		c.pushed("b", temper{crashes: true})
		for _, message := range []string{"process started", "client changed state", "candidate passed", "seat granted", "process exited", "release refused"} {
			if len(w.log.with(`"instance":"b-3"`, `"release":"b"`, `"message":"`+message+`"`)) == 0 {
				t.Errorf("the log does not say of b-3: %s", message)
			}
		}
		w.logged(1, `"message":"seat granted"`, `"instance":"a-`, `"epoch":3`)
	})
}

func TestAlerts(t *testing.T) {
	inDriven(t, func(w *world, c *crew) {
		w.policy().Standbys = 2
		c.good()
		c.told("info: rollout started a", "info: promoted a")
		c.pushed("b")
		c.told("info: rollout started b")
		c.kill("a-2")
		c.kill("a-3")
		w.pass(100 * time.Millisecond)
		c.told("warning: standby missing b")
		for _, r := range c.active() {
			r.rejected()
		}
		w.pass(time.Hour)
		alerts := c.alerts
		if n := slices.Index(alerts, "error: token rejected b token_rejected"); n < 0 || slices.Contains(alerts[n+1:], alerts[n]) {
			t.Errorf("the alerts are %q, want one that the token is rejected", alerts)
		}
	})
}

func TestAlertThatPanicsCostsNothing(t *testing.T) {
	inDriven(t, func(w *world, c *crew) {
		w.config.Fleets[0].Alert = func(fleet.Alert) { panic("nobody listens") }
		c.good()
		c.pushed("b")
		c.serves("b")
		w.logged(3, "alert failed", "nobody listens", "stack")
		w.logged(0, "actor panicked")
	})
}

func TestFleetThatTellsNobody(t *testing.T) {
	inDriven(t, func(w *world, c *crew) {
		w.config.Fleets[0].Alert = nil
		c.good()
	})
}
