package git_test

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/urban-robot/urban-robot/deploy"
	"github.com/urban-robot/urban-robot/deploy/driver/git"
)

func (d *driver) resolved(reference string) deploy.Revision {
	d.t.Helper()
	got, err := d.Resolve(d.t.Context(), reference)
	if err != nil {
		d.t.Fatalf("Resolve(%q) = %v, want nil", reference, err)
	}
	return got
}

func TestBranchesMove(t *testing.T) {
	t.Parallel()
	r := newRepository(t)
	first := r.push("first", runs, "true")
	d := newDriver(t, r.dir)
	d.prepare()
	second := r.push("second", runs, "true")
	if got := d.resolved("").Release; got != second {
		t.Errorf("Resolve() = %s, want %s", got, second)
	}
	// A force-push that throws the second commit away.
	r.git("reset", "--quiet", "--hard", first)
	third := r.push("third", runs, "true")
	if got := d.resolved("main").Release; got != third {
		t.Errorf("Resolve() = %s after a force-push, want %s", got, third)
	}
	// What was known stays known, since it may be the way back.
	if got := d.resolved(second).Release; got != second {
		t.Errorf("Resolve(%s) = %s", second, got)
	}
	if err := d.Prepare(t.Context(), second); err != nil {
		t.Errorf("Prepare(%s) = %v, want nil", second, err)
	}
	// A branch becomes a directory of branches, and a tag moves.
	r.git("tag", "v1", first)
	r.git("branch", "x")
	d.resolved("x")
	r.git("branch", "--delete", "x")
	r.git("branch", "x/y", first)
	r.git("tag", "--force", "v1", third)
	if got := d.resolved("x/y").Release; got != first {
		t.Errorf("Resolve(x/y) = %s, want %s", got, first)
	}
	if got := d.resolved("v1").Release; got != third {
		t.Errorf("Resolve(v1) = %s, want %s", got, third)
	}
	if _, err := d.Resolve(t.Context(), "x"); !errors.Is(err, deploy.ErrUnknownRelease) {
		t.Errorf("Resolve(x) = %v, want %v", err, deploy.ErrUnknownRelease)
	}
}

func TestRevisionIsDescribed(t *testing.T) {
	t.Parallel()
	r := newRepository(t)
	release := r.push("[DEPLOY] ä\x1b[31m "+strings.Repeat("ü", 150)+"\n\nbody", runs, "true")
	got := newDriver(t, r.dir).resolved("")
	if got.Release != release || got.Author != "A. Author" || !strings.HasPrefix(got.Message, "[DEPLOY] ä[31m ü") || len(got.Message) > 200 {
		t.Errorf("Resolve() = %+v", got)
	}
	if since := time.Since(got.At); since < 0 || since > time.Hour {
		t.Errorf("Resolve() says that it was made %v ago", since)
	}
}

func TestRepositoryIsGone(t *testing.T) {
	t.Parallel()
	r := newRepository(t)
	release := r.push("first", runs, "true")
	d := newDriver(t, r.dir)
	d.prepare()
	if err := os.Rename(r.dir, r.dir+".away"); err != nil {
		t.Fatal(err)
	}
	if got, err := d.Resolve(t.Context(), ""); err == nil || errors.Is(err, deploy.ErrUnknownRelease) {
		t.Errorf("Resolve() = %+v, %v, want the machine's error", got, err)
	}
	if got := d.resolved(release).Release; got != release {
		t.Errorf("Resolve(%s) = %s: what is here needs no repository", release, got)
	}
	d.launch(release)
	if err := os.Rename(r.dir+".away", r.dir); err != nil {
		t.Fatal(err)
	}
	d.resolved("")
}

func TestRepositoryNeverWasThere(t *testing.T) {
	t.Parallel()
	d := newDriver(t, filepath.Join(t.TempDir(), "nowhere"))
	for _, reference := range []string{"", strings.Repeat("a", 40)} {
		if got, err := d.Resolve(t.Context(), reference); err == nil || errors.Is(err, deploy.ErrUnknownRelease) {
			t.Errorf("Resolve(%q) = %+v, %v, want the machine's error", reference, got, err)
		}
	}
}

func TestFetchEndsWithItsContext(t *testing.T) {
	r := newRepository(t)
	r.push("first", runs, "true")
	// An ssh that never answers.
	ssh := filepath.Join(t.TempDir(), "ssh")
	if err := os.WriteFile(ssh, []byte("#!/bin/sh\nexec sleep 1000\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	t.Setenv("GIT_SSH", ssh)
	d := newDriver(t, "git@example.org:bot.git")
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	if _, err := d.Resolve(ctx, ""); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("Resolve() = %v, want %v", err, context.DeadlineExceeded)
	}
}

func TestCredentialsInTheAddressStayOutOfErrors(t *testing.T) {
	t.Parallel()
	d := newDriver(t, "http://user:pass-word-0123456789@127.0.0.1:1/bot.git")
	_, err := d.Resolve(t.Context(), "")
	if err == nil || strings.Contains(err.Error(), "pass-word") {
		t.Errorf("Resolve() = %v, want an error without the password", err)
	}
	d.stop()
	for path, text := range files(t, d.config.Dir) {
		if strings.Contains(text, "pass-word") {
			t.Errorf("%s holds the password", path)
		}
	}
}

// TestReferencesAreNeverTakenForAnythingElse looks for what the injections of the suite would have done.
func TestReferencesAreNeverTakenForAnythingElse(t *testing.T) {
	t.Parallel()
	r := newRepository(t)
	r.push("first", runs, "true")
	d := newDriver(t, r.dir)
	d.prepare()
	for _, reference := range injections {
		if got, err := d.Resolve(t.Context(), reference); !errors.Is(err, deploy.ErrUnknownRelease) {
			t.Errorf("Resolve(%q) = %+v, %v, want %v", reference, got, err, deploy.ErrUnknownRelease)
		}
		if err := d.Prepare(t.Context(), reference); !errors.Is(err, deploy.ErrUnknownRelease) {
			t.Errorf("Prepare(%q) = %v, want %v", reference, err, deploy.ErrUnknownRelease)
		}
		l := deploy.Launch{Release: reference, Instance: "one"}
		if _, err := d.Start(t.Context(), l); !errors.Is(err, deploy.ErrUnknownRelease) {
			t.Errorf("Start(%q) = %v, want %v", reference, err, deploy.ErrUnknownRelease)
		}
	}
	for _, dir := range []string{d.config.Dir, r.dir, "."} {
		for path := range files(t, dir) {
			if strings.Contains(path, "pwned") {
				t.Errorf("%s is there", path)
			}
		}
	}
}

func TestBranchNamedLikeACommitIsNotTakenForIt(t *testing.T) {
	t.Parallel()
	r := newRepository(t)
	first := r.push("first", runs, "true")
	second := r.push("second", runs, "true")
	r.git("update-ref", "refs/heads/"+first, second)
	d := newDriver(t, r.dir)
	for range 2 {
		if got := d.resolved(first).Release; got != first {
			t.Errorf("Resolve(%s) = %s, want the commit", first, got)
		}
	}
}

func TestNothingOfTheRepositoryIsRunByGit(t *testing.T) {
	t.Parallel()
	r := newRepository(t)
	r.push("first", runs, "true")
	hooks := filepath.Join(r.dir, ".git", "hooks")
	if err := os.MkdirAll(hooks, 0o700); err != nil {
		t.Fatal(err)
	}
	for _, hook := range []string{"post-checkout", "post-merge", "reference-transaction", "post-rewrite"} {
		r.write(".git/hooks/"+hook, "#!/bin/sh\ntouch "+filepath.Join(r.dir, "pwned")+"\n")
	}
	d := newDriver(t, r.dir)
	d.prepare()
	// Hooks that somebody has put into the mirror are not run either.
	if err := os.CopyFS(d.path("mirror", "hooks"), os.DirFS(hooks)); err != nil {
		t.Fatal(err)
	}
	r.push("second", runs, "true")
	if err := os.Remove(filepath.Join(r.dir, "pwned")); err != nil {
		t.Fatal(err) // the commit has run them, as it should
	}
	d.prepare()
	if _, err := os.Stat(filepath.Join(r.dir, "pwned")); err == nil {
		t.Error("a hook was run")
	}
}

func TestSubmoduleMayNotBeJustAnything(t *testing.T) {
	t.Parallel()
	r := newRepository(t)
	r.push("first", runs, "true")
	pwned := filepath.Join(t.TempDir(), "pwned")
	for name, address := range map[string]string{"a program": "ext::sh -c touch% " + pwned, "a path": r.dir, "an option": "--upload-pack=touch " + pwned} {
		r.write(".gitmodules", "[submodule \"x\"]\n\tpath = x\n\turl = "+address+"\n")
		r.git("add", ".gitmodules")
		r.git("update-index", "--add", "--cacheinfo", "160000,"+r.git("rev-parse", "HEAD")+",x")
		r.git("commit", "--quiet", "--message", name)
		d := newDriver(t, r.dir)
		release := d.resolved("").Release
		if err := d.Prepare(t.Context(), release); err == nil {
			t.Errorf("Prepare() = nil with %s as a submodule, want an error", name)
		}
	}
	if _, err := os.Stat(pwned); err == nil {
		t.Error("a submodule's address was run")
	}
}

func TestNewRefuses(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(*git.Config){
		"no repository":          func(c *git.Config) { c.Repository = "" },
		"an option":              func(c *git.Config) { c.Repository = "--upload-pack=x" },
		"a program":              func(c *git.Config) { c.Repository = "ext::sh -c x" },
		"a line break":           func(c *git.Config) { c.Repository = "a\nb" },
		"an improper branch":     func(c *git.Config) { c.Branch = "-x" },
		"no directory":           func(c *git.Config) { c.Dir = "" },
		"no command":             func(c *git.Config) { c.Command = nil },
		"an empty setup":         func(c *git.Config) { c.Setup = []string{""} },
		"a negative grace":       func(c *git.Config) { c.Grace = -1 },
		"a negative time":        func(c *git.Config) { c.SetupTimeout = -1 },
		"nobody to tell":         func(c *git.Config) { c.OnExit = nil },
		"a log file of one byte": func(c *git.Config) { c.LogBytes = 1 },
	} {
		config := git.Config{Repository: "https://example.org/bot.git", Dir: t.TempDir(), Command: []string{"x"}, OnExit: func(deploy.Exit) {}}
		if _, err := git.New(config); err != nil {
			t.Fatalf("New() = %v, want nil", err)
		}
		change(&config)
		if _, err := git.New(config); err == nil {
			t.Errorf("New() = nil with %s, want an error", name)
		}
	}
}

// files returns what is in a directory.
func files(t testing.TB, dir string) map[string]string {
	t.Helper()
	texts := make(map[string]string)
	err := filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || !entry.Type().IsRegular() {
			return err
		}
		text, err := os.ReadFile(path)
		texts[path] = string(text)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return texts
}
