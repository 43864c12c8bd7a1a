package git_test

import (
	"bufio"
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"github.com/urban-robot/urban-robot/deploy"
	"github.com/urban-robot/urban-robot/deploy/deploytest"
	"github.com/urban-robot/urban-robot/deploy/driver/git"
)

const (
	// killMe names the directory, the repository and the release to a child of TestKillLeavesNoProcessUnknown.
	killMe = "URBAN_ROBOT_TEST_KILL_ME"
	// family marks all processes that such a child has started.
	family = "URBAN_ROBOT_TEST_FAMILY"
)

// TestKillLeavesNoProcessUnknown kills a program that prepares a release and starts processes, at random moments. The next one
// must know each process that runs, and none else, and do a setup that was cut short again from nothing.
func TestKillLeavesNoProcessUnknown(t *testing.T) {
	t.Parallel()
	rounds := 16
	if testing.Short() {
		rounds = 3
	}
	r := newRepository(t)
	mark := fmt.Sprint("family-", os.Getpid(), "-", rand.Uint64())
	d := newDriver(t, r.dir, func(c *git.Config) { c.Passthrough = []string{family} })
	if _, err := d.Running(t.Context()); err != nil {
		t.Fatal(err)
	}
	seen, known := 0, 0
	for round := range rounds {
		release := r.push(fmt.Sprint("round ", round), runs, "echo half >>half; sleep 0.02; cp half whole")
		d.stop()
		said := killed(t, mark, fmt.Sprintf("%s|%s|%s|%d", d.config.Dir, r.dir, release, round), round%2 == 0)
		d.start()
		running := adopted(t, d, mark)
		for name := range said {
			if _, runs := running[name]; !runs {
				t.Errorf("round %d: %s was started and is not known", round, name)
			}
		}
		seen, known = seen+len(said), known+len(running)
		d.finish(release, running)
		if left := relatives(mark); len(left) > 0 {
			t.Errorf("round %d: processes %v are left", round, left)
		}
	}
	t.Logf("%d starts were reported, %d processes were adopted", seen, known)
	if known == 0 {
		t.Error("no child has come to start anything")
	}
}

// finish does the setup that a kill may have cut short, and stops what runs.
func (d *driver) finish(release string, running map[string]deploy.Process) {
	d.t.Helper()
	if err := d.Prepare(d.t.Context(), release); err != nil {
		d.t.Fatalf("Prepare() = %v, want nil", err)
	}
	if got := d.read("worktrees", release, "whole"); got != "half\n" {
		d.t.Errorf("the setup was not done from nothing: %q", got)
	}
	for name := range running {
		if err := d.Stop(d.t.Context(), name); err != nil {
			d.t.Errorf("Stop(%s) = %v, want nil", name, err)
		}
	}
}

// killed runs a child, kills it at some moment, while it prepares or while it starts, and returns whom it said to have started.
func killed(t *testing.T, mark, what string, early bool) map[string]bool {
	t.Helper()
	cmd := exec.Command(os.Args[0], "-test.run=^TestKillMe$", "-test.v")
	cmd.Env = append(os.Environ(), killMe+"="+what, family+"="+mark)
	out, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	said := make(map[string]bool)
	from, pause := "prepared", rand.N(40*time.Millisecond)
	if early {
		from, pause = "begun", rand.N(250*time.Millisecond)
	}
	var timer *time.Timer
	for lines := bufio.NewScanner(out); lines.Scan(); {
		if lines.Text() == from {
			timer = time.AfterFunc(pause, func() { _ = cmd.Process.Kill() })
		}
		if name, ok := strings.CutPrefix(lines.Text(), "started "); ok {
			said[name] = true
		}
		if strings.Contains(lines.Text(), "FAIL") {
			t.Errorf("the child: %s", lines.Text())
		}
	}
	_ = cmd.Wait()
	if timer == nil {
		t.Fatal("the child has come to nothing")
	}
	return said
}

// adopted waits until what a driver knows and what runs are the same, and returns it.
func adopted(t *testing.T, d *driver, mark string) map[string]deploy.Process {
	t.Helper()
	named := make(map[string]deploy.Process)
	deploytest.Await(t, "the driver to know what runs", func() bool {
		processes, err := d.Running(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		left := relatives(mark)
		clear(named)
		for _, p := range processes {
			if !left[p.PID] {
				return false
			}
			named[p.Instance] = p
		}
		return len(left) == len(named)
	})
	return named
}

// relatives returns the processes that carry a mark.
func relatives(mark string) map[int]bool {
	paths, _ := filepath.Glob("/proc/[0-9]*/environ")
	found := make(map[int]bool)
	for _, path := range paths {
		environ, err := os.ReadFile(path)
		pid, _ := strconv.Atoi(filepath.Base(filepath.Dir(path)))
		if err == nil && strings.Contains(string(environ), family+"="+mark+"\x00") && alive(pid) {
			found[pid] = true
		}
	}
	return found
}

// TestKillMe is the child.
func TestKillMe(t *testing.T) {
	what := strings.Split(os.Getenv(killMe), "|")
	if len(what) != 4 {
		t.Skip("only for TestKillLeavesNoProcessUnknown")
	}
	d, err := git.New(git.Config{
		Repository: what[1], Dir: what[0], Setup: []string{"./setup"}, Command: []string{"./bot"}, Passthrough: []string{family},
		OnExit: func(deploy.Exit) {}, Log: zerolog.Nop(),
	})
	if err != nil {
		t.Fatal(err)
	}
	go func() { _ = d.Run(context.Background()) }()
	fmt.Println("begun")
	if err := d.Prepare(t.Context(), what[2]); err != nil {
		t.Fatal(err)
	}
	fmt.Println("prepared")
	for i := range 100 {
		name := fmt.Sprint("round-", what[3], "-", i)
		if _, err := d.Start(t.Context(), deploy.Launch{Release: what[2], Instance: name}); err != nil {
			t.Fatal(err)
		}
		fmt.Println("started " + name)
	}
	select {}
}
