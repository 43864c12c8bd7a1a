package storetest

import (
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/urban-robot/urban-robot/actors/fleet"
	"github.com/urban-robot/urban-robot/actors/store"
)

func testManyAtOnce(t *testing.T, open Open) {
	s := opened(t, open)
	const fleets, seats, rounds = 3, 4, 12
	var all sync.WaitGroup
	for f := range fleets {
		now := acquired(t, s, fmt.Sprint("fleet ", f))
		for n := range seats {
			all.Go(func() { grantOften(t, now, n, rounds) })
			all.Go(func() { saveOften(t, now, n, rounds) })
		}
	}
	all.Wait()
	for f := range fleets {
		now := acquired(t, s, fmt.Sprint("fleet ", f))
		equal(t, "len(Events())", len(now.events(0, 10_000)), seats*rounds)
		equal(t, "len(Seats)", len(now.stored.Seats), seats)
		for n := range seats {
			equal(t, "Seats[n]", now.stored.Seats[n], seat(n, rounds))
			same(t, now.load(n), cache(n, rounds, fmt.Sprint(rounds)))
		}
	}
}

// grantOften grants a seat again and again, and reads the trail meanwhile.
func grantOften(t *testing.T, s supervisor, number int, rounds uint64) {
	t.Helper()
	for i := range rounds {
		write(t, s, seat(number, i+1), event(fmt.Sprint(number, " ", i)))
		if trail, err := s.store.Events(t.Context(), s.fleet, 0, 1000); err != nil || uint64(len(trail)) <= i {
			t.Errorf("Events() = %d lines, %v, want at least %d", len(trail), err, i+1)
		}
	}
}

// saveOften saves a seat's cache again and again, and reads it back.
func saveOften(t *testing.T, s supervisor, number int, rounds uint64) {
	t.Helper()
	for i := range rounds {
		c := cache(number, i+1, fmt.Sprint(i+1))
		if err := s.store.SaveCache(t.Context(), s.fleet, s.term, c); err != nil {
			t.Errorf("SaveCache() = %v, want nil", err)
		}
		got, err := s.store.LoadCache(t.Context(), s.fleet, number)
		if err != nil || got.Number != c.Number || string(got.Cache.JSON) != string(c.Cache.JSON) {
			t.Errorf("LoadCache() = number %d, %s, %v, want number %d, %s", got.Number, got.Cache.JSON, err, c.Number, c.Cache.JSON)
		}
	}
}

// race counts who was granted what. It is safe for concurrent use.
type race struct {
	t       *testing.T
	terms   sync.Map
	epochs  sync.Map
	granted atomic.Uint64
}

// testRace lets supervisors take the fleet from one another, through two openings of the same storage: each grants the next
// epoch above what it was given, and no epoch may be granted twice.
func testRace(t *testing.T, open Open) {
	r := race{t: t}
	var all sync.WaitGroup
	for range 2 {
		s := opened(t, open)
		for range 2 {
			all.Go(func() {
				for range 12 {
					r.grant(s)
				}
			})
		}
	}
	all.Wait()
	last := acquired(t, opened(t, open), name)
	if n := r.granted.Load(); n > 0 {
		equal(t, "the epoch at the end", last.stored.Seats[0].Epoch, n)
	}
	last.apply(seat(0, r.granted.Load()+1))
}

func (r *race) grant(s store.Store) {
	r.t.Helper()
	term, stored, err := s.Acquire(r.t.Context(), name)
	if err != nil {
		r.t.Errorf("Acquire() = %v, want nil", err)
	}
	if _, twice := r.terms.LoadOrStore(term, true); twice {
		r.t.Errorf("Acquire() = term %d for the second time", term)
	}
	next := seat(0, 1)
	if len(stored.Seats) > 0 {
		next = seat(0, stored.Seats[0].Epoch+1)
	}
	switch err := s.Apply(r.t.Context(), name, term, []fleet.Record{next}); {
	case errors.Is(err, store.ErrSuperseded):
		return
	case err != nil:
		r.t.Errorf("Apply() = %v, want nil or %v", err, store.ErrSuperseded)
	}
	if _, twice := r.epochs.LoadOrStore(next.Epoch, true); twice {
		r.t.Errorf("epoch %d was granted twice", next.Epoch)
	}
	r.granted.Add(1)
}
