package storetest

import (
	"fmt"
	"math"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/urban-robot/urban-robot/actors/fleet"
	"github.com/urban-robot/urban-robot/actors/store"
)

func seat(number int, epoch uint64) fleet.SeatRecord {
	return fleet.SeatRecord{
		Seat: number, Epoch: epoch, Instance: fmt.Sprintf("instance-%d", epoch), Release: "1.0.0",
		Since: start().Add(time.Duration(epoch % 1000)), Handled: []string{"1234567890123456789", "2"},
	}
}

func release(name fleet.Release, state fleet.ReleaseState) fleet.ReleaseRecord {
	return fleet.ReleaseRecord{
		Release: name, State: state, Reason: "health_check_failure", Cogs: []string{"modules.utilities"},
		Evidence: `{"ok":false}`, At: start(),
	}
}

func event(detail string) fleet.EventRecord {
	return fleet.EventRecord{
		At: start(), Event: "seat granted", Client: "c1", Release: "1.0.0", Seat: 3, Epoch: 7, From: "vacant", To: "held",
		Reason: "handover", Detail: detail, Warn: true,
	}
}

func testNothing(t *testing.T, open Open) {
	s := opened(t, open)
	_, err := s.LoadCache(t.Context(), name, 0)
	fails(t, "LoadCache", err, store.ErrNotFound)
	events, err := s.Events(t.Context(), name, 0, 10)
	fails(t, "Events", err, nil)
	equal(t, "Events()", len(events), 0)
	fails(t, "Apply", s.Apply(t.Context(), name, 0, nil), store.ErrSuperseded)
	fails(t, "Apply", s.Apply(t.Context(), name, 1, []fleet.Record{seat(0, 1)}), store.ErrSuperseded)
	equal(t, "Stored", acquired(t, s, name).stored, fleet.Stored{})
}

func testRestart(t *testing.T, open Open) {
	s := open(t)
	first := acquired(t, s, name)
	first.apply(
		seat(0, 4), seat(1, 2), release("1.0.0", fleet.ReleaseGood), release("1.0.1", fleet.ReleaseBad),
		fleet.LoginRecord{Hour: start(), Count: 17}, fleet.ClientRecord{Instance: "a", Seen: start()}, event("first"),
	)
	first.save(cache(1, 9, `{"a":1}`))
	before, trail := first.again(), first.events(0, 10)
	closed(t, s)

	second := acquired(t, opened(t, open), name)
	want := fleet.Stored{
		Seats:    []fleet.SeatRecord{seat(0, 4), seat(1, 2)},
		Releases: []fleet.ReleaseRecord{release("1.0.0", fleet.ReleaseGood), release("1.0.1", fleet.ReleaseBad)},
		Logins:   []fleet.LoginRecord{{Hour: start(), Count: 17}},
		Caches:   []fleet.CacheRecord{{Seat: 1, Number: 9, Size: 7, Release: "1.0.0", At: start()}},
	}
	equal(t, "Stored before the restart", before, want)
	equal(t, "Stored after the restart", second.stored, want)
	equal(t, "Events() after the restart", second.events(0, 10), trail)
	if second.term <= first.term {
		t.Errorf("Acquire() after the restart = term %d, want above %d", second.term, first.term)
	}
}

// filled sets every field of a record to something that is not its zero value.
func filled[T any](t *testing.T) (record T) {
	t.Helper()
	v := reflect.ValueOf(&record).Elem()
	for i := range v.NumField() {
		switch f := v.Field(i); f.Interface().(type) {
		case time.Time:
			f.Set(reflect.ValueOf(start().Add(time.Duration(i))))
		case []string:
			f.Set(reflect.ValueOf([]string{"x", "", "ü"}))
		case []time.Time:
			f.Set(reflect.ValueOf([]time.Time{start(), start().Add(time.Duration(i))}))
		case fleet.Attempt:
			f.Set(reflect.ValueOf(filled[fleet.Attempt](t)))
		case fleet.ReleaseState:
			f.Set(reflect.ValueOf(fleet.ReleaseGood))
		case bool:
			f.SetBool(true)
		default:
			switch {
			case f.CanInt():
				f.SetInt(int64(i + 1))
			case f.CanUint():
				f.SetUint(uint64(i + 1))
			case f.Kind() == reflect.String:
				f.SetString(v.Type().Field(i).Name)
			default:
				t.Fatalf("%T has a field of a new type: %s", record, f.Type())
			}
		}
	}
	return record
}

func testEveryField(t *testing.T, open Open) {
	s := acquired(t, opened(t, open), name)
	held, judged, hour, line := filled[fleet.SeatRecord](t), filled[fleet.ReleaseRecord](t), filled[fleet.LoginRecord](t), filled[fleet.EventRecord](t)
	stands, runs := filled[fleet.RolloutRecord](t), filled[fleet.ProcessRecord](t)
	ended := runs
	ended.Instance = "ended"
	s.apply(held, judged, hour, line, filled[fleet.ClientRecord](t), stands, ended)
	runs.Gone = false
	s.apply(runs, ended)
	c := cache(0, 1, "{}")
	c.CacheRecord = filled[fleet.CacheRecord](t)
	s.save(c)
	c.Size = 2
	equal(t, "Stored", s.again(), fleet.Stored{
		Seats: []fleet.SeatRecord{held}, Releases: []fleet.ReleaseRecord{judged}, Logins: []fleet.LoginRecord{hour},
		Rollout: stands, Processes: []fleet.ProcessRecord{runs},
		Caches: []fleet.CacheRecord{c.CacheRecord},
	})
	equal(t, "Events()", s.events(0, 9)[0].EventRecord, line)

	s = acquired(t, s.store, "another")
	s.apply(fleet.SeatRecord{Handled: []string{}}, fleet.ReleaseRecord{State: fleet.ReleaseBad, Cogs: []string{}}, fleet.EventRecord{})
	equal(t, "Stored of empty records", s.again(), fleet.Stored{
		Seats: []fleet.SeatRecord{{}}, Releases: []fleet.ReleaseRecord{{State: fleet.ReleaseBad}},
	})
	equal(t, "Events() of an empty record", s.events(0, 9)[0].EventRecord, fleet.EventRecord{})
}

func testReplaced(t *testing.T, open Open) {
	s := acquired(t, opened(t, open), name)
	s.apply(seat(0, 1), release("r", fleet.ReleaseBad), fleet.LoginRecord{Hour: start(), Count: 1}, filled[fleet.ClientRecord](t))
	vacant := fleet.SeatRecord{Epoch: 1, Since: start()}
	judged := fleet.ReleaseRecord{Release: "r", State: fleet.ReleaseGood, At: start().Add(time.Hour)}
	s.apply(vacant, judged, fleet.LoginRecord{Hour: start(), Count: 2}, filled[fleet.ClientRecord](t))
	equal(t, "Stored", s.again(), fleet.Stored{
		Seats: []fleet.SeatRecord{vacant}, Releases: []fleet.ReleaseRecord{judged}, Logins: []fleet.LoginRecord{{Hour: start(), Count: 2}},
	})
}

func testOrder(t *testing.T, open Open) {
	s := acquired(t, opened(t, open), name)
	s.apply(seat(0, 1), event("a"), seat(0, 2), event("b"), release("r", fleet.ReleaseBad), seat(0, 3), event("c"), release("r", fleet.ReleaseGood))
	stored := s.again()
	equal(t, "Seats", stored.Seats, []fleet.SeatRecord{seat(0, 3)})
	equal(t, "Releases", stored.Releases, []fleet.ReleaseRecord{release("r", fleet.ReleaseGood)})
	var details []string
	for _, e := range s.events(0, 10) {
		details = append(details, e.Detail)
	}
	equal(t, "Events()", details, []string{"a", "b", "c"})
}

func testAtomic(t *testing.T, open Open) {
	s := acquired(t, opened(t, open), name)
	s.apply(seat(0, 5))
	before := s.again()
	s = acquired(t, s.store, name)
	all := []fleet.Record{
		seat(0, 6), seat(1, 1), release("r", fleet.ReleaseGood),
		fleet.LoginRecord{Hour: start(), Count: 1},
		fleet.ClientRecord{Instance: "i"},
		event("x"),
	}
	s.refused(store.ErrStaleEpoch, append(slices.Clone(all), seat(0, 4))...)
	s.refused(store.ErrStaleEpoch, append([]fleet.Record{seat(0, 4)}, all...)...)
	s.refused(store.ErrInvalid, append(slices.Clone(all), fleet.ReleaseRecord{Release: "s"})...)
	s.refused(store.ErrInvalid, append(slices.Clone(all), nil)...)
	equal(t, "Stored", s.again(), before)
	equal(t, "Events()", len(s.events(0, 10)), 0)
}

func testEpochs(t *testing.T, open Open) {
	s := open(t)
	first := acquired(t, s, name)
	first.apply(seat(0, 10), seat(1, 3))
	first.refused(store.ErrStaleEpoch, seat(0, 9))
	first.refused(store.ErrStaleEpoch, seat(0, 11), seat(0, 10))
	first.apply(seat(0, 10), seat(0, 12))
	closed(t, s)

	second := acquired(t, opened(t, open), name)
	second.refused(store.ErrStaleEpoch, seat(0, 11))
	second.apply(seat(1, 4), seat(0, store.MaxNumber))
	second.refused(store.ErrStaleEpoch, seat(0, store.MaxNumber-1))
	equal(t, "Seats", second.again().Seats, []fleet.SeatRecord{seat(0, store.MaxNumber), seat(1, 4)})
}

func testInvalid(t *testing.T, open Open) {
	s := acquired(t, opened(t, open), name)
	late := time.Date(9999, 1, 1, 0, 0, 0, 0, time.UTC)
	for _, r := range []fleet.Record{
		nil, seat(0, store.MaxNumber+1), seat(0, math.MaxUint64),
		fleet.SeatRecord{Since: late},
		fleet.ReleaseRecord{Release: "r"},
		fleet.ReleaseRecord{Release: "r", State: 77},
		fleet.ReleaseRecord{State: fleet.ReleaseGood, At: late},
		fleet.LoginRecord{Hour: late},
		fleet.ClientRecord{Seen: late},
		fleet.EventRecord{At: late},
		fleet.EventRecord{Epoch: math.MaxUint64},
	} {
		s.refused(store.ErrInvalid, r)
	}
	c := cache(0, store.MaxNumber+1, "{}")
	fails(t, "SaveCache", s.store.SaveCache(t.Context(), name, s.term, c), store.ErrInvalid)
	c.Number, c.At = 1, late
	fails(t, "SaveCache", s.store.SaveCache(t.Context(), name, s.term, c), store.ErrInvalid)
	equal(t, "Stored", s.again(), fleet.Stored{})
	equal(t, "Events()", len(s.events(0, 10)), 0)
}

// texts are what a careless database changes, cuts off, or takes for something else.
func texts() []string {
	return []string{
		"", " ", "a ", "A", "a", "ä", "a\u0308", "日本語", "🤖", "\u202e", "a\x00b", "\x00", "'; DROP TABLE seats; --", `"`, "%", "_", "?1",
		"null", "[]", "1e3", "01", "1", "1.0", "9007199254740993", "\n\r\t", "\ufffd", "\U0010ffff", "/../..", strings.Repeat("x", 100_000),
	}
}

func testTexts(t *testing.T, open Open) {
	s := acquired(t, opened(t, open), name)
	var records []fleet.Record
	var want []fleet.ReleaseRecord
	for i, text := range texts() {
		held := fleet.SeatRecord{Seat: i, Instance: text, Release: fleet.Release(text), Handled: []string{text, text}}
		judged := fleet.ReleaseRecord{Release: fleet.Release(text), State: fleet.ReleaseGood, Reason: text, Cogs: []string{text}, Evidence: text}
		records = append(records, held, judged, event(text), fleet.ClientRecord{Instance: text, Release: held.Release, Library: text, Host: text})
		want = append(want, judged)
	}
	s.apply(records...)
	stored := s.again()
	equal(t, "Releases", stored.Releases, sorted(fleet.Stored{Releases: want}).Releases)
	events := s.events(0, len(records))
	for i, text := range texts() {
		equal(t, "Seats[i].Instance", stored.Seats[i].Instance, text)
		equal(t, "Seats[i].Handled", stored.Seats[i].Handled, []string{text, text})
		equal(t, "Events()[i].Detail", events[i].Detail, text)
	}
}

func testTimes(t *testing.T, open Open) {
	s := acquired(t, opened(t, open), name)
	zone := time.FixedZone("far away", -11*3600-1800)
	times := []time.Time{
		{},
		time.Unix(0, 0), time.Unix(0, -1), time.Now(), time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC),
		time.Date(2026, 7, 8, 9, 10, 11, 123456789, zone), time.Date(1700, 1, 1, 0, 0, 0, 1, time.UTC), time.Date(2261, 12, 31, 0, 0, 0, 0, time.UTC),
	}
	var want []time.Time
	for i, at := range times {
		s.apply(fleet.SeatRecord{Seat: i, Since: at})
		want = append(want, at.Round(0).UTC())
	}
	for i, r := range s.again().Seats {
		equal(t, "Seats[i].Since", r.Since, want[i])
	}
}

func testLogins(t *testing.T, open Open) {
	s := acquired(t, opened(t, open), name)
	first := time.Now().Truncate(time.Hour).Add(-59 * time.Hour)
	for h := range 60 {
		s.apply(fleet.LoginRecord{Hour: first.Add(time.Duration(h) * time.Hour), Count: h})
	}
	s.apply(fleet.LoginRecord{Hour: first.AddDate(200, 0, 0), Count: 1}) // a clock that was wrong for a moment
	kept := map[int]bool{}
	for _, r := range s.again().Logins {
		kept[r.Count] = true
	}
	for h := 59 - 24; h < 60; h++ { // an hour counts until 24 h after its end
		if !kept[h] {
			t.Errorf("the count of %d hours ago is forgotten, want it kept", 59-h)
		}
	}
}
