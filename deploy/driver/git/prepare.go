package git

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/urban-robot/urban-robot/deploy"
	"github.com/urban-robot/urban-robot/deploy/driver/process"
)

// setupBytes is how much of the beginning of a setup's output is kept; of the rest, the end is.
const setupBytes = 4 << 20

var errSetupTimeout = errors.New("its time was over")

// ready is what is kept of a setup that has ended well.
type ready struct {
	Release string    `json:"release"`
	Setup   []string  `json:"setup"`
	At      time.Time `json:"at"`
	Took    string    `json:"took"`
}

// Prepare implements deploy.Driver.
func (d *Driver) Prepare(ctx context.Context, release string) error {
	ctx, done, err := d.begin(ctx)
	if err != nil {
		return err
	}
	defer done()
	if !fullHash(release) {
		return unknown(release)
	}
	free, err := d.locks.Hold(ctx, release)
	if err != nil {
		return err
	}
	defer free()
	if d.prepared(release) {
		return nil
	}
	if err := d.prepare(ctx, release); err != nil {
		if _, ok := errors.AsType[*deploy.SetupError](err); ok {
			return err
		}
		return fmt.Errorf("prepare release %s: %w", release, err)
	}
	return nil
}

func (d *Driver) prepared(release string) bool {
	_, marked := os.Stat(d.marker(release))
	_, made := os.Stat(d.worktree(release))
	return marked == nil && made == nil
}

func (d *Driver) prepare(ctx context.Context, release string) error {
	if d.runs(release) {
		return errors.New("its files are in use and not known to be whole")
	}
	found, err := d.has(ctx, release)
	if err != nil {
		return err
	}
	if !found {
		if err := d.fetch(ctx); err != nil {
			return err
		}
		if found, err = d.has(ctx, release); err != nil || !found {
			return errors.Join(err, deploy.ErrUnknownRelease)
		}
	}
	begun := time.Now()
	if err := d.checkOut(ctx, release); err != nil {
		return err
	}
	if err := d.setup(ctx, release); err != nil {
		return err
	}
	return d.markReady(ready{Release: release, Setup: d.config.Setup, At: time.Now().UTC(), Took: time.Since(begun).String()})
}

// checkOut makes a worktree from nothing.
func (d *Driver) checkOut(ctx context.Context, release string) error {
	free, err := d.locks.Hold(ctx, mirror)
	if err != nil {
		return err
	}
	defer free()
	if err := d.removeRelease(release); err != nil {
		return err
	}
	worktree := d.worktree(release)
	if _, err := d.git(ctx, nil, "worktree", "prune", "--expire=now"); err != nil {
		return err
	}
	// Forced twice: one that was cut short is known to git, and locked.
	if _, err := d.git(ctx, nil, "worktree", "add", "--quiet", "--detach", "--force", "--force", worktree, release); err != nil {
		return err
	}
	if _, err := os.Lstat(filepath.Join(worktree, ".gitmodules")); err != nil {
		return nil
	}
	// A relative address is relative to that of the repository, which is not in the mirror's own settings.
	address := []string{"GIT_CONFIG_COUNT=1", "GIT_CONFIG_KEY_0=remote.origin.url", "GIT_CONFIG_VALUE_0=" + d.repository}
	// The mirror remembers the addresses of earlier commits' submodules.
	if _, err := d.gitIn(ctx, worktree, address, "submodule", "--quiet", "sync", "--recursive"); err != nil {
		return err
	}
	_, err = d.gitIn(ctx, worktree, address, "submodule", "--quiet", "update", "--init", "--recursive")
	return err
}

// setup runs the release's setup in its files.
func (d *Driver) setup(ctx context.Context, release string) error {
	if len(d.config.Setup) == 0 {
		return nil
	}
	if name := d.config.Setup[0]; !strings.Contains(name, "/") {
		if _, err := exec.LookPath(name); err != nil {
			return fmt.Errorf("setup: %w", err) // that is the machine's fault
		}
	}
	log, err := os.OpenFile(d.setupLog(release), os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	output := &setupOutput{file: log}
	err = d.runSetup(ctx, release, output)
	if closed := output.close(); closed != nil {
		d.config.Log.Warn().Err(closed).Str("release", release).Msg("the output of a setup could not be kept")
	}
	if err == nil || ctx.Err() != nil {
		return err
	}
	return &deploy.SetupError{
		Release: release, TimedOut: errors.Is(err, errSetupTimeout), Output: output.tail.Text(process.Secrets{}), Err: err,
	}
}

func (d *Driver) runSetup(ctx context.Context, release string, output io.Writer) error {
	ctx, cancel := context.WithTimeoutCause(ctx, d.config.SetupTimeout, errSetupTimeout)
	defer cancel()
	command := append([]string(nil), d.config.Setup...)
	if strings.Contains(command[0], "/") && !filepath.IsAbs(command[0]) {
		command[0] = filepath.Join(d.worktree(release), command[0])
	}
	return process.Task{
		Command: command, Dir: d.worktree(release), Stdout: output, Stderr: output,
		Environ: process.Merge(process.Inherit(os.Environ(), d.config.Passthrough...), []string{
			process.VariableRelease + "=" + release, d.mark,
		}),
	}.Run(ctx)
}

// markReady makes sure that after a power cut there is either all of the release or no mark.
func (d *Driver) markReady(r ready) error {
	text, err := json.Marshal(r)
	if err != nil {
		return err
	}
	path := d.marker(r.Release)
	if err := os.WriteFile(path+".new", text, 0o600); err != nil {
		return err
	}
	if err := process.Flush(d.config.Dir); err != nil {
		return err
	}
	if err := os.Rename(path+".new", path); err != nil {
		return err
	}
	dir, err := os.Open(filepath.Dir(path))
	if err != nil {
		return err
	}
	return errors.Join(dir.Sync(), dir.Close())
}

// Collect implements deploy.Driver. It leaves alone what is just being prepared.
func (d *Driver) Collect(ctx context.Context, keep []string) error {
	ctx, done, err := d.begin(ctx)
	if err != nil {
		return err
	}
	defer done()
	kept := make(map[string]bool)
	for _, release := range keep {
		kept[release] = true
	}
	releases, err := d.known()
	failed := []error{err, d.table.Collect(deadLogs)}
	for release := range releases {
		if !kept[release] {
			failed = append(failed, d.collect(release))
		}
	}
	failed = append(failed, emptyTrash(d.path("trash")), d.tidy(ctx))
	if err := errors.Join(failed...); err != nil {
		return fmt.Errorf("collect releases: %w", err)
	}
	return nil
}

func (d *Driver) collect(release string) error {
	free := d.locks.Try(release)
	if free == nil {
		return nil
	}
	defer free()
	if d.runs(release) {
		return nil
	}
	return d.removeRelease(release)
}

// tidy lets git forget the worktrees that are gone, and pack its objects when there are many.
func (d *Driver) tidy(ctx context.Context) error {
	if _, err := os.Stat(d.path(mirror, "HEAD")); err != nil {
		return nil
	}
	free, err := d.locks.Hold(ctx, mirror)
	if err != nil {
		return err
	}
	defer free()
	if _, err = d.git(ctx, nil, "worktree", "prune", "--expire=now"); err != nil {
		return err
	}
	_, err = d.git(ctx, nil, "-c", "gc.auto=6700", "-c", "gc.autoDetach=false", "gc", "--auto", "--quiet")
	return err
}

// known returns the releases of which anything is kept.
func (d *Driver) known() (map[string]bool, error) {
	known := make(map[string]bool)
	var failed []error
	for _, dir := range []string{"worktrees", "setups"} {
		entries, err := os.ReadDir(d.path(dir))
		failed = append(failed, err)
		for _, entry := range entries {
			release, _, _ := strings.Cut(entry.Name(), ".")
			if fullHash(release) {
				known[release] = true
			}
		}
	}
	return known, errors.Join(failed...)
}

func (d *Driver) runs(release string) bool {
	for _, p := range d.table.Running() {
		if p.Release == release {
			return true
		}
	}
	return false
}

// removeRelease removes the mark first and the rest then, so that a release is never taken for whole that is not.
func (d *Driver) removeRelease(release string) error {
	for _, path := range []string{d.marker(release), d.marker(release) + ".new", d.setupLog(release)} {
		if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	trash := d.path("trash", release)
	if err := remove(trash); err != nil {
		return err
	}
	err := os.Rename(d.worktree(release), trash)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return errors.Join(err, remove(trash))
}

func (d *Driver) marker(release string) string   { return d.path("setups", release+".json") }
func (d *Driver) setupLog(release string) string { return d.path("setups", release+".log") }

func emptyTrash(dir string) error {
	entries, err := os.ReadDir(dir)
	failed := []error{err}
	for _, entry := range entries {
		failed = append(failed, remove(filepath.Join(dir, entry.Name())))
	}
	return errors.Join(failed...)
}

// remove removes a tree, directories that nobody may write to included: package caches have them.
func remove(path string) error {
	if os.RemoveAll(path) == nil {
		return nil
	}
	_ = filepath.WalkDir(path, func(path string, entry fs.DirEntry, err error) error {
		if err == nil && entry.IsDir() {
			return os.Chmod(path, 0o700) //nolint:gosec // G302: a directory, about to be removed
		}
		return nil
	})
	return os.RemoveAll(path)
}
