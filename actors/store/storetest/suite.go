package storetest

import (
	"context"
	"errors"
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/urban-robot/urban-robot/actors/fleet"
	"github.com/urban-robot/urban-robot/actors/store"
)

// Open opens a storage: again after Close, as a restart does, or while it is open, as a second supervisor does.
type Open func(t *testing.T) store.Store

// Run tests an implementation. Make returns how to open a storage that is empty at first, another one each time.
func Run(t *testing.T, make func(t *testing.T) Open) {
	t.Helper()
	cases := []struct {
		name string
		test func(*testing.T, Open)
	}{
		{"a fleet that was never acquired has nothing", testNothing},
		{"a term is above every earlier one", testTerms},
		{"every write of an earlier supervisor is refused", testSuperseded},
		{"everything comes back after a restart", testRestart},
		{"no field of a record is forgotten", testEveryField},
		{"the record of the same thing is replaced", testReplaced},
		{"a batch is stored in its order", testOrder},
		{"a batch with one bad record stores nothing", testAtomic},
		{"an epoch never goes back", testEpochs},
		{"what no database can hold is refused", testInvalid},
		{"any text comes back as it was", testTexts},
		{"any time comes back as it was, in UTC", testTimes},
		{"logins of the last 25 hours are kept", testLogins},
		{"two fleets do not see each other", testFleets},
		{"odd names are names like any other", testNames},
		{"a cache comes back byte for byte", testCaches},
		{"the cache with the highest number wins", testCacheNumbers},
		{"a cache that is too large is refused", testCacheSizes},
		{"what a store was given may be changed afterwards", testOwnership},
		{"the trail is read in pages", testEvents},
		{"the trail is kept as long as promised", testRetention},
		{"a reader who follows the trail misses no line", testFollow},
		{"many goroutines at once lose nothing", testManyAtOnce},
		{"supervisors that race for a fleet get different terms", testRace},
		{"a cancelled context stores nothing", testCancelled},
		{"a context that ends in the middle stores all or nothing, and it is known which", testCancelledInTheMiddle},
		{"a closed store fails, and closes again", testClosed},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			c.test(t, make(t))
		})
	}
}

const name = "helium"

// start is when the suite's records were made: some time ago, so that nothing in them is in the future.
func start() time.Time { return time.Date(2025, 3, 4, 5, 0, 0, 0, time.UTC) }

// supervisor is a store with a term: what a test writes with.
type supervisor struct {
	t      *testing.T
	store  store.Store
	fleet  string
	term   store.Term
	stored fleet.Stored
}

func opened(t *testing.T, open Open) store.Store {
	t.Helper()
	s := open(t)
	t.Cleanup(func() { closed(t, s) })
	return s
}

func closed(t *testing.T, s store.Store) {
	t.Helper()
	if err := s.Close(); err != nil {
		t.Errorf("Close() = %v, want nil", err)
	}
}

func acquired(t *testing.T, s store.Store, fleet string) supervisor {
	t.Helper()
	term, stored, err := s.Acquire(t.Context(), fleet)
	if err != nil {
		t.Fatalf("Acquire(%q) = %v, want nil", fleet, err)
	}
	return supervisor{t: t, store: s, fleet: fleet, term: term, stored: sorted(stored)}
}

// again returns what a new supervisor of the fleet is given.
func (s supervisor) again() fleet.Stored {
	s.t.Helper()
	return acquired(s.t, s.store, s.fleet).stored
}

func (s supervisor) apply(records ...fleet.Record) {
	s.t.Helper()
	if err := s.store.Apply(s.t.Context(), s.fleet, s.term, records); err != nil {
		s.t.Fatalf("Apply(%q, %d records) = %v, want nil", s.fleet, len(records), err)
	}
}

func (s supervisor) refused(want error, records ...fleet.Record) {
	s.t.Helper()
	fails(s.t, "Apply", s.store.Apply(s.t.Context(), s.fleet, s.term, records), want)
}

func (s supervisor) save(c store.Cache) {
	s.t.Helper()
	if err := s.store.SaveCache(s.t.Context(), s.fleet, s.term, c); err != nil {
		s.t.Fatalf("SaveCache(%q, number %d) = %v, want nil", s.fleet, c.Number, err)
	}
}

func (s supervisor) load(seat int) store.Cache {
	s.t.Helper()
	c, err := s.store.LoadCache(s.t.Context(), s.fleet, seat)
	if err != nil {
		s.t.Fatalf("LoadCache(%q, %d) = %v, want nil", s.fleet, seat, err)
	}
	return c
}

func (s supervisor) events(after uint64, limit int) []store.Event {
	s.t.Helper()
	events, err := s.store.Events(s.t.Context(), s.fleet, after, limit)
	if err != nil {
		s.t.Fatalf("Events(%q, %d, %d) = %v, want nil", s.fleet, after, limit, err)
	}
	return events
}

func fails(t *testing.T, what string, err, want error) {
	t.Helper()
	if !errors.Is(err, want) {
		t.Errorf("%s() = %v, want %v", what, err, want)
	}
}

func equal[T any](t *testing.T, what string, got, want T) {
	t.Helper()
	if !reflect.DeepEqual(got, want) {
		t.Errorf("%s = %+v, want %+v", what, got, want)
	}
}

// sorted puts in order what comes in any.
func sorted(s fleet.Stored) fleet.Stored {
	slices.SortFunc(s.Seats, func(a, b fleet.SeatRecord) int { return a.Seat - b.Seat })
	slices.SortFunc(s.Releases, func(a, b fleet.ReleaseRecord) int {
		if a.Release < b.Release {
			return -1
		}
		return 1
	})
	slices.SortFunc(s.Logins, func(a, b fleet.LoginRecord) int { return a.Hour.Compare(b.Hour) })
	slices.SortFunc(s.Caches, func(a, b fleet.CacheRecord) int { return a.Seat - b.Seat })
	return s
}

func cancelled(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	return ctx
}
