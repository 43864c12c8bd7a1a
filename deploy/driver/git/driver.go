package git

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"time"

	"github.com/rs/zerolog"

	"github.com/urban-robot/urban-robot/deploy"
	"github.com/urban-robot/urban-robot/deploy/driver/process"
)

const (
	// lockWait is how long a driver waits for the one before it to go.
	lockWait = 2 * time.Second
	// fetchTimeout ends a fetch that its caller would wait for for ever.
	fetchTimeout = 15 * time.Minute
	// deadLogs is how many processes' log files outlive them.
	deadLogs = 20
	// mirror is the lock of the mirror: no release is called that.
	mirror = "mirror"
)

var errStopped = errors.New("the driver has stopped")

// Config says which repository, and how its releases are set up and started.
type Config struct {
	Repository   string            // an address, or a path
	Branch       string            // what the fleet follows; default main
	Dir          string            // the driver's own directory
	Setup        []string          // run once for each release, in its files; none: nothing to set up
	SetupTimeout time.Duration     // default 10 minutes
	Command      []string          // starts a process; a path is relative to the release's files
	Passthrough  []string          // further variables of our environment for setup and processes; a last * stands for any end
	Grace        time.Duration     // between asking a process to end and forcing it; default 10 s
	LogBytes     int64             // of all the log files of one process together, about; default 40 MiB
	Forward      bool              // log the lines that processes print, too
	OnExit       func(deploy.Exit) // hears of each death, perhaps before Start has returned; must not block
	Log          zerolog.Logger
}

func (c Config) withDefaults() Config {
	c.Branch = cmp.Or(c.Branch, "main")
	c.SetupTimeout = cmp.Or(c.SetupTimeout, 10*time.Minute)
	c.Grace = cmp.Or(c.Grace, 10*time.Second)
	c.LogBytes = cmp.Or(c.LogBytes, 40<<20)
	return c
}

func (c Config) validate() error {
	switch {
	case !properName(c.Branch):
		return fmt.Errorf("branch %q: not the name of a branch", c.Branch)
	case c.Dir == "":
		return errors.New("no directory")
	case len(c.Command) == 0 || c.Command[0] == "":
		return errors.New("no command")
	case len(c.Setup) > 0 && c.Setup[0] == "":
		return errors.New("setup: no command")
	case c.SetupTimeout <= 0:
		return errors.New("setup timeout must be above zero")
	}
	return nil
}

// Driver implements deploy.Driver. Its methods wait for Run.
type Driver struct {
	config     Config
	repository string
	table      *process.Table
	mark       string // set before opened is closed
	opened     chan struct{}
	failed     error         // why it could not be opened; set before opened is closed
	locks      process.Locks // of releases, for whoever prepares, starts or removes one, and of the mirror for who changes it

	mu      sync.Mutex
	ran     bool
	stopped bool
	calls   sync.WaitGroup
	cancels map[int]context.CancelCauseFunc // of the calls under way
	last    int
}

// New checks the configuration; nothing is touched before Run.
func New(config Config) (*Driver, error) {
	config = config.withDefaults()
	if err := config.validate(); err != nil {
		return nil, err
	}
	repository, err := checkRepository(config.Repository)
	if err != nil {
		return nil, err
	}
	if config.Dir, err = filepath.Abs(config.Dir); err != nil {
		return nil, err
	}
	table, err := process.New(process.Config{
		Dir: config.Dir, Grace: config.Grace, LogBytes: config.LogBytes, Forward: config.Forward,
		OnExit: config.OnExit, Log: config.Log,
	})
	if err != nil {
		return nil, err
	}
	return &Driver{
		config: config, repository: repository, table: table, opened: make(chan struct{}),
		cancels: make(map[int]context.CancelCauseFunc),
	}, nil
}

// Run looks after the processes until the context ends, those of an earlier driver included. They outlive it. It is called once.
func (d *Driver) Run(ctx context.Context) error {
	d.mu.Lock()
	ran := d.ran
	d.ran = true
	d.mu.Unlock()
	if ran {
		return errors.New("a driver runs once")
	}
	lock, err := d.open(ctx)
	d.failed = err
	close(d.opened)
	if err != nil {
		return fmt.Errorf("open %s: %w", d.config.Dir, err)
	}
	<-ctx.Done()
	d.mu.Lock()
	d.stopped = true
	for _, cancel := range d.cancels {
		cancel(errStopped)
	}
	d.mu.Unlock()
	d.calls.Wait()
	d.table.Close()
	return lock.Close()
}

// Start implements deploy.Driver.
func (d *Driver) Start(ctx context.Context, l deploy.Launch) (deploy.Process, error) {
	ctx, done, err := d.begin(ctx)
	if err != nil {
		return deploy.Process{}, err
	}
	defer done()
	if !fullHash(l.Release) {
		return deploy.Process{}, unknown(l.Release)
	}
	free, err := d.locks.Hold(ctx, l.Release)
	if err != nil {
		return deploy.Process{}, err
	}
	defer free()
	if !d.prepared(l.Release) {
		return deploy.Process{}, fmt.Errorf("release %s is not prepared: %w", l.Release, deploy.ErrUnknownRelease)
	}
	return d.table.Start(l, process.Program{
		Dir: d.worktree(l.Release), Command: d.config.Command, Environ: process.Inherit(os.Environ(), d.config.Passthrough...),
	})
}

// Stop implements deploy.Driver.
func (d *Driver) Stop(ctx context.Context, instance string) error {
	ctx, done, err := d.begin(ctx)
	if err != nil {
		return err
	}
	defer done()
	return d.table.Stop(ctx, instance)
}

// Running implements deploy.Driver.
func (d *Driver) Running(ctx context.Context) ([]deploy.Process, error) {
	_, done, err := d.begin(ctx)
	if err != nil {
		return nil, err
	}
	defer done()
	return d.table.Running(), nil
}

// open makes the directory this driver's own, and ends what a killed one has left at work in it.
func (d *Driver) open(ctx context.Context) (*os.File, error) {
	for _, dir := range []string{d.config.Dir, d.path("worktrees"), d.path("setups"), d.path("trash")} {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return nil, err
		}
	}
	lock, err := d.lock(ctx)
	if err != nil {
		return nil, err
	}
	if err := d.takeOver(); err != nil {
		return nil, errors.Join(err, lock.Close())
	}
	return lock, nil
}

func (d *Driver) lock(ctx context.Context) (*os.File, error) {
	file, err := os.OpenFile(d.path("lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeoutCause(ctx, lockWait, errors.New("another driver uses this directory"))
	defer cancel()
	ticker := time.NewTicker(20 * time.Millisecond)
	defer ticker.Stop()
	for {
		locked, err := process.Lock(file)
		if locked {
			return file, nil
		}
		if err != nil {
			return nil, errors.Join(err, file.Close())
		}
		select {
		case <-ctx.Done():
			return nil, errors.Join(context.Cause(ctx), file.Close())
		case <-ticker.C:
		}
	}
}

func (d *Driver) takeOver() error {
	id, err := os.ReadFile(d.path("id"))
	if err != nil || len(id) == 0 {
		id = []byte(rand.Text())
		if err := os.WriteFile(d.path("id"), id, 0o600); err != nil {
			return err
		}
	}
	d.mark = process.Mark + "=" + string(id)
	if err := process.EndMarked(string(id)); err != nil {
		return err
	}
	if err := d.unlockMirror(); err != nil {
		return err
	}
	if err := emptyTrash(d.path("trash")); err != nil {
		d.config.Log.Warn().AnErr("err", err).Msg("the trash could not be emptied")
	}
	return d.table.Adopt()
}

// begin makes a call end with the driver, and the driver wait for the call.
func (d *Driver) begin(ctx context.Context) (context.Context, func(), error) {
	select {
	case <-d.opened:
	case <-ctx.Done():
		return nil, nil, context.Cause(ctx)
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if err := cmp.Or(d.failed, context.Cause(ctx)); err != nil {
		return nil, nil, err
	}
	if d.stopped {
		return nil, nil, errStopped
	}
	ctx, cancel := context.WithCancelCause(ctx)
	d.last++
	call := d.last
	d.cancels[call] = cancel
	d.calls.Add(1)
	return ctx, func() {
		cancel(nil)
		d.mu.Lock()
		delete(d.cancels, call)
		d.mu.Unlock()
		d.calls.Done()
	}, nil
}

func (d *Driver) path(parts ...string) string {
	return filepath.Join(append([]string{d.config.Dir}, parts...)...)
}

func (d *Driver) worktree(release string) string { return d.path("worktrees", release) }

// helper is how git is told to reach a repository through a program.
var helper = regexp.MustCompile(`^[A-Za-z0-9+.-]+::`)

// checkRepository returns a repository as git is to be told.
func checkRepository(repository string) (string, error) {
	switch {
	case repository == "":
		return "", errors.New("no repository")
	case strings.HasPrefix(repository, "-"), strings.ContainsFunc(repository, control), helper.MatchString(repository):
		return "", errors.New("repository: neither an address nor a path")
	case strings.Contains(repository, "://"), remote.MatchString(repository):
		return repository, nil
	}
	return filepath.Abs(repository)
}

// remote is the short form of an ssh address.
var remote = regexp.MustCompile(`^[^/:]+:`)
