package git_test

import (
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/urban-robot/urban-robot/deploy"
	"github.com/urban-robot/urban-robot/deploy/deploytest"
	"github.com/urban-robot/urban-robot/deploy/driver/git"
)

// ready makes a repository with one commit, and a driver that has prepared it.
func ready(t testing.TB, bot string, change ...func(*git.Config)) (*driver, string) {
	t.Helper()
	r := newRepository(t)
	r.push("first", bot, "true")
	d := newDriver(t, r.dir, change...)
	return d, d.prepare()
}

func TestCommandThatIsNotThere(t *testing.T) {
	t.Parallel()
	d, release := ready(t, runs, func(c *git.Config) { c.Command = []string{"./gone"} })
	d.launch(release)
	if exit := d.exits.Await(t, "one"); exit.Code != 127 || !strings.Contains(exit.Output, "not found") {
		t.Errorf("exit = %+v, want code 127", exit)
	}
	d, release = ready(t, runs, func(c *git.Config) { c.Command = []string{"urban-robot-test-nowhere"} })
	if p, err := d.Start(t.Context(), deploy.Launch{Release: release, Instance: "one"}); err == nil {
		t.Errorf("Start() = %+v, nil, want the machine's error", p)
	}
}

func TestChildrenAreStoppedToo(t *testing.T) {
	t.Parallel()
	d, release := ready(t, "trap '' TERM; (while :; do sleep 1; done) & echo $! >child; wait; while :; do sleep 1; done")
	d.launch(release)
	child := pidIn(t, d.path("worktrees", release, "child"))
	if err := d.Stop(t.Context(), "one"); err != nil || alive(child) {
		t.Errorf("Stop() = %v, and its child %d is alive: %v", err, child, alive(child))
	}
}

func TestChildrenHaveTheGraceOfAStop(t *testing.T) {
	t.Parallel()
	// The shell ends at once when it is asked to; what it has started says goodbye first.
	d, release := ready(t, `sh -c 'trap "sleep 0.1; echo goodbye; exit" TERM; echo $$ >child; while :; do sleep 0.01; done' & wait`,
		func(c *git.Config) { c.Grace = 15 * time.Second })
	d.launch(release)
	pidIn(t, d.path("worktrees", release, "child"))
	if err := d.Stop(t.Context(), "one"); err != nil {
		t.Fatal(err)
	}
	if exit := d.exits.Await(t, "one"); exit.Signal != "terminated" || !strings.Contains(exit.Output, "goodbye") {
		t.Errorf("exit = %+v, want its child to have had its grace", exit)
	}
}

// TestChildrenOfADeadProcessAreEnded is about proof of death: a bot behind a wrapper would go on answering.
func TestChildrenOfADeadProcessAreEnded(t *testing.T) {
	t.Parallel()
	for _, adopted := range []bool{false, true} {
		d, release := ready(t, "(trap '' TERM; while :; do sleep 1; done) & echo $! >child; wait; sleep 1000")
		p := d.launch(release)
		child := pidIn(t, d.path("worktrees", release, "child"))
		if adopted {
			d.restart()
			if _, err := d.Running(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		kill(t, p.PID)
		d.exits.Await(t, "one")
		if alive(child) {
			t.Errorf("child %d outlived the reported death, adopted: %v", child, adopted)
		}
	}
}

func TestDeathWhileNobodyLooksIsReportedOnce(t *testing.T) {
	t.Parallel()
	d, release := ready(t, "echo started; (while :; do sleep 1; done) & echo $! >child; wait")
	p := d.launch(release)
	child := pidIn(t, d.path("worktrees", release, "child"))
	d.stop()
	kill(t, p.PID)
	deploytest.Await(t, "its death", func() bool { return !alive(p.PID) })
	for range 2 {
		d.restart()
		if running, err := d.Running(t.Context()); err != nil || len(running) != 0 {
			t.Errorf("Running() = %v, %v, want nothing", running, err)
		}
	}
	if exits := d.exits.Of("one"); len(exits) != 1 || exits[0].Release != release || exits[0].PID != p.PID || !strings.Contains(exits[0].Output, "started") {
		t.Errorf("exits = %+v, want one", exits)
	}
	if alive(child) {
		t.Errorf("its child %d is alive", child)
	}
}

// TestForeignProcessIsNotAdopted has another process with the recorded id, as when ids have come round.
func TestForeignProcessIsNotAdopted(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(record map[string]any){
		"another start time": func(record map[string]any) { record["start"] = 1 },
		"another boot":       func(record map[string]any) { record["boot"] = "00000000-0000-0000-0000-000000000000" },
		"this very process":  func(record map[string]any) { record["pid"] = os.Getpid() },
		"the first process":  func(record map[string]any) { record["pid"] = 1 },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d, release := ready(t, runs)
			p := d.launch(release)
			d.stop()
			d.rewrite(change)
			d.start()
			if running, err := d.Running(t.Context()); err != nil || len(running) != 0 {
				t.Errorf("Running() = %v, %v, want nothing", running, err)
			}
			if err := d.Stop(t.Context(), "one"); err != nil {
				t.Errorf("Stop() = %v, want nil", err)
			}
			d.exits.Await(t, "one")
			// What is in its group and has its mark is taken for its child.
			if got, want := alive(p.PID), name != "another start time"; got != want {
				t.Errorf("alive = %v, want %v", got, want)
			}
			if alive(p.PID) {
				kill(t, p.PID)
			}
		})
	}
}

// rewrite changes the record of the process "one".
func (d *driver) rewrite(change func(record map[string]any)) {
	d.t.Helper()
	var record map[string]any
	err := json.Unmarshal([]byte(d.read("processes", "one.json")), &record)
	if err != nil {
		d.t.Fatal(err)
	}
	change(record)
	text, err := json.Marshal(record)
	if err == nil {
		err = os.WriteFile(d.path("processes", "one.json"), text, 0o600)
	}
	if err != nil {
		d.t.Fatal(err)
	}
}

func TestTwoDriversDoNotShareADirectory(t *testing.T) {
	t.Parallel()
	d, _ := ready(t, runs)
	second, err := git.New(d.config)
	if err != nil {
		t.Fatal(err)
	}
	failed := make(chan error, 1)
	go func() { failed <- second.Run(t.Context()) }()
	if _, err := second.Running(t.Context()); err == nil || !strings.Contains(err.Error(), "another driver") {
		t.Errorf("Running() = %v, want another driver to be there", err)
	}
	if err := <-failed; err == nil {
		t.Error("Run() = nil, want another driver to be there")
	}
	d.stop()
	if _, err := d.Running(t.Context()); err == nil {
		t.Error("Running() = nil after the end of Run(), want an error")
	}
}

// TestCallsWaitForTheDriver holds New to its promise of touching nothing.
func TestCallsWaitForTheDriver(t *testing.T) {
	t.Parallel()
	config := git.Config{Repository: "/nowhere", Dir: filepath.Join(t.TempDir(), "state"), Command: []string{"x"}, OnExit: func(deploy.Exit) {}}
	d, err := git.New(config)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	if _, err := d.Running(ctx); err == nil {
		t.Error("Running() = nil before Run(), want it to wait")
	}
	if _, err := os.Stat(config.Dir); err == nil {
		t.Error("New() has made its directory")
	}
}

// TestLiveFilesAreLeftAlone is about the first Urban Robot's git reset under a live process.
func TestLiveFilesAreLeftAlone(t *testing.T) {
	t.Parallel()
	r := newRepository(t)
	first := r.push("first", runs, "echo made >made")
	d := newDriver(t, r.dir)
	d.prepare()
	d.launch(first)
	before := files(t, d.path("worktrees", first))
	for range 3 {
		next := r.push("next", runs+" # later", "true")
		d.prepare()
		if err := d.Collect(t.Context(), []string{next}); err != nil {
			t.Fatal(err)
		}
	}
	after := files(t, d.path("worktrees", first))
	if len(before) != len(after) {
		t.Errorf("the worktree had %d files and has %d", len(before), len(after))
	}
	for path, text := range before {
		if after[path] != text {
			t.Errorf("%s has changed", path)
		}
	}
	entries, err := os.ReadDir(d.path("worktrees"))
	if err != nil || len(entries) != 2 {
		t.Errorf("there are %d worktrees, %v, want that which runs and that which is kept", len(entries), err)
	}
	// Not even a release whose mark is lost is made again under a live process.
	if err := os.Remove(d.path("setups", first+".json")); err != nil {
		t.Fatal(err)
	}
	if err := d.Prepare(t.Context(), first); err == nil || d.read("worktrees", first, "made") != "made\n" {
		t.Errorf("Prepare() = %v, want it to leave live files alone", err)
	}
}

func TestCollectRemovesFilesThatNobodyMayWrite(t *testing.T) {
	t.Parallel()
	r := newRepository(t)
	first := r.push("first", runs, "mkdir -p cache/a && echo x >cache/a/b && chmod -R a-w cache")
	d := newDriver(t, r.dir)
	d.prepare()
	if err := d.Collect(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	for path := range files(t, d.config.Dir) {
		if strings.Contains(path, first) {
			t.Errorf("%s is still there", path)
		}
	}
}
