package none

import (
	"context"
	"fmt"
	"strings"
	"unicode"

	"github.com/urban-robot/urban-robot/deploy"
)

// releaseLimit is the longest name of a release, in bytes.
const releaseLimit = 200

// Driver implements deploy.Driver. The zero Driver is ready.
type Driver struct{}

// New returns a driver that observes.
func New() *Driver { return &Driver{} }

// Resolve implements deploy.Driver: a reference is the release. What the fleet follows is not known here.
func (*Driver) Resolve(ctx context.Context, reference string) (deploy.Revision, error) {
	if err := context.Cause(ctx); err != nil {
		return deploy.Revision{}, err
	}
	if reference == "" {
		return deploy.Revision{}, fmt.Errorf("say what the fleet follows: %w", deploy.ErrNotSupported)
	}
	unfit := func(r rune) bool { return r == unicode.ReplacementChar || !unicode.IsPrint(r) }
	if len(reference) > releaseLimit || strings.ContainsFunc(reference, unfit) {
		return deploy.Revision{}, fmt.Errorf("%.100q: %w", reference, deploy.ErrUnknownRelease)
	}
	return deploy.Revision{Release: reference}, nil
}

// Prepare implements deploy.Driver.
func (*Driver) Prepare(context.Context, string) error { return deploy.ErrNotSupported }

// Start implements deploy.Driver.
func (*Driver) Start(context.Context, deploy.Launch) (deploy.Process, error) {
	return deploy.Process{}, deploy.ErrNotSupported
}

// Stop implements deploy.Driver.
func (*Driver) Stop(context.Context, string) error { return deploy.ErrNotSupported }

// Running implements deploy.Driver: nothing that was started here runs.
func (*Driver) Running(ctx context.Context) ([]deploy.Process, error) {
	return nil, context.Cause(ctx)
}

// Collect implements deploy.Driver: nothing is kept here.
func (*Driver) Collect(ctx context.Context, _ []string) error { return context.Cause(ctx) }
