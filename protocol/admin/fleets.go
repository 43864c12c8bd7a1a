package admin

import (
	"context"
	"errors"
)

var (
	// ErrNotFound means that there is no fleet of that name.
	ErrNotFound = errors.New("no such fleet")
	// ErrUnavailable means that the fleet cannot answer now, and nothing was done: try again.
	ErrUnavailable = errors.New("not available now")
)

// Fleets is what the API looks at and acts on. It is safe for concurrent use. A method answers within its context, with
// ErrNotFound, ErrUnavailable, or an error of its own, which is logged and shown to nobody.
//
// Deploy, Rollback and TryAgain are back as soon as what they were asked for is stored, or refused: the attempt itself takes
// minutes and is seen in Status. To be refused is an Outcome, not an error. who is for the audit trail. Each may be called again
// after an error: what is asked for already is unchanged.
type Fleets interface {
	// Names lists the fleets; it does not change while the service runs.
	Names() []string
	// Status says what a fleet wants, runs and tries.
	Status(ctx context.Context, fleet string) (Fleet, error)
	// Versions lists the releases of a fleet, newest first.
	Versions(ctx context.Context, fleet string) ([]Version, error)
	// Deploy begins an attempt to put a release into service: a branch, a tag, a commit, whatever the fleet's driver understands.
	Deploy(ctx context.Context, fleet, reference, who string) (Outcome, error)
	// Rollback goes back to a release; an empty one is the last known good.
	Rollback(ctx context.Context, fleet, release, who string) (Outcome, error)
	// TryAgain lifts a halt and the refusal of the release that failed last.
	TryAgain(ctx context.Context, fleet, who string) (Outcome, error)
}

// Trail is the stored audit trail. It is safe for concurrent use.
type Trail interface {
	// Events returns at most limit lines of a fleet with an ID above after, oldest first. IDs grow with every line of all fleets.
	// The field Fleet need not be set.
	Events(ctx context.Context, fleet string, after uint64, limit int) ([]Event, error)
}
