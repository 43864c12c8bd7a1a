package command

import (
	"cmp"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	"github.com/urban-robot/urban-robot/deploy/driver/process"
)

const (
	// outputs is how many files are kept.
	outputs = 50
	// answerLimit is how much of an answer is read.
	answerLimit = 1 << 20
)

var errTimeout = errors.New("its time was over")

// call is one run of one command.
type call struct {
	name    string
	of      string // the release or the instance that it is about
	command []string
	environ []string
	secrets []string
}

// failure is a command that has failed by itself.
type failure struct {
	code     int
	timedOut bool
	output   string
	err      error
}

func (f *failure) Error() string {
	if f.output == "" {
		return f.err.Error()
	}
	return f.err.Error() + ": " + strings.TrimSpace(f.output)
}

func (f *failure) Unwrap() error { return f.err }

// run runs a command and returns what it printed on its standard output. The outputs are files, since what the command leaves
// running may hold on to them and would break on a pipe.
func (d *Driver) run(ctx context.Context, c call) (string, error) {
	if name := c.command[0]; !strings.Contains(name, "/") {
		if _, err := exec.LookPath(name); err != nil {
			return "", err
		}
	}
	dir := filepath.Join(d.config.Dir, "outputs")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return "", err
	}
	stdout, err := nameless(dir)
	if err != nil {
		return "", err
	}
	defer stdout.Close() //nolint:errcheck // it was read, and is gone
	stderr, err := nameless(dir)
	if err != nil {
		return "", err
	}
	defer stderr.Close() //nolint:errcheck // it was read, and is gone
	within, cancel := context.WithTimeoutCause(ctx, d.config.Timeout, errTimeout)
	defer cancel()
	err = process.Task{
		Command: c.command, Dir: d.config.Dir, Stdout: stdout, Stderr: stderr, Keep: true,
		Environ: process.Merge(process.Inherit(os.Environ(), d.config.Passthrough...),
			[]string{"URBAN_ROBOT_FLEET=" + d.config.Fleet}, c.environ, c.secrets),
	}.Run(within)
	answer := read(stdout)
	output := process.NewSecrets(c.secrets).Clean(append(answer, read(stderr)...))
	path := filepath.Join(dir, c.name+"-"+fileName(c.of)+".log")
	kept := errors.Join(os.WriteFile(path, []byte(output), 0o600), forgetOldest(dir))
	if kept != nil {
		d.config.Log.Warn().Err(kept).Str("command", c.name).Msg("the output of a command could not be kept")
	}
	if err == nil || ctx.Err() != nil {
		return string(answer), err
	}
	failed := &failure{code: -1, timedOut: errors.Is(err, errTimeout), output: output, err: err}
	exit, ended := errors.AsType[*exec.ExitError](err)
	if ended {
		failed.code = exit.ExitCode()
	}
	if !ended && !failed.timedOut {
		return "", err // it could not be started
	}
	return string(answer), failed
}

// nameless returns a file that is gone when it is closed: what is printed may hold secrets.
func nameless(dir string) (*os.File, error) {
	file, err := os.CreateTemp(dir, ".output")
	if err != nil {
		return nil, err
	}
	if err := os.Remove(file.Name()); err != nil {
		return nil, errors.Join(err, file.Close())
	}
	return file, nil
}

// read returns the end of a file.
func read(file *os.File) []byte {
	info, err := file.Stat()
	if err != nil {
		return nil
	}
	text, err := io.ReadAll(io.NewSectionReader(file, max(0, info.Size()-answerLimit), answerLimit))
	if err != nil {
		return nil
	}
	return text
}

// fileName makes a name of what may hold anything.
func fileName(of string) string {
	if process.CheckInstance(of) == nil {
		return of
	}
	return fmt.Sprintf("%x", sha256.Sum256([]byte(of)))[:40]
}

// forgetOldest keeps the newest outputs.
func forgetOldest(dir string) error {
	paths, err := filepath.Glob(filepath.Join(dir, "*.log"))
	if err != nil || len(paths) <= outputs {
		return err
	}
	slices.SortFunc(paths, func(a, b string) int {
		left, _ := os.Stat(a)
		right, _ := os.Stat(b)
		if left == nil || right == nil {
			return cmp.Compare(a, b)
		}
		return right.ModTime().Compare(left.ModTime())
	})
	var failed []error
	for _, path := range paths[outputs:] {
		if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
			failed = append(failed, err)
		}
	}
	return errors.Join(failed...)
}
