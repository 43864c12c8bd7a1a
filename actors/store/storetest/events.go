package storetest

import (
	"fmt"
	"math"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/urban-robot/urban-robot/actors/fleet"
	"github.com/urban-robot/urban-robot/actors/store"
)

func testEvents(t *testing.T, open Open) {
	s := open(t)
	now := acquired(t, s, name)
	other := acquired(t, s, "other")
	const lines = 25
	for i := range lines {
		now.apply(event(strconv.Itoa(i)))
		other.apply(event("of another fleet"))
	}
	closed(t, s)
	now = acquired(t, opened(t, open), name)
	var after uint64
	seen := 0
	for _, want := range []int{10, 10, 5, 0} {
		page := now.events(after, 10)
		equal(t, "len(Events())", len(page), want)
		for _, e := range page {
			equal(t, "Events()[i]", e.EventRecord, event(strconv.Itoa(seen)))
			if e.ID <= after {
				t.Errorf("Events()[i].ID = %d, want above %d", e.ID, after)
			}
			after = e.ID
			seen++
		}
	}
	equal(t, "len(Events(limit 0))", len(now.events(0, 0)), 0)
	equal(t, "len(Events(limit -1))", len(now.events(0, -1)), 0)
	equal(t, "len(Events(limit 1))", len(now.events(0, 1)), 1)
	equal(t, "len(Events(no limit))", len(now.events(0, math.MaxInt)), lines)
	equal(t, "len(Events(after the end))", len(now.events(math.MaxUint64, 10)), 0)
	now.apply(event("last"))
	equal(t, "Events() after all", now.events(after, 10)[0].Detail, "last")
}

func testRetention(t *testing.T, open Open) {
	s := acquired(t, opened(t, open), name)
	const lines = 600
	const margin = time.Hour
	first := time.Now().Add(margin - store.Retention)
	for batch := range 10 {
		var records []fleet.Record
		for i := range lines / 10 {
			line := event("kept")
			line.At = first.Add((store.Retention - 2*margin) * time.Duration(batch*lines/10+i) / lines)
			records = append(records, line)
		}
		s.apply(records...)
	}
	wrong := event("from a clock that was wrong")
	wrong.At = first.AddDate(200, 0, 0)
	var records []fleet.Record
	for range lines {
		records = append(records, wrong)
	}
	s.apply(records...)
	equal(t, "len(Events())", len(s.events(0, 10*lines)), 2*lines)
}

func testFollow(t *testing.T, open Open) {
	s := opened(t, open)
	now, other := acquired(t, s, name), acquired(t, s, "other")
	const writers, lines = 4, 25
	var writing sync.WaitGroup
	for w := range writers {
		writing.Go(func() {
			for i := range lines {
				write(t, now, event(fmt.Sprintf("%d-%d", w, i)))
				write(t, other, event("of another fleet"))
			}
		})
	}
	done := make(chan struct{})
	go func() { writing.Wait(); close(done) }()
	seen := map[string]bool{}
	var after uint64
	for reading := true; reading; {
		select {
		case <-done:
			reading = false // after one more look
		default:
		}
		after = now.follow(after, seen)
	}
	equal(t, "lines seen", len(seen), writers*lines)
}

// follow reads all there is after an ID, and returns the last one.
func (s supervisor) follow(after uint64, seen map[string]bool) uint64 {
	s.t.Helper()
	for page := s.events(after, 7); len(page) > 0; page = s.events(after, 7) {
		for _, e := range page {
			if seen[e.Detail] || e.ID <= after {
				s.t.Errorf("Events() has line %s with ID %d again or out of order", e.Detail, e.ID)
			}
			seen[e.Detail], after = true, e.ID
		}
	}
	return after
}

// write is apply for goroutines other than the test's own.
func write(t *testing.T, s supervisor, records ...fleet.Record) {
	t.Helper()
	if err := s.store.Apply(t.Context(), s.fleet, s.term, records); err != nil {
		t.Errorf("Apply(%q, %d records) = %v, want nil", s.fleet, len(records), err)
	}
}
