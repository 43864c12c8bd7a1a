package deploy

import (
	"context"
	"errors"
	"fmt"
	"time"
)

var (
	// ErrUnknownRelease means that there is no such branch, tag, commit or release.
	ErrUnknownRelease = errors.New("no such release")
	// ErrNotSupported means that this driver cannot do that: the operator has to.
	ErrNotSupported = errors.New("not supported by this driver")
)

// SetupError means that the release's own setup failed or hung: it is the release's fault, not the driver's.
type SetupError struct {
	Release  string
	TimedOut bool
	Output   string // the end of what it printed, at most 4 KiB, valid UTF-8
	Err      error
}

// Error implements error.
func (e *SetupError) Error() string {
	if e.TimedOut {
		return fmt.Sprintf("setup of release %s did not end in time", e.Release)
	}
	return fmt.Sprintf("setup of release %s: %v", e.Release, e.Err)
}

// Unwrap returns what made it fail.
func (e *SetupError) Unwrap() error { return e.Err }

// Revision is a release as its source knows it.
type Revision struct {
	Release string // the name it is known by from now on: a commit's full SHA
	Message string // the first line of its description, cut to 200 bytes, valid UTF-8; may be empty
	Author  string // who made it; may be empty
	At      time.Time
}

// Launch is what a new process is started with.
type Launch struct {
	Release  string
	Instance string          // its name: letters, digits and -, at most 64, never used before
	Public   []string        // NAME=value, added to its environment; no secrets
	Environ  func() []string // NAME=value, added to its environment. A function, so that it cannot be printed: it holds secrets
}

// Process is a process that a driver started.
type Process struct {
	Instance string
	Release  string
	PID      int       // 0: the driver does not know it
	Started  time.Time // of the process
}

// Exit is the proof of a process's death.
type Exit struct {
	Process
	Code   int    // -1: it is not known, or a signal ended it
	Signal string // the name of the signal that ended it, such as "killed"; empty: none, or not known
	Output string // the end of what it printed, at most 4 KiB, valid UTF-8
}

// Driver puts releases of one fleet into service. It is safe for concurrent use. Every call may be repeated: one that finds its
// work done returns at once. An error that is neither a *SetupError nor ErrUnknownRelease nor ErrNotSupported is the driver's or the
// machine's, and trying again later is reasonable. Errors and outputs never hold a secret of Launch.Environ.
//
// Exits are reported through the function that the driver was made with, once for each process that Start or Running
// returned, from any goroutine, also for those that outlived a restart of this program. That function must not block.
type Driver interface {
	// Resolve says which release a reference stands for now: a branch, a tag, a commit; empty: what the fleet follows.
	Resolve(ctx context.Context, reference string) (Revision, error)
	// Prepare makes a release ready to start, so that Start takes no longer than starting a process. *SetupError, ErrUnknownRelease.
	Prepare(ctx context.Context, release string) error
	// Start starts a process of a prepared release. It returns once the process exists, not once it works.
	Start(ctx context.Context, l Launch) (Process, error)
	// Stop ends a process: first asks, then, after the driver's grace, forces it, with all its children. It returns when the process
	// is dead; one that is dead, or was never there, is fine.
	Stop(ctx context.Context, instance string) error
	// Running returns the processes that run, those that outlived a restart of this program included.
	Running(ctx context.Context) ([]Process, error)
	// Collect removes what is kept of all releases but those given and those that run.
	Collect(ctx context.Context, keep []string) error
}
