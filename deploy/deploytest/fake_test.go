package deploytest_test

import (
	"context"
	"errors"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/urban-robot/urban-robot/deploy"
	"github.com/urban-robot/urban-robot/deploy/deploytest"
)

func TestFake(t *testing.T) {
	t.Parallel()
	deploytest.Run(t, func(*testing.T) deploytest.Kit {
		exits := new(deploytest.Exits)
		fake := deploytest.NewFake(exits.Report)
		for _, release := range []string{"runs", "ends", "leaks", "breaks", "hangs"} {
			fake.Push("branch-"+release, deploy.Revision{Release: release})
		}
		fake.Push("", deploy.Revision{Release: "runs"})
		fake.FailSetup("breaks", &deploy.SetupError{Release: "breaks", Output: "broken", Err: errors.New("exit status 1")})
		fake.FailSetup("hangs", &deploy.SetupError{Release: "hangs", TimedOut: true})
		fake.EndAtOnce("ends", 3, "", "the end")
		fake.EndAtOnce("leaks", 0, "", "one-time-secret-0123456789")
		return deploytest.Kit{
			Driver: fake, Exits: exits, Restart: func() deploy.Driver { return fake },
			References: map[string]string{"": "runs", "branch-ends": "ends"}, Unknown: []string{"other", "../.."},
			Collects: true, Runs: "runs", Ends: "ends", Leaks: "leaks", Breaks: "breaks", Hangs: "hangs", Missing: "missing",
			Kill: func(p deploy.Process) { fake.Exit(p.Instance, -1, "killed", "") },
		}
	})
}

func TestFakeFailsWaitsAndTells(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		fake := deploytest.NewFake(new(deploytest.Exits).Report)
		fake.Push("main", deploy.Revision{Release: "1"})
		broken := errors.New("the machine is broken")
		fake.Fail(deploytest.Prepare, broken)
		if err := fake.Prepare(t.Context(), "1"); !errors.Is(err, broken) || fake.Prepared("1") {
			t.Errorf("Prepare() = %v, want %v", err, broken)
		}
		letGo := fake.Hold(deploytest.Prepare)
		within, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		if err := fake.Prepare(within, "1"); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Prepare() = %v, want it to wait for its context", err)
		}
		letGo()
		if err := fake.Prepare(t.Context(), "1"); err != nil || !fake.Prepared("1") {
			t.Errorf("Prepare() = %v, want nil", err)
		}
		l := deploy.Launch{Release: "1", Instance: "one", Environ: func() []string { return []string{"A=b"} }}
		if _, err := fake.Start(t.Context(), l); err != nil || !slices.Equal(fake.Environ("one"), []string{"A=b"}) {
			t.Errorf("Start() = %v with %v, want nil", err, fake.Environ("one"))
		}
		want := []deploytest.Call{{Method: "Prepare", Argument: "1"}, {Method: "Prepare", Argument: "1"}, {Method: "Prepare", Argument: "1"}, {Method: "Start", Argument: "one"}}
		if got := fake.Calls(); !slices.Equal(got, want) {
			t.Errorf("Calls() = %v, want %v", got, want)
		}
	})
}
