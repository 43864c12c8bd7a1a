package process

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"github.com/urban-robot/urban-robot/deploy"
)

func table(t *testing.T, exits chan deploy.Exit) *Table {
	t.Helper()
	made, err := New(Config{
		Dir: t.TempDir(), Grace: time.Second, LogBytes: 1 << 20, Log: zerolog.Nop(), OnExit: func(exit deploy.Exit) { exits <- exit },
	})
	if err == nil {
		err = made.Adopt()
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(made.Close)
	return made
}

// TestDeathIsSeenWithoutPidfd is about kernels, and the filters of some containers, that have none.
func TestDeathIsSeenWithoutPidfd(t *testing.T) {
	t.Parallel()
	exits := make(chan deploy.Exit, 1)
	made := table(t, exits)
	p, err := made.Start(deploy.Launch{Instance: "one", Release: "1"}, Program{Dir: t.TempDir(), Command: []string{"sleep", "1000"}})
	if err != nil {
		t.Fatal(err)
	}
	e, _ := made.entry("one")
	blind := &entry{record: e.record, done: make(chan struct{})}
	seen := make(chan bool, 1)
	go func() { seen <- made.await(blind) }()
	if !blind.record.runs(made.boot) {
		t.Errorf("process %d does not run", p.PID)
	}
	if err := made.Stop(t.Context(), "one"); err != nil {
		t.Fatal(err)
	}
	if !<-seen {
		t.Error("await() = false, want the death")
	}
	if exit := <-exits; exit.Signal != "terminated" {
		t.Errorf("exit = %+v, want it to be terminated", exit)
	}
}

// TestTracesOfAStartThatWasCutShort has what a kill leaves between the first step of a start and the last.
func TestTracesOfAStartThatWasCutShort(t *testing.T) {
	t.Parallel()
	exits := make(chan deploy.Exit, 8)
	before := table(t, exits)
	before.Close()
	if err := (record{Instance: "one", Release: "1"}).write(before.records()); err != nil {
		t.Fatal(err)
	}
	for path, text := range map[string]string{
		logPath(before.logs(), "one"):                           "",
		filepath.Join(before.records(), "two.json.new"):         "{",
		filepath.Join(before.records(), "three.json"):           "",
		filepath.Join(before.records(), "four.json"):            `{"instance":"../one","pid":1}`,
		filepath.Join(before.records(), "five with space.json"): `{"instance":"five with space","pid":1}`,
	} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	after, err := New(before.config)
	if err == nil {
		err = after.Adopt()
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(after.Close)
	if running := after.Running(); len(running) != 0 || len(exits) != 0 {
		t.Errorf("Running() = %v with %d deaths, want nothing", running, len(exits))
	}
	// The name is free, since nothing ever ran under it.
	if _, err := after.Start(deploy.Launch{Instance: "one", Release: "1"}, Program{Dir: t.TempDir(), Command: []string{"true"}}); err != nil {
		t.Errorf("Start() = %v, want nil", err)
	}
	if exit := <-exits; exit.Code != 0 {
		t.Errorf("exit = %+v, want code 0", exit)
	}
}

func TestStatusOfProcesses(t *testing.T) {
	t.Parallel()
	s, err := readStatus(os.Getpid())
	if err != nil || !s.alive() || s.start == 0 || s.group == 0 {
		t.Errorf("readStatus() = %+v, %v, want this process", s, err)
	}
	if _, err := readStatus(1 << 30); err == nil {
		t.Error("readStatus() = nil of no process, want an error")
	}
	if handle := open(1 << 30); handle != nil {
		t.Error("open() has opened no process")
	}
}
