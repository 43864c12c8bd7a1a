package deploytest

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"unicode/utf8"

	"github.com/urban-robot/urban-robot/deploy"
)

func testResolve(t *testing.T, k Kit) {
	for reference, release := range k.References {
		for range 2 {
			got, err := k.Driver.Resolve(t.Context(), reference)
			if err != nil || got.Release != release {
				t.Errorf("Resolve(%q) = %q, %v, want %q", reference, got.Release, err, release)
			}
			if len(got.Message) > 200 || !utf8.ValidString(got.Message) {
				t.Errorf("Resolve(%q) has the message %q", reference, got.Message)
			}
		}
		again, err := k.Driver.Resolve(t.Context(), release)
		if err != nil || again.Release != release {
			t.Errorf("Resolve(%q) = %q, %v, want the release itself", release, again.Release, err)
		}
	}
}

func testUnknown(t *testing.T, k Kit) {
	for _, reference := range k.Unknown {
		got, err := k.Driver.Resolve(t.Context(), reference)
		if !errors.Is(err, deploy.ErrUnknownRelease) {
			t.Errorf("Resolve(%q) = %+v, %v, want %v", reference, got, err, deploy.ErrUnknownRelease)
		}
		if err := k.Driver.Prepare(t.Context(), reference); err == nil && k.Missing != "" {
			t.Errorf("Prepare(%q) = nil, want an error", reference)
		}
	}
}

func testPrepare(t *testing.T, k Kit) {
	need(t, k.Runs != "")
	var all sync.WaitGroup
	for range 4 {
		all.Go(func() {
			if err := k.Driver.Prepare(t.Context(), k.Runs); err != nil {
				t.Errorf("Prepare() = %v, want nil", err)
			}
		})
	}
	all.Wait()
	k.prepare(t, k.Runs)
}

func testMissing(t *testing.T, k Kit) {
	need(t, k.Missing != "")
	wantError(t, "Prepare()", k.Driver.Prepare(t.Context(), k.Missing), deploy.ErrUnknownRelease)
	_, err := k.Driver.Start(t.Context(), launch(k.Missing, "lost"))
	wantError(t, "Start()", err, deploy.ErrUnknownRelease)
}

func testBreaks(t *testing.T, k Kit) {
	need(t, k.Breaks != "")
	for range 2 {
		err := k.Driver.Prepare(t.Context(), k.Breaks)
		setup, ok := errors.AsType[*deploy.SetupError](err)
		if !ok || setup.Release != k.Breaks || setup.TimedOut || !strings.Contains(setup.Output, "broken") {
			t.Fatalf("Prepare() = %#v, want a *SetupError of %s with its output", err, k.Breaks)
		}
	}
	if p, err := k.Driver.Start(t.Context(), launch(k.Breaks, "broken")); err == nil && k.Missing != "" {
		t.Errorf("Start() = %+v, nil, want an error: its setup has failed", p)
	}
}

func testHangs(t *testing.T, k Kit) {
	need(t, k.Hangs != "")
	err := k.Driver.Prepare(t.Context(), k.Hangs)
	if setup, ok := errors.AsType[*deploy.SetupError](err); !ok || !setup.TimedOut || setup.Release != k.Hangs {
		t.Errorf("Prepare() = %#v, want a *SetupError of %s that timed out", err, k.Hangs)
	}
}

func testObserves(t *testing.T, k Kit) {
	if k.Blind {
		_, err := k.Driver.Running(t.Context())
		wantError(t, "Running()", err, deploy.ErrNotSupported)
	}
	if k.Observes {
		_, err := k.Driver.Start(t.Context(), launch("1", "one"))
		wantError(t, "Start()", err, deploy.ErrNotSupported)
		wantError(t, "Stop()", k.Driver.Stop(t.Context(), "one"), deploy.ErrNotSupported)
	}
	if !k.Collects {
		if err := k.Driver.Collect(t.Context(), nil); err != nil {
			wantError(t, "Collect()", err, deploy.ErrNotSupported)
		}
	}
}

func testStart(t *testing.T, k Kit) {
	need(t, k.Runs != "")
	p := k.started(t, k.Runs, "one")
	if p.Started.IsZero() {
		t.Errorf("Start() = %+v, want to know when it was started", p)
	}
	if !k.Blind {
		if got := k.running(t)["one"]; got.PID != p.PID || got.Release != k.Runs {
			t.Errorf("Running() has %+v, want %+v", got, p)
		}
	}
	k.stop(t, "one")
	if !k.Blind {
		if got, there := k.running(t)["one"]; there {
			t.Errorf("Running() has %+v after Stop()", got)
		}
	}
	k.Exits.Await(t, "one")
	k.stop(t, "one")
	k.stop(t, "nobody")
	if n := len(k.Exits.Of("one")); n != 1 {
		t.Errorf("the death was reported %d times, want once", n)
	}
}

func testStartTwice(t *testing.T, k Kit) {
	need(t, k.Runs != "" && !k.Blind)
	p := k.started(t, k.Runs, "one")
	if again := k.started(t, k.Runs, "one"); again.PID != p.PID || len(k.running(t)) != 1 {
		t.Errorf("Start() = %+v and then %+v, want one process", p, again)
	}
	k.stop(t, "one")
	k.Exits.Await(t, "one")
	if again, err := k.Driver.Start(t.Context(), launch(k.Runs, "one")); err == nil && again.PID == p.PID {
		t.Errorf("Start() = %+v, nil, want no dead process", again)
	}
	k.stop(t, "one")
}

func testInstance(t *testing.T, k Kit) {
	need(t, k.Runs != "")
	k.prepare(t, k.Runs)
	for _, name := range []string{"", "..", "../x", "a/b", "-x", "a b", "a\x00b", "ä", strings.Repeat("x", 65)} {
		if p, err := k.Driver.Start(t.Context(), launch(k.Runs, name)); err == nil {
			t.Errorf("Start(%q) = %+v, nil, want an error", name, p)
		}
	}
}

func testDeaf(t *testing.T, k Kit) {
	need(t, k.Deaf != "")
	k.started(t, k.Deaf, "deaf")
	k.Settle("deaf")
	k.stop(t, "deaf")
	if exit := k.Exits.Await(t, "deaf"); exit.Signal != "killed" {
		t.Errorf("exit = %+v, want it to be killed", exit)
	}
}

func testEnds(t *testing.T, k Kit) {
	need(t, k.Ends != "")
	k.started(t, k.Ends, "short")
	exit := k.Exits.Await(t, "short")
	if exit.Code != 3 || exit.Signal != "" || exit.Release != k.Ends || !strings.Contains(exit.Output, "the end") {
		t.Errorf("exit = %+v, want code 3 and the output", exit)
	}
	k.stop(t, "short")
	if k.Restart != nil {
		k.Driver = k.Restart()
		k.running(t)
	}
	if n := len(k.Exits.Of("short")); n != 1 {
		t.Errorf("the death was reported %d times, want once", n)
	}
}

func testKilled(t *testing.T, k Kit) {
	need(t, k.Kill != nil && k.Runs != "")
	k.Kill(k.started(t, k.Runs, "victim"))
	if exit := k.Exits.Await(t, "victim"); exit.Code != -1 || exit.Signal != "killed" {
		t.Errorf("exit = %+v, want it to be killed", exit)
	}
}

func testLeaks(t *testing.T, k Kit) {
	need(t, k.Leaks != "")
	const secret = "one-time-secret-0123456789"
	k.started(t, k.Leaks, "leak", "SECRET="+secret)
	exit := k.Exits.Await(t, "leak")
	if strings.Contains(fmt.Sprintf("%+v", exit), secret) || !strings.Contains(exit.Output, "[redacted]") {
		t.Errorf("exit = %+v, want [redacted] in place of the secret", exit)
	}
	if _, err := k.Driver.Start(t.Context(), launch(k.Leaks, "..", "SECRET="+secret)); err == nil || strings.Contains(err.Error(), secret) {
		t.Errorf("Start() = %v, want an error without the secret", err)
	}
}

func testRestart(t *testing.T, k Kit) {
	need(t, k.Restart != nil && k.Runs != "")
	p := k.started(t, k.Runs, "old")
	for range 2 {
		k.Driver = k.Restart()
		if got := k.running(t)["old"]; got.PID != p.PID || got.Release != k.Runs || !got.Started.Equal(p.Started) {
			t.Fatalf("Running() has %+v after a restart, want %+v", got, p)
		}
	}
	k.stop(t, "old")
	k.Exits.Await(t, "old")
	k.Driver = k.Restart()
	if running := k.running(t); len(running) != 0 {
		t.Errorf("Running() = %v, want nothing", running)
	}
	if n := len(k.Exits.Of("old")); n != 1 {
		t.Errorf("the death was reported %d times, want once", n)
	}
}

func testCollect(t *testing.T, k Kit) {
	need(t, k.Collects && k.Runs != "" && k.Ends != "" && k.Leaks != "")
	k.started(t, k.Runs, "runs")
	k.prepare(t, k.Ends)
	k.prepare(t, k.Leaks)
	for range 2 {
		if err := k.Driver.Collect(t.Context(), []string{k.Ends, "unheard-of"}); err != nil {
			t.Fatalf("Collect() = %v, want nil", err)
		}
	}
	if _, runs := k.running(t)["runs"]; !runs {
		t.Error("Collect() took a process")
	}
	for release, kept := range map[string]bool{k.Runs: true, k.Ends: true, k.Leaks: false} {
		_, err := k.Driver.Start(t.Context(), launch(release, "after-"+release[:min(8, len(release))]))
		if got := err == nil; got != kept {
			t.Errorf("Start(%s) = %v after Collect(), want kept to be %v", release, err, kept)
		}
	}
	k.stop(t, "runs")
	k.stop(t, "after-"+k.Runs[:min(8, len(k.Runs))])
}

func testContext(t *testing.T, k Kit) {
	over, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := k.Driver.Resolve(over, ""); err == nil {
		t.Error("Resolve() = nil with a context that is over, want an error")
	}
	if k.Deaf == "" {
		return
	}
	k.started(t, k.Deaf, "deaf")
	k.Settle("deaf")
	wantError(t, "Stop()", k.Driver.Stop(over, "deaf"), context.Canceled)
	k.stop(t, "deaf")
}

func testAtOnce(t *testing.T, k Kit) {
	need(t, k.Runs != "" && !k.Blind)
	var all sync.WaitGroup
	for i := range 6 {
		all.Go(func() {
			if err := k.whole(t.Context(), fmt.Sprint("many-", i)); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	for i := range 6 {
		name := fmt.Sprint("many-", i)
		k.Exits.Await(t, name)
		if n := len(k.Exits.Of(name)); n != 1 {
			t.Errorf("the death of %s was reported %d times, want once", name, n)
		}
	}
}

// whole leads a process through its life.
func (k Kit) whole(ctx context.Context, name string) error {
	prepared := k.Driver.Prepare(ctx, k.Runs)
	_, started := k.Driver.Start(ctx, launch(k.Runs, name))
	_, seen := k.Driver.Running(ctx)
	collected := k.Driver.Collect(ctx, []string{k.Runs})
	if errors.Is(collected, deploy.ErrNotSupported) {
		collected = nil
	}
	return errors.Join(prepared, started, seen, collected, k.Driver.Stop(ctx, name))
}
