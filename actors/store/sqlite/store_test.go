package sqlite_test

import (
	"path/filepath"
	"testing"

	"github.com/urban-robot/urban-robot/actors/store"
	"github.com/urban-robot/urban-robot/actors/store/sqlite"
	"github.com/urban-robot/urban-robot/actors/store/storetest"
)

func TestStore(t *testing.T) {
	storetest.Run(t, func(t *testing.T) storetest.Open {
		path := filepath.Join(t.TempDir(), "urban-robot.db")
		return func(t *testing.T) store.Store { return opened(t, path) }
	})
}

func opened(t *testing.T, path string) *sqlite.Store {
	t.Helper()
	s, err := sqlite.Open(t.Context(), path)
	if err != nil {
		t.Fatalf("Open(%s) = %v, want nil", path, err)
	}
	return s
}
