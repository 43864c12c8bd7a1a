package sqlite_test

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/urban-robot/urban-robot/actors/fleet"
	"github.com/urban-robot/urban-robot/actors/store"
	"github.com/urban-robot/urban-robot/actors/store/sqlite"
)

func TestOpenSaysWhatToWriteInstead(t *testing.T) {
	dir := t.TempDir()
	text := filepath.Join(dir, "notes.txt")
	if err := os.WriteFile(text, []byte(strings.Repeat("this is no database\n", 100)), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ name, path, want string }{
		{"the directory is missing", filepath.Join(dir, "missing", "x.db"), "there is no directory " + filepath.Join(dir, "missing") + ": create it, or write state: sqlite:./x.db"},
		{"the directory is a file", filepath.Join(text, "x.db"), "there is no directory " + text},
		{"the path is a directory", dir, "is not a file: write state: sqlite:" + dir + "/urban-robot.db"},
		{"the file is something else", text, "it is no SQLite database: write another path"},
		{"the path is empty", "", "is empty: write state: sqlite:./urban-robot.db"},
	} {
		t.Run(c.name, func(t *testing.T) {
			s, err := sqlite.Open(t.Context(), c.path)
			if err == nil {
				shut(t, s)
			}
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("Open(%q) = %v, want an error with %q", c.path, err, c.want)
			}
		})
	}
	if b, err := os.ReadFile(text); err != nil || len(b) != 2000 {
		t.Errorf("the file that is something else has %d bytes, %v, want it untouched", len(b), err)
	}
}

func TestOpenTakesOddPaths(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"a b.db", "what?.db", "100%.db", "a#b.db", "a&b=c;d.db", "ü.db", "file:x.db", "'quoted\".db", "?", "%41.db"} {
		path := filepath.Join(dir, name)
		shut(t, opened(t, path))
		if _, err := os.Stat(path); err != nil {
			t.Errorf("Open(%q) made another file: %v", path, err)
		}
		if err := os.Remove(path); err != nil {
			t.Fatal(err)
		}
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) > 0 {
		t.Errorf("ReadDir() = %v, %v, want nothing left", left, err)
	}
	t.Chdir(dir)
	shut(t, opened(t, "./relative.db"))
	if _, err := os.Stat(filepath.Join(dir, "relative.db")); err != nil {
		t.Errorf("Open(./relative.db) made another file: %v", err)
	}
}

func TestOnlyTheOwnerCanReadTheFiles(t *testing.T) {
	path := filepath.Join(t.TempDir(), "urban-robot.db")
	shut(t, opened(t, path))
	if err := os.Chmod(path, 0o644); err != nil { // as somebody restores it
		t.Fatal(err)
	}
	s := opened(t, path)
	defer shut(t, s)
	term, _, err := s.Acquire(t.Context(), "helium")
	if err != nil {
		t.Fatal(err)
	}
	if err := s.SaveCache(t.Context(), "helium", term, numbered(1)); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{path, path + "-wal", path + "-shm"} {
		info, err := os.Stat(name)
		if err != nil {
			t.Fatal(err)
		}
		if mode := info.Mode(); mode != fs.FileMode(0o600) {
			t.Errorf("%s has mode %v, want %v", filepath.Base(name), mode, fs.FileMode(0o600))
		}
	}
}

func TestMemoryIsGoneWhenClosed(t *testing.T) {
	s := opened(t, sqlite.Memory)
	term, _, err := s.Acquire(t.Context(), "helium")
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Apply(t.Context(), "helium", term, []fleet.Record{fleet.SeatRecord{Epoch: 1}}); err != nil {
		t.Fatal(err)
	}
	// A context that ends in the middle must not cost the connection, and with it the database.
	for range 200 {
		ctx, cancel := context.WithCancel(t.Context())
		go cancel()
		err := s.Apply(ctx, "helium", term, []fleet.Record{fleet.SeatRecord{Epoch: 1}, fleet.SeatRecord{Epoch: 1}})
		if err != nil && !errors.Is(err, context.Canceled) {
			t.Fatalf("Apply() = %v, want nil or %v", err, context.Canceled)
		}
		if _, err := s.Events(ctx, "helium", 0, 10); err != nil && !errors.Is(err, context.Canceled) {
			t.Fatalf("Events() = %v, want nil or %v", err, context.Canceled)
		}
	}
	if err := s.Apply(t.Context(), "helium", term, []fleet.Record{fleet.SeatRecord{Epoch: 0}}); !errors.Is(err, store.ErrStaleEpoch) {
		t.Errorf("Apply() = %v, want %v", err, store.ErrStaleEpoch)
	}
	shut(t, s)
	s = opened(t, sqlite.Memory)
	defer shut(t, s)
	if again, stored, err := s.Acquire(t.Context(), "helium"); again != 1 || len(stored.Seats) > 0 || err != nil {
		t.Errorf("Acquire() = term %d, %d seats, %v, want term 1 and nothing", again, len(stored.Seats), err)
	}
}

func TestMemoryHasOneConnectionForAll(t *testing.T) {
	s := opened(t, sqlite.Memory)
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			for range 10 {
				if _, _, err := s.Acquire(t.Context(), "helium"); err != nil {
					t.Errorf("Acquire() = %v, want nil", err)
				}
				if _, err := s.LoadCache(t.Context(), "helium", 0); !errors.Is(err, store.ErrNotFound) {
					t.Errorf("LoadCache() = %v, want %v", err, store.ErrNotFound)
				}
			}
		})
	}
	all.Wait()
	if term, _, err := s.Acquire(t.Context(), "helium"); term != 81 || err != nil {
		t.Errorf("Acquire() = term %d, %v, want 81", term, err)
	}
	shut(t, s)
}
