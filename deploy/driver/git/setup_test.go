package git_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/urban-robot/urban-robot/deploy"
	"github.com/urban-robot/urban-robot/deploy/deploytest"
	"github.com/urban-robot/urban-robot/deploy/driver/git"
)

func setupError(t testing.TB, err error) *deploy.SetupError {
	t.Helper()
	setup, ok := errors.AsType[*deploy.SetupError](err)
	if !ok {
		t.Fatalf("Prepare() = %v, want a *SetupError", err)
	}
	return setup
}

// alive says whether a process runs; a zombie does not.
func alive(pid int) bool {
	stat, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	return err == nil && !strings.Contains(string(stat), ") Z ")
}

// pidIn reads a process id from a file that a script has written.
func pidIn(t testing.TB, path string) int {
	t.Helper()
	var pid int
	deploytest.Await(t, path, func() bool {
		text, err := os.ReadFile(path)
		if err != nil || !strings.HasSuffix(string(text), "\n") {
			return false
		}
		pid, err = strconv.Atoi(strings.TrimSpace(string(text)))
		return err == nil
	})
	return pid
}

func TestSetupRunsOnceAndItsOutputIsKept(t *testing.T) {
	t.Parallel()
	r := newRepository(t)
	r.push("first", runs, `echo "setting up $URBAN_ROBOT_RELEASE"; echo x >>count; pwd`)
	d := newDriver(t, r.dir)
	release := d.prepare()
	d.restart()
	d.prepare()
	if got := d.read("worktrees", release, "count"); got != "x\n" {
		t.Errorf("setup ran %d times, want once", len(got)/2)
	}
	if got, want := d.read("setups", release+".log"), "setting up "+release+"\n"+d.path("worktrees", release)+"\n"; got != want {
		t.Errorf("setup printed %q, want %q", got, want)
	}
}

func TestSetupIsKilledWhole(t *testing.T) {
	t.Parallel()
	r := newRepository(t)
	marks := t.TempDir()
	child := filepath.Join(marks, "child")
	release := r.push("first", runs, "trap '' TERM; (trap '' TERM; sleep 1000) & echo $! >"+child+"; echo waiting; wait; sleep 1000")
	d := newDriver(t, r.dir, func(c *git.Config) { c.SetupTimeout = 300 * time.Millisecond })
	if setup := setupError(t, d.Prepare(t.Context(), release)); !setup.TimedOut || !strings.Contains(setup.Output, "waiting") {
		t.Errorf("Prepare() = %+v, want it to time out", setup)
	}
	if pid := pidIn(t, child); alive(pid) {
		t.Errorf("process %d outlived its setup", pid)
	}
}

func TestSetupLeavesNothingRunning(t *testing.T) {
	t.Parallel()
	r := newRepository(t)
	child := filepath.Join(t.TempDir(), "child")
	release := r.push("first", runs, "sleep 1000 & echo $! >"+child)
	d := newDriver(t, r.dir)
	if err := d.Prepare(t.Context(), release); err != nil {
		t.Fatal(err)
	}
	if pid := pidIn(t, child); alive(pid) {
		t.Errorf("process %d outlived its setup", pid)
	}
}

func TestSetupThatIsCancelledIsNobodysFault(t *testing.T) {
	t.Parallel()
	r := newRepository(t)
	begun := filepath.Join(t.TempDir(), "begun")
	release := r.push("first", runs, "echo $$ >"+begun+"; exec sleep 1000")
	d := newDriver(t, r.dir)
	ctx, cancel := context.WithCancel(t.Context())
	failed := make(chan error, 1)
	go func() { failed <- d.Prepare(ctx, release) }()
	pidIn(t, begun)
	cancel()
	err := <-failed
	if _, ok := errors.AsType[*deploy.SetupError](err); ok || !errors.Is(err, context.Canceled) {
		t.Errorf("Prepare() = %v, want %v", err, context.Canceled)
	}
}

func TestSetupPrintsMegabytesOfRubbish(t *testing.T) {
	t.Parallel()
	r := newRepository(t)
	release := r.push("first", runs, "head -c 12000000 /dev/urandom; printf 'the very \\377\\000\\033[31m end'; exit 7")
	d := newDriver(t, r.dir)
	setup := setupError(t, d.Prepare(t.Context(), release))
	if len(setup.Output) > 4<<10 || !utf8.ValidString(setup.Output) || !strings.HasSuffix(setup.Output, "the very \uFFFD[31m end") {
		t.Errorf("the output has %d bytes and ends with %.40q", len(setup.Output), setup.Output[max(0, len(setup.Output)-40):])
	}
	if !strings.Contains(setup.Error(), "exit status 7") {
		t.Errorf("Prepare() = %v, want the exit status", setup)
	}
	if kept := d.read("setups", release+".log"); len(kept) < 4<<20 || len(kept) > 5<<20 || !strings.HasSuffix(kept, " end") {
		t.Errorf("%d bytes of output were kept, want the beginning and the end", len(kept))
	}
}

func TestSetupThatIsNotThere(t *testing.T) {
	t.Parallel()
	r := newRepository(t)
	release := r.push("first", runs, "true")
	d := newDriver(t, r.dir, func(c *git.Config) { c.Setup = []string{"./install"} })
	if setup := setupError(t, d.Prepare(t.Context(), release)); setup.TimedOut {
		t.Errorf("Prepare() = %+v, want it to fail", setup)
	}
	d = newDriver(t, r.dir, func(c *git.Config) { c.Setup = []string{"urban-robot-test-nowhere"} })
	err := d.Prepare(t.Context(), release)
	if _, ok := errors.AsType[*deploy.SetupError](err); err == nil || ok {
		t.Errorf("Prepare() = %v, want the machine's error", err)
	}
}

func TestSetupThatWasCutShortIsDoneAgainFromNothing(t *testing.T) {
	t.Parallel()
	r := newRepository(t)
	release := r.push("first", runs, "[ ! -e half ] || exit 1; echo x >half")
	d := newDriver(t, r.dir)
	if err := d.Prepare(t.Context(), release); err != nil {
		t.Fatal(err)
	}
	// As a kill between the setup and its mark leaves it, with git's own locks.
	for _, path := range []string{d.path("setups", release+".json")} {
		if err := os.Remove(path); err != nil {
			t.Fatal(err)
		}
	}
	for _, path := range []string{d.path("mirror", "packed-refs.lock"), d.path("mirror", "config.lock"), d.path("mirror", "worktrees", release, "index.lock")} {
		if err := os.WriteFile(path, nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	d.restart()
	d.prepare()
}

func TestWhatAKilledDriverHasLeftAtWorkIsEnded(t *testing.T) {
	t.Parallel()
	r := newRepository(t)
	r.push("first", runs, "true")
	d := newDriver(t, r.dir)
	d.prepare()
	d.stop()
	orphan, err := os.StartProcess("/bin/sleep", []string{"sleep", "1000"}, &os.ProcAttr{
		Env: []string{"URBAN_ROBOT_TASK=" + d.read("id")}, Sys: &syscall.SysProcAttr{Setsid: true},
	})
	if err != nil {
		t.Fatal(err)
	}
	d.start()
	if state, err := orphan.Wait(); err != nil || state.Success() {
		t.Errorf("Wait() = %v, %v, want it to be killed", state, err)
	}
}
