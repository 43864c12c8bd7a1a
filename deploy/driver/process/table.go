package process

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/rs/zerolog"

	"github.com/urban-robot/urban-robot/deploy"
)

// gate is what a program waits behind until its record is written. Then it takes the shell's place.
const gate = `read -r urban_robot_gate && exec "$@" </dev/null`

var errClosed = errors.New("processes are no longer looked after")

// Config says how processes are kept.
type Config struct {
	Dir      string            // holds records and log files
	Grace    time.Duration     // between asking a process to end and forcing it
	LogBytes int64             // of all the log files of one process together, about
	Forward  bool              // log the lines that processes print, too
	OnExit   func(deploy.Exit) // hears of each death; must not block
	Log      zerolog.Logger
}

// Program is what a process runs.
type Program struct {
	Dir     string
	Command []string // the first is a path, relative to Dir, or a name to be found on PATH
	Environ []string // nothing else is inherited but what the launch adds
}

// Table keeps processes that outlive this program. It is safe for concurrent use.
type Table struct {
	config   Config
	boot     string
	quit     chan struct{}
	watchers sync.WaitGroup
	starting sync.Mutex // one Start at a time

	mu      sync.Mutex
	closed  bool
	entries map[string]*entry
}

// New checks the configuration. Nothing is done before Adopt.
func New(config Config) (*Table, error) {
	if err := supported(); err != nil {
		return nil, err
	}
	switch {
	case config.Dir == "" || config.OnExit == nil:
		return nil, errors.New("processes need a directory and someone who hears of their deaths")
	case config.Grace <= 0 || config.LogBytes < logFiles:
		return nil, errors.New("grace and log size must be above zero")
	}
	return &Table{config: config, quit: make(chan struct{}), entries: make(map[string]*entry)}, nil
}

// Adopt takes over the processes of an earlier table on the same directory, and reports those that have died since. It is called
// once, before all other methods.
func (t *Table) Adopt() error {
	var err error
	if t.boot, err = boot(); err != nil {
		return fmt.Errorf("identify this run of the machine: %w", err)
	}
	for _, dir := range []string{t.records(), t.logs()} {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return err
		}
	}
	records, err := readRecords(t.records())
	if err != nil {
		t.config.Log.Warn().AnErr("err", err).Msg("a record of a process could not be read")
	}
	for _, r := range records {
		t.adopt(r)
	}
	return nil
}

// Close stops looking after the processes, which go on. Nothing is reported after it has returned.
func (t *Table) Close() {
	t.mu.Lock()
	closed := t.closed
	t.closed = true
	t.mu.Unlock()
	if closed {
		return
	}
	close(t.quit)
	for _, e := range t.all() {
		e.close()
	}
	t.watchers.Wait()
}

// Start starts a process. It returns once its record is written and the process exists; its death may be reported before that.
// A process of that name that runs is returned as it is, and one that has died is an error.
func (t *Table) Start(l deploy.Launch, p Program) (deploy.Process, error) {
	if err := CheckInstance(l.Instance); err != nil {
		return deploy.Process{}, err
	}
	if err := findable(p.Command); err != nil {
		return deploy.Process{}, err
	}
	t.starting.Lock()
	defer t.starting.Unlock()
	if e, ok := t.entry(l.Instance); ok {
		return e.record.process(), nil
	}
	var secrets []string
	if l.Environ != nil {
		secrets = l.Environ()
	}
	if err := checkEnviron(secrets); err != nil {
		return deploy.Process{}, err
	}
	e := &entry{
		record:  record{Instance: l.Instance, Release: l.Release, Secrets: names(secrets)},
		secrets: NewSecrets(secrets), safe: true, done: make(chan struct{}),
	}
	p.Environ = Merge(p.Environ, l.Public, secrets, []string{VariableInstance + "=" + l.Instance, VariableRelease + "=" + l.Release})
	if err := t.start(e, p); err != nil {
		return deploy.Process{}, fmt.Errorf("start instance %s: %w", l.Instance, err)
	}
	return e.record.process(), nil
}

// Stop asks a process and its group to end, kills them when the grace is over, and returns when they are dead. The grace counts
// from the first call.
func (t *Table) Stop(ctx context.Context, instance string) error {
	e, ok := t.entry(instance)
	if !ok {
		return nil
	}
	grace := time.NewTimer(time.Until(e.ask(t.config.Grace)))
	defer grace.Stop()
	for {
		select {
		case <-e.done:
			return nil
		case <-ctx.Done():
			return fmt.Errorf("stop instance %s: %w", instance, context.Cause(ctx))
		case <-t.quit:
			return errClosed
		case <-grace.C:
			e.signal(syscall.SIGKILL)
		}
	}
}

// Running returns the processes that run, the oldest first.
func (t *Table) Running() []deploy.Process {
	var running []deploy.Process
	for _, e := range t.all() {
		running = append(running, e.record.process())
	}
	slices.SortFunc(running, func(a, b deploy.Process) int {
		return cmp.Or(a.Started.Compare(b.Started), cmp.Compare(a.Instance, b.Instance))
	})
	return running
}

// Collect removes the log files of all dead processes but the newest ones.
func (t *Table) Collect(newest int) error {
	type log struct {
		name string
		at   time.Time
	}
	files, err := os.ReadDir(t.logs())
	if err != nil {
		return err
	}
	var dead []log
	for _, file := range files {
		instance, ok := strings.CutSuffix(file.Name(), ".log")
		if _, runs := t.entry(instance); !ok || runs {
			continue
		}
		if info, err := file.Info(); err == nil {
			dead = append(dead, log{instance, info.ModTime()})
		}
	}
	slices.SortFunc(dead, func(a, b log) int { return b.at.Compare(a.at) })
	var failed []error
	for _, l := range dead[min(newest, len(dead)):] {
		failed = append(failed, removeLogs(logPath(t.logs(), l.name)))
	}
	return errors.Join(failed...)
}

// start does the steps in the order that leaves no process without a record.
func (t *Table) start(e *entry, p Program) error {
	path := logPath(t.logs(), e.record.Instance)
	if info, err := os.Stat(path); err == nil && info.Size() > 0 {
		return errors.New("there was a process of this name")
	}
	if err := e.record.write(t.records()); err != nil {
		return err
	}
	log, err := createLog(path, t.config.LogBytes)
	if err != nil {
		return errors.Join(err, t.forget(e))
	}
	e.log = log
	if err := t.launch(e, p); err != nil {
		return errors.Join(err, log.remove(), t.forget(e))
	}
	return nil
}

// launch starts the gate, records it, and opens it.
func (t *Table) launch(e *entry, p Program) error {
	in, out, err := os.Pipe()
	if err != nil {
		return err
	}
	// Without a word on it, the end of the pipe is the end of the gate.
	defer out.Close() //nolint:errcheck // nobody is told anything by its failure
	argv := append([]string{"/bin/sh", "-c", gate, "urban-robot"}, p.Command...)
	pid, handle, err := fork(argv, p.Dir, p.Environ, in, e.log.file, e.log.file)
	_ = in.Close()
	if err != nil {
		return err
	}
	e.handle = handle
	s, err := readStatus(pid)
	if err == nil {
		e.record.PID, e.record.Start, e.record.Boot, e.record.Started = pid, s.start, t.boot, time.Now()
		err = e.record.write(t.records())
	}
	if err == nil {
		err = t.add(e)
	}
	if err != nil {
		_ = signalGroup(pid, syscall.SIGKILL)
		awaitChild(pid)
		reap(pid)
		e.close()
		return err
	}
	_, _ = out.WriteString("go\n") // it fails when the gate is dead, which is seen as any death
	return nil
}

// adopt takes over one process of an earlier table.
func (t *Table) adopt(r record) {
	e := &entry{record: r, done: make(chan struct{})}
	if r.PID == 0 { // it was never let through the gate
		if err := errors.Join(removeLogs(logPath(t.logs(), r.Instance)), t.forget(e)); err != nil {
			t.config.Log.Warn().AnErr("err", err).Str("instance", r.Instance).Msg("the trace of a start could not be removed")
		}
		return
	}
	var err error
	if e.log, err = openLog(logPath(t.logs(), r.Instance), t.config.LogBytes); err != nil {
		t.config.Log.Warn().AnErr("err", err).Str("instance", r.Instance).Msg("the log file of a process could not be opened")
	}
	// First the handle, then the look at what it is a handle of: its id may have been given to another process.
	e.handle = open(r.PID)
	if !r.runs(t.boot) {
		e.close()
		t.bury(e)
		if e.log != nil {
			_ = e.log.file.Close()
		}
		return
	}
	e.secrets = NewSecrets(valuesOf(readEnviron(r.PID), r.Secrets))
	e.safe = true
	_ = t.add(e) // it is closed only after Adopt
}

// add has an entry looked after.
func (t *Table) add(e *entry) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.closed {
		return errClosed
	}
	t.entries[e.record.Instance] = e
	t.watchers.Go(func() { t.watch(e) })
	t.watchers.Go(func() { t.keepLog(e) })
	return nil
}

// forget removes what is known of a process but its log file.
func (t *Table) forget(e *entry) error {
	t.mu.Lock()
	delete(t.entries, e.record.Instance)
	t.mu.Unlock()
	err := os.Remove(recordPath(t.records(), e.record.Instance))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

func (t *Table) entry(instance string) (*entry, bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	e, ok := t.entries[instance]
	return e, ok
}

func (t *Table) all() []*entry {
	t.mu.Lock()
	defer t.mu.Unlock()
	var all []*entry
	for _, e := range t.entries {
		all = append(all, e)
	}
	return all
}

func (t *Table) records() string { return filepath.Join(t.config.Dir, "processes") }
func (t *Table) logs() string    { return filepath.Join(t.config.Dir, "logs") }

// findable says whether a command can be looked for at all. A path is the release's own affair: that it is not there is seen as
// its process's death. A name is the machine's.
func findable(command []string) error {
	if len(command) == 0 || command[0] == "" || strings.HasPrefix(command[0], "-") {
		return errors.New("there is no command to run")
	}
	if strings.Contains(command[0], "/") {
		return nil
	}
	_, err := exec.LookPath(command[0])
	return err
}
