package git_test

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"github.com/urban-robot/urban-robot/deploy"
	"github.com/urban-robot/urban-robot/deploy/deploytest"
	"github.com/urban-robot/urban-robot/deploy/driver/git"
)

// What bots do in these tests.
const (
	runs = "exec sleep 1000"
	deaf = "trap '' TERM; echo deaf; while :; do sleep 1; done"
	ends = "echo the end; exit 3"
)

// repository is a real one, in a temporary directory.
type repository struct {
	t   testing.TB
	dir string
}

func newRepository(t testing.TB) repository {
	t.Helper()
	r := repository{t, filepath.Join(t.TempDir(), "bot")}
	if err := os.MkdirAll(r.dir, 0o700); err != nil {
		t.Fatal(err)
	}
	r.git("init", "--quiet", "--initial-branch=main")
	return r
}

func (r repository) git(args ...string) string {
	r.t.Helper()
	cmd := exec.Command("git", args...)
	cmd.Dir = r.dir
	cmd.Env = append(os.Environ(), "GIT_CONFIG_GLOBAL=/dev/null", "GIT_CONFIG_NOSYSTEM=1", "GIT_AUTHOR_NAME=A. Author", "GIT_AUTHOR_EMAIL=a@example.org",
		"GIT_COMMITTER_NAME=A. Author", "GIT_COMMITTER_EMAIL=a@example.org")
	out, err := cmd.CombinedOutput()
	if err != nil {
		r.t.Fatalf("git %s: %v: %s", strings.Join(args, " "), err, out)
	}
	return strings.TrimSpace(string(out))
}

// push commits a bot and its setup to the branch that is checked out.
func (r repository) push(message, bot, setup string) string {
	r.t.Helper()
	r.write("bot", "#!/bin/sh\n"+bot+"\n")
	r.write("setup", "#!/bin/sh\n"+setup+"\n")
	r.git("add", "--all")
	r.git("commit", "--quiet", "--allow-empty", "--message", message)
	return r.git("rev-parse", "HEAD")
}

func (r repository) write(name, text string) {
	r.t.Helper()
	if err := os.WriteFile(filepath.Join(r.dir, name), []byte(text), 0o700); err != nil {
		r.t.Fatal(err)
	}
}

// driver is one on a directory of its own, that can be stopped and made again.
type driver struct {
	*git.Driver
	t      testing.TB
	config git.Config
	exits  *deploytest.Exits
	logged *buffer
	stop   func()
}

func newDriver(t testing.TB, repository string, change ...func(*git.Config)) *driver {
	t.Helper()
	d := &driver{t: t, exits: new(deploytest.Exits), logged: new(buffer)}
	d.config = git.Config{
		Repository: repository, Dir: filepath.Join(t.TempDir(), "state"), Setup: []string{"./setup"}, Command: []string{"./bot"},
		SetupTimeout: 20 * time.Second, Grace: 300 * time.Millisecond, OnExit: d.exits.Report, Log: zerolog.New(d.logged),
	}
	for _, c := range change {
		c(&d.config)
	}
	d.start()
	t.Cleanup(d.end)
	return d
}

func (d *driver) start() {
	d.t.Helper()
	var err error
	if d.Driver, err = git.New(d.config); err != nil {
		d.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- d.Run(ctx) }()
	d.stop = sync.OnceFunc(func() {
		cancel()
		if err := <-ended; err != nil {
			d.t.Errorf("Run() = %v, want nil", err)
		}
	})
}

func (d *driver) restart() deploy.Driver {
	d.stop()
	d.start()
	return d.Driver
}

// end kills what runs.
func (d *driver) end() {
	if processes, err := d.Running(context.Background()); err == nil {
		for _, p := range processes {
			_ = d.Stop(context.Background(), p.Instance)
		}
	}
	d.stop()
}

func (d *driver) path(parts ...string) string {
	return filepath.Join(append([]string{d.config.Dir}, parts...)...)
}

// prepare resolves what the fleet follows and makes it ready.
func (d *driver) prepare() string {
	d.t.Helper()
	r, err := d.Resolve(d.t.Context(), "")
	if err == nil {
		err = d.Prepare(d.t.Context(), r.Release)
	}
	if err != nil {
		d.t.Fatal(err)
	}
	return r.Release
}

// launch starts the process "one".
func (d *driver) launch(release string, environ ...string) deploy.Process {
	d.t.Helper()
	p, err := d.Start(d.t.Context(), deploy.Launch{Release: release, Instance: "one", Environ: func() []string { return environ }})
	if err != nil {
		d.t.Fatal(err)
	}
	return p
}

func (d *driver) read(parts ...string) string {
	d.t.Helper()
	text, err := os.ReadFile(d.path(parts...))
	if err != nil {
		d.t.Fatal(err)
	}
	return string(text)
}

// await waits until a file of the driver's says something.
func (d *driver) await(text string, parts ...string) {
	d.t.Helper()
	deploytest.Await(d.t, text, func() bool {
		got, _ := os.ReadFile(d.path(parts...))
		return strings.Contains(string(got), text)
	})
}

// buffer is safe for concurrent use.
type buffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}
