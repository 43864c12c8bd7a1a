package sqlite

import (
	"context"
	"crypto/sha256"
	"database/sql"
	badconn "database/sql/driver"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/urban-robot/urban-robot/actors/fleet"
	"github.com/urban-robot/urban-robot/actors/store"
	"github.com/urban-robot/urban-robot/protocol"
)

// released are the migrations that somebody's database may have been through. To this list lines are added, never changed.
var released = []string{
	"1ce61c314137fb340d1e72cfbdda53834c619de26c890c7ceef7f090be739414",
	"1d11e8fe310bf1673648f8eb728af38131386e54fd05ad8d566fcc62df09333a",
}

func TestReleasedMigrationsAreNeverEdited(t *testing.T) {
	steps, err := steps()
	if err != nil || len(steps) != len(released) {
		t.Fatalf("steps() = %d, %v, want %d: add the new one's checksum", len(steps), err, len(released))
	}
	for i, step := range steps {
		if sum := fmt.Sprintf("%x", sha256.Sum256([]byte(step))); sum != released[i] {
			t.Errorf("migration %d has checksum %s, want %s: write a new migration instead", i+1, sum, released[i])
		}
	}
}

// fresh returns an open store, its path, and a term of the fleet helium.
func fresh(t *testing.T) (*Store, string, store.Term) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "urban-robot.db")
	s, err := Open(t.Context(), path)
	if err != nil {
		t.Fatalf("Open(%s) = %v, want nil", path, err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Errorf("Close() = %v, want nil", err)
		}
	})
	term, _, err := s.Acquire(t.Context(), "helium")
	if err != nil {
		t.Fatalf("Acquire() = %v, want nil", err)
	}
	return s, path, term
}

func execute(t *testing.T, db *sql.DB, statement string) {
	t.Helper()
	if _, err := db.ExecContext(t.Context(), statement); err != nil {
		t.Fatalf("%s: %v", statement, err)
	}
}

func number(t *testing.T, db *sql.DB, query string) (n int64) {
	t.Helper()
	if err := db.QueryRowContext(t.Context(), query).Scan(&n); err != nil {
		t.Fatalf("%s: %v", query, err)
	}
	return n
}

func TestOpenRefusesWhatItDoesNotKnow(t *testing.T) {
	for _, c := range []struct{ name, statement, want string }{
		{"a newer version", "PRAGMA user_version = 9", fmt.Sprintf("a newer Urban Robot has written it (version 9 of the tables, known here: up to %d)", len(released))},
		{"another program", "PRAGMA application_id = 7", "another program has written it"},
		{"another program without an ID", "PRAGMA application_id = 0", "another program has written it"},
	} {
		t.Run(c.name, func(t *testing.T) {
			s, path, _ := fresh(t)
			execute(t, s.writer, c.statement)
			again, err := Open(t.Context(), path)
			if err == nil {
				t.Fatal("Open() = nil, want an error", again.Close())
			}
			if !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), path) {
				t.Errorf("Open() = %v, want an error with %q and the path", err, c.want)
			}
		})
	}
}

func TestAMigrationThatFailsChangesNothing(t *testing.T) {
	s, _, _ := fresh(t)
	steps, err := steps()
	if err != nil {
		t.Fatal(err)
	}
	bad := append(steps, "CREATE TABLE half (x); CREATE TABLE terms (x)") //nolint:gocritic // steps is not used again
	if err := s.step(t.Context(), bad); err == nil || !strings.Contains(err.Error(), fmt.Sprintf("migrate to version %d", len(bad))) {
		t.Errorf("step() = %v, want an error that names version %d", err, len(bad))
	}
	if n := number(t, s.writer, "SELECT count(*) FROM sqlite_schema WHERE name = 'half'"); n != 0 {
		t.Error("the first half of the migration is there, want nothing of it")
	}
	if n := number(t, s.writer, "PRAGMA user_version"); n != int64(len(released)) {
		t.Errorf("user_version = %d, want %d", n, len(released))
	}
}

func TestEveryConnectionIsDurable(t *testing.T) {
	s, _, _ := fresh(t)
	for range 2 {
		for pragma, want := range map[string]int64{"synchronous": 2, "foreign_keys": 1, "busy_timeout": 200, "fullfsync": 1} {
			if n := number(t, s.writer, "PRAGMA "+pragma); n != want {
				t.Errorf("%s = %d, want %d", pragma, n, want)
			}
		}
		conn, err := s.writer.Conn(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		_ = conn.Raw(func(any) error { return badconn.ErrBadConn }) // the next one is another one
		_ = conn.Close()
	}
	if n := number(t, s.reader, "PRAGMA query_only"); n != 1 {
		t.Errorf("query_only = %d for a reader, want 1", n)
	}
}

func TestManyOpenAtOnce(t *testing.T) {
	path := filepath.Join(t.TempDir(), "urban-robot.db")
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			s, err := Open(t.Context(), path)
			if err != nil {
				t.Errorf("Open() = %v, want nil", err)
				return
			}
			if _, _, err := s.Acquire(t.Context(), "helium"); err != nil {
				t.Errorf("Acquire() = %v, want nil", err)
			}
			if err := s.Close(); err != nil {
				t.Errorf("Close() = %v, want nil", err)
			}
		})
	}
	all.Wait()
}

func TestALockOfAnotherProcessIsWaitedFor(t *testing.T) {
	s, path, term := fresh(t)
	other, err := connect(path, 1)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = other.Close() }()
	tx, err := other.BeginTx(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	record := []fleet.Record{fleet.SeatRecord{Epoch: 1}}
	if err := s.Apply(ctx, "helium", term, record); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("Apply() = %v, want %v", err, context.DeadlineExceeded)
	}
	if _, err := s.Events(t.Context(), "helium", 0, 1); err != nil {
		t.Errorf("Events() = %v, want nil: readers do not wait", err)
	}
	time.AfterFunc(700*time.Millisecond, func() { _ = tx.Rollback() }) // more than one turn
	if err := s.Apply(t.Context(), "helium", term, record); err != nil {
		t.Errorf("Apply() = %v, want nil", err)
	}
}

func TestAFullDiskStoresNothingAndPasses(t *testing.T) {
	s, _, term := fresh(t)
	pages := number(t, s.writer, "PRAGMA page_count")
	execute(t, s.writer, fmt.Sprintf("PRAGMA max_page_count = %d", pages+20))
	large := fleet.EventRecord{Event: "x", Detail: strings.Repeat("x", 200_000)}
	err := s.Apply(t.Context(), "helium", term, []fleet.Record{fleet.SeatRecord{Epoch: 9}, large})
	if err == nil || !strings.Contains(err.Error(), "full") {
		t.Errorf("Apply() = %v, want that the database is full", err)
	}
	if err := s.Apply(t.Context(), "helium", term, []fleet.Record{fleet.SeatRecord{Epoch: 1}}); err != nil {
		t.Errorf("Apply() = %v after the full disk, want nil and epoch 9 forgotten", err)
	}
}

func TestADamagedCacheIsNotReturned(t *testing.T) {
	s, _, term := fresh(t)
	for _, damage := range []string{
		"UPDATE caches SET data = zeroblob(length(data))", "UPDATE caches SET sum = zeroblob(32)", "UPDATE caches SET data = x''",
		"UPDATE caches SET size = size + 1", "UPDATE caches SET parts = '3,2'", "UPDATE caches SET parts = '-1,6'", "UPDATE caches SET size = 1 << 40",
	} {
		execute(t, s.writer, "DELETE FROM caches")
		c := store.Cache{CacheRecord: fleet.CacheRecord{Number: 1}, Cache: protocol.Cache{JSON: []byte("12"), Attachments: [][]byte{{1, 2, 3}}}}
		if err := s.SaveCache(t.Context(), "helium", term, c); err != nil {
			t.Fatal(err)
		}
		execute(t, s.writer, damage)
		if c, err := s.LoadCache(t.Context(), "helium", 0); !errors.Is(err, store.ErrCorrupt) || c.Number != 0 {
			t.Errorf("LoadCache() = %+v, %v after %s, want %v", c, err, damage, store.ErrCorrupt)
		}
	}
}

func TestTheDatabaseRefusesAnEpochThatGoesBack(t *testing.T) {
	s, _, term := fresh(t)
	if err := s.Apply(t.Context(), "helium", term, []fleet.Record{fleet.SeatRecord{Epoch: 5}}); err != nil {
		t.Fatal(err)
	}
	for _, statement := range []string{"UPDATE seats SET epoch = 4", "UPDATE terms SET term = 0"} {
		if _, err := s.writer.ExecContext(t.Context(), statement); err == nil || !strings.Contains(err.Error(), "never goes back") {
			t.Errorf("%s: %v, want it refused", statement, err)
		}
	}
}

func TestAClientKeepsItsFirstTime(t *testing.T) {
	s, _, term := fresh(t)
	seen := time.Date(2025, 1, 2, 3, 4, 5, 6, time.UTC)
	for i := range 3 {
		r := fleet.ClientRecord{Instance: "i", Release: "1", Library: "discord.py", Host: "h", PID: i, Seat: i, Seen: seen.Add(time.Duration(i))}
		if err := s.Apply(t.Context(), "helium", term, []fleet.Record{r}); err != nil {
			t.Fatal(err)
		}
	}
	for query, want := range map[string]int64{
		"SELECT count(*) FROM clients": 1, "SELECT first FROM clients": seen.UnixNano(), "SELECT seen FROM clients": seen.UnixNano() + 2,
		"SELECT pid + seat FROM clients": 4, "SELECT release || library || host = '1discord.pyh' FROM clients": 1,
	} {
		if n := number(t, s.writer, query); n != want {
			t.Errorf("%s = %d, want %d", query, n, want)
		}
	}
}

func TestWhatIsOldIsForgotten(t *testing.T) {
	s, _, term := fresh(t)
	now := time.Now().Truncate(time.Hour)
	apply := func(n int, at time.Time) {
		t.Helper()
		var records []fleet.Record
		for i := range n {
			records = append(records, fleet.EventRecord{Event: "x", At: at}, fleet.ClientRecord{Instance: fmt.Sprint(at, i), Seen: at})
			if i < 40 {
				records = append(records, fleet.LoginRecord{Hour: at.Add(time.Duration(-i) * time.Hour), Count: 1})
			}
		}
		if err := s.Apply(t.Context(), "helium", term, records); err != nil {
			t.Fatal(err)
		}
	}
	const old = 2 * trimMost
	apply(old, now.Add(-store.Retention-time.Hour))
	apply(trimEvery, now) // not all at once
	if n := number(t, s.writer, "SELECT count(*) FROM events"); n != old+trimEvery-trimMost {
		t.Errorf("%d lines are left, want %d", n, old+trimEvery-trimMost)
	}
	apply(2*trimEvery, now)
	if err := s.Apply(t.Context(), "helium", term, []fleet.Record{fleet.LoginRecord{Hour: now}}); err != nil {
		t.Fatal(err)
	}
	for query, want := range map[string]int64{
		"SELECT count(*) FROM events":       3 * trimEvery,
		"SELECT count(*) FROM clients":      2 * trimEvery, // some were seen again
		"SELECT count(*) <= 26 FROM logins": 1,
	} {
		if n := number(t, s.writer, query); n != want {
			t.Errorf("%s = %d, want %d", query, n, want)
		}
	}
}

func TestOpenWithACancelledContextLeavesNothingOpen(t *testing.T) {
	path := filepath.Join(t.TempDir(), "urban-robot.db")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := Open(ctx, path); !errors.Is(err, context.Canceled) {
		t.Errorf("Open() = %v, want %v", err, context.Canceled)
	}
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		t.Error(err)
	}
}
