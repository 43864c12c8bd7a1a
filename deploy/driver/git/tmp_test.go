package git_test

import (
	"errors"
	"testing"

	"github.com/urban-robot/urban-robot/deploy"
)

func setupError(t testing.TB, err error) *deploy.SetupError {
	t.Helper()
	setup, ok := errors.AsType[*deploy.SetupError](err)
	if !ok {
		t.Fatalf("Prepare() = %v, want a *SetupError", err)
	}
	return setup
}
