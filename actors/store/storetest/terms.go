package storetest

import (
	"context"
	"testing"
	"time"

	"github.com/urban-robot/urban-robot/actors/fleet"
	"github.com/urban-robot/urban-robot/actors/store"
)

func testTerms(t *testing.T, open Open) {
	var last store.Term
	for range 3 {
		s := open(t)
		for range 3 {
			now := acquired(t, s, name)
			if now.term <= last {
				t.Errorf("Acquire() = term %d, want above %d", now.term, last)
			}
			last = now.term
		}
		closed(t, s)
	}
}

func testSuperseded(t *testing.T, open Open) {
	old := acquired(t, opened(t, open), name)
	old.apply(seat(0, 1))
	old.save(cache(0, 1, `"old"`))
	now := acquired(t, opened(t, open), name) // in another process
	for _, term := range []store.Term{old.term, 0, now.term + 1} {
		late := old
		late.term = term
		for _, r := range []fleet.Record{
			seat(0, 2), release("r", fleet.ReleaseGood), fleet.LoginRecord{Hour: start()}, fleet.ClientRecord{Instance: "i"}, event("x"),
		} {
			late.refused(store.ErrSuperseded, r)
		}
		late.refused(store.ErrSuperseded)
		late.refused(store.ErrSuperseded, seat(0, 0)) // and not ErrStaleEpoch: it does not matter any more
		for _, number := range []uint64{1, 2} {
			err := late.store.SaveCache(t.Context(), name, term, cache(0, number, `"late"`))
			fails(t, "SaveCache", err, store.ErrSuperseded)
		}
	}
	now.apply()
	now.apply(seat(0, 2))
	equal(t, "Seats", now.again().Seats, []fleet.SeatRecord{seat(0, 2)})
	equal(t, "Events()", len(now.events(0, 10)), 0)
	equal(t, "LoadCache()", string(old.load(0).Cache.JSON), `"old"`) // who was superseded may still read
}

func testFleets(t *testing.T, open Open) {
	s := opened(t, open)
	a, b := acquired(t, s, "a"), acquired(t, s, "b")
	a.apply(seat(0, 5), release("r", fleet.ReleaseGood), fleet.LoginRecord{Hour: start(), Count: 1}, event("of a"))
	a.save(cache(0, 5, `"of a"`))
	b.apply(seat(0, 1), event("of b"))
	b.save(cache(0, 1, `"of b"`))
	equal(t, "Events() of a", len(a.events(0, 10)), 1)
	equal(t, "Events() of b", b.events(0, 10)[0].Detail, "of b")
	equal(t, "LoadCache() of a", string(a.load(0).Cache.JSON), `"of a"`)
	equal(t, "LoadCache() of b", string(b.load(0).Cache.JSON), `"of b"`)
	stored := b.again()
	equal(t, "Seats of b", stored.Seats, []fleet.SeatRecord{seat(0, 1)})
	equal(t, "Releases and logins of b", len(stored.Releases)+len(stored.Logins), 0)
	equal(t, "Caches of b", stored.Caches[0].Number, 1)
	a.apply() // its term is still the newest
}

func testNames(t *testing.T, open Open) {
	s := opened(t, open)
	for i, odd := range texts() {
		now := acquired(t, s, odd)
		equal(t, "Stored of an odd name", now.stored, fleet.Stored{})
		now.apply(fleet.SeatRecord{Seat: i}, event(odd))
		now.save(cache(i, 1, "1"))
	}
	for i, odd := range texts() {
		now := acquired(t, s, odd)
		equal(t, "Seats of an odd name", now.stored.Seats, []fleet.SeatRecord{{Seat: i}})
		equal(t, "Caches of an odd name", len(now.stored.Caches), 1)
		equal(t, "Events() of an odd name", now.events(0, 10)[0].Detail, odd)
	}
}

func testCancelled(t *testing.T, open Open) {
	s := acquired(t, opened(t, open), name)
	s.apply(seat(0, 1))
	s.save(cache(0, 1, "1"))
	ctx := cancelled(t)
	_, _, err := s.store.Acquire(ctx, name)
	fails(t, "Acquire", err, context.Canceled)
	fails(t, "Apply", s.store.Apply(ctx, name, s.term, []fleet.Record{seat(0, 2)}), context.Canceled)
	fails(t, "SaveCache", s.store.SaveCache(ctx, name, s.term, cache(0, 2, "2")), context.Canceled)
	_, err = s.store.LoadCache(ctx, name, 0)
	fails(t, "LoadCache", err, context.Canceled)
	_, err = s.store.Events(ctx, name, 0, 10)
	fails(t, "Events", err, context.Canceled)
	s.apply(seat(1, 1)) // the term was not used up
	stored := s.again()
	equal(t, "Seats", stored.Seats, []fleet.SeatRecord{seat(0, 1), seat(1, 1)})
	equal(t, "Caches", stored.Caches[0].Number, 1)
}

func testCancelledInTheMiddle(t *testing.T, open Open) {
	s := acquired(t, opened(t, open), name)
	var stored uint64
	for i := range 60 {
		ctx, cancel := context.WithTimeout(t.Context(), time.Duration(i)*20*time.Microsecond)
		err := s.store.Apply(ctx, name, s.term, []fleet.Record{seat(0, stored+1), event("x"), event("y")})
		if _, err := s.store.Events(ctx, name, 0, 1000); err != nil {
			fails(t, "Events", err, context.DeadlineExceeded)
		}
		cancel()
		if err == nil {
			stored++
		} else {
			fails(t, "Apply", err, context.DeadlineExceeded)
		}
		equal(t, "len(Events())", len(s.events(0, 1000)), int(2*stored))
	}
	s.apply(seat(0, stored+1))
	equal(t, "Seats", s.again().Seats, []fleet.SeatRecord{seat(0, stored+1)})
}

func testClosed(t *testing.T, open Open) {
	s := open(t)
	now := acquired(t, s, name)
	closed(t, s)
	_, _, err := s.Acquire(t.Context(), name)
	fails(t, "Acquire", err, store.ErrClosed)
	fails(t, "Apply", s.Apply(t.Context(), name, now.term, nil), store.ErrClosed)
	fails(t, "SaveCache", s.SaveCache(t.Context(), name, now.term, cache(0, 1, "1")), store.ErrClosed)
	_, err = s.LoadCache(t.Context(), name, 0)
	fails(t, "LoadCache", err, store.ErrClosed)
	_, err = s.Events(t.Context(), name, 0, 1)
	fails(t, "Events", err, store.ErrClosed)
	closed(t, s)
}
