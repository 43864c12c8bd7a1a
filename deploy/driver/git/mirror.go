package git

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/urban-robot/urban-robot/deploy"
	"github.com/urban-robot/urban-robot/deploy/driver/process"
)

const (
	branches = "refs/remotes/origin/"
	tags     = "refs/tags/"
	// messageLimit is how much of a commit's description is reported.
	messageLimit = 200
)

// settings are given to every git, and by git to those that it starts for submodules. What is allowed to the user is not
// allowed to a submodule. A fetch is kept as one pack, which appears whole: of loose objects a killed fetch leaves a commit
// without its files.
var settings = []string{
	"-c", "core.hooksPath=/dev/null", "-c", "core.fsmonitor=false", "-c", "gc.auto=0", "-c", "maintenance.auto=false",
	"-c", "protocol.allow=never", "-c", "protocol.https.allow=always", "-c", "protocol.ssh.allow=always",
	"-c", "protocol.http.allow=user", "-c", "protocol.git.allow=user", "-c", "protocol.file.allow=user",
	"-c", "advice.detachedHead=false", "-c", "fetch.unpackLimit=1",
}

// toGit are the variables of our environment that git needs beside the harmless ones.
var toGit = []string{
	"SSH_AUTH_SOCK", "SSH_AGENT_PID", "GIT_SSH", "GIT_SSH_COMMAND", "GIT_SSH_VARIANT", "GIT_ASKPASS", "SSH_ASKPASS", "SSH_ASKPASS_REQUIRE",
	"GIT_CONFIG_GLOBAL", "GIT_CONFIG_SYSTEM", "GIT_CONFIG_NOSYSTEM", "GIT_SSL_*", "GIT_EXEC_PATH", "GNUPGHOME",
}

// Resolve implements deploy.Driver. A full hash of a commit that is here is not asked for at the repository.
func (d *Driver) Resolve(ctx context.Context, reference string) (deploy.Revision, error) {
	ctx, done, err := d.begin(ctx)
	if err != nil {
		return deploy.Revision{}, err
	}
	defer done()
	names := candidates(reference)
	switch {
	case reference == "":
		names = []string{branches + d.config.Branch}
	case names == nil:
		return deploy.Revision{}, unknown(reference)
	}
	var revision deploy.Revision
	found, err := d.has(ctx, reference)
	if err == nil && !found {
		err = d.fetch(ctx)
	}
	if err == nil {
		revision, err = d.look(ctx, names)
	}
	if err != nil {
		return deploy.Revision{}, fmt.Errorf("resolve %q: %w", reference, err)
	}
	return revision, nil
}

// has says whether a release is in the mirror; nothing but a full hash is.
func (d *Driver) has(ctx context.Context, release string) (bool, error) {
	if _, err := os.Stat(d.path(mirror, "HEAD")); err != nil || !fullHash(release) {
		return false, nil //nolint:nilerr // there is no mirror yet
	}
	_, err := d.commit(ctx, release)
	if errors.Is(err, deploy.ErrUnknownRelease) {
		return false, nil
	}
	return err == nil, err
}

// look describes the commit of the first of the names that is there.
func (d *Driver) look(ctx context.Context, names []string) (deploy.Revision, error) {
	for _, name := range names {
		hash, err := d.commit(ctx, name)
		if errors.Is(err, deploy.ErrUnknownRelease) {
			continue
		}
		if err != nil {
			return deploy.Revision{}, err
		}
		return d.describe(ctx, hash)
	}
	return deploy.Revision{}, deploy.ErrUnknownRelease
}

// commit returns the full hash of the commit that a name stands for.
func (d *Driver) commit(ctx context.Context, name string) (string, error) {
	hash, err := d.git(ctx, nil, "rev-parse", "--verify", "--quiet", "--end-of-options", name+"^{commit}")
	var exit *exec.ExitError
	if errors.As(err, &exit) && exit.ExitCode() == 1 {
		return "", deploy.ErrUnknownRelease
	}
	return strings.TrimSpace(hash), err
}

func (d *Driver) describe(ctx context.Context, hash string) (deploy.Revision, error) {
	text, err := d.git(ctx, nil, "log", "-1", "--no-show-signature", "--no-color", "--encoding=UTF-8", "--format=%ct%n%an%n%s",
		"--end-of-options", hash)
	if err != nil {
		return deploy.Revision{}, err
	}
	fields := append(strings.SplitN(text, "\n", 3), "", "", "")
	revision := deploy.Revision{Release: hash, Author: line(fields[1]), Message: line(fields[2])}
	if seconds, err := strconv.ParseInt(fields[0], 10, 64); err == nil {
		revision.At = time.Unix(seconds, 0).UTC()
	}
	return revision, nil
}

// line returns the first line of a text, not too long.
func line(text string) string {
	text = process.Secrets{}.Clean([]byte(text))
	text, _, _ = strings.Cut(strings.TrimSpace(text), "\n")
	for cut := min(len(text), messageLimit); ; cut-- {
		if cut == len(text) || utf8.RuneStart(text[cut]) {
			return text[:cut]
		}
	}
}

// fetch makes the mirror's branches and tags those of the repository, wherever they have moved.
func (d *Driver) fetch(ctx context.Context) error {
	free, err := d.locks.Hold(ctx, mirror)
	if err != nil {
		return err
	}
	defer free()
	ctx, cancel := context.WithTimeoutCause(ctx, fetchTimeout, fmt.Errorf("fetch did not end within %v", fetchTimeout))
	defer cancel()
	if err := d.makeMirror(ctx); err != nil {
		return err
	}
	// The address is not an argument: it may hold a password.
	address := []string{"GIT_CONFIG_COUNT=1", "GIT_CONFIG_KEY_0=remote.origin.url", "GIT_CONFIG_VALUE_0=" + d.repository}
	_, err = d.git(ctx, address, "fetch", "--quiet", "--prune", "--force", "--no-tags", "--no-recurse-submodules", "--no-write-fetch-head",
		"origin", "+refs/heads/*:"+branches+"*", "+"+tags+"*:"+tags+"*")
	return err
}

func (d *Driver) makeMirror(ctx context.Context) error {
	if _, err := os.Stat(d.path(mirror, "HEAD")); err == nil {
		return nil
	}
	// It gets its name when it is whole.
	unfinished := d.path("trash", mirror)
	if err := remove(unfinished); err != nil {
		return err
	}
	_, err := d.gitIn(ctx, d.config.Dir, nil, "init", "--bare", "--quiet", "--template=", unfinished)
	if err != nil {
		return err
	}
	if err := remove(d.path(mirror)); err != nil {
		return err
	}
	return os.Rename(unfinished, d.path(mirror))
}

// unlockMirror removes the locks of gits that were killed. None is at work.
func (d *Driver) unlockMirror() error {
	objects, worktrees := d.path(mirror, "objects"), d.path(mirror, "worktrees")
	err := filepath.WalkDir(d.path(mirror), func(path string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case path == objects:
			return fs.SkipDir
		case !entry.IsDir() && (strings.HasSuffix(path, ".lock") || filepath.Dir(filepath.Dir(path)) == worktrees && entry.Name() == "locked"):
			return os.Remove(path) //nolint:gosec // G122: git alone writes there
		}
		return nil
	})
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

// git runs git on the mirror and returns what it printed.
func (d *Driver) git(ctx context.Context, environ []string, args ...string) (string, error) {
	return d.gitIn(ctx, d.config.Dir, environ, append([]string{"--git-dir=" + d.path(mirror)}, args...)...)
}

func (d *Driver) gitIn(ctx context.Context, dir string, environ []string, args ...string) (string, error) {
	var stdout bytes.Buffer
	var stderr process.Tail
	err := process.Task{
		Command: append(append([]string{"git"}, settings...), args...),
		Dir:     dir,
		Environ: process.Merge(process.Inherit(os.Environ(), append(toGit, d.config.Passthrough...)...), []string{
			"GIT_TERMINAL_PROMPT=0", "GCM_INTERACTIVE=never", "LC_ALL=C", d.mark,
		}, environ),
		Stdout: &stdout, Stderr: &stderr,
	}.Run(ctx)
	if err != nil {
		// The first argument says where the mirror is, and is not what was attempted.
		what := strings.TrimPrefix(strings.Join(args[:min(2, len(args))], " "), "--git-dir="+d.path(mirror)+" ")
		if text := strings.TrimSpace(stderr.Text(process.Secrets{})); text != "" {
			return "", fmt.Errorf("git %s: %w: %s", what, err, credentials.ReplaceAllString(text, "://[redacted]@"))
		}
		return "", fmt.Errorf("git %s: %w", what, err)
	}
	return stdout.String(), nil
}

// credentials are those in an address.
var credentials = regexp.MustCompile(`://[^/\s]*@`)
