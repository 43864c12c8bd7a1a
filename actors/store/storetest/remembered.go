package storetest

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/urban-robot/urban-robot/actors/fleet"
	"github.com/urban-robot/urban-robot/actors/store"
)

// disk is what stays when a Memory is closed.
type disk struct {
	mutex  sync.Mutex
	fleets map[string]*remembered
	lastID uint64
	faults faults
}

// remembered is all that is stored of a fleet.
type remembered struct {
	term     store.Term
	seats    map[int]fleet.SeatRecord
	releases map[fleet.Release]fleet.ReleaseRecord
	rollout  fleet.RolloutRecord
	running  map[string]fleet.ProcessRecord
	logins   map[time.Time]fleet.LoginRecord
	clients  map[string]fleet.ClientRecord
	caches   map[int]store.Cache
	events   []store.Event
}

func newRemembered() *remembered {
	return &remembered{
		seats:    map[int]fleet.SeatRecord{},
		releases: map[fleet.Release]fleet.ReleaseRecord{},
		running:  map[string]fleet.ProcessRecord{},
		logins:   map[time.Time]fleet.LoginRecord{},
		clients:  map[string]fleet.ClientRecord{},
		caches:   map[int]store.Cache{},
	}
}

// held returns the fleet if the term is the newest.
func (d *disk) held(name string, term store.Term) (*remembered, error) {
	r := d.fleets[name]
	if r == nil || r.term != term {
		return nil, fmt.Errorf("term %d: %w", term, store.ErrSuperseded)
	}
	return r, nil
}

// apply stores a record that store.Check and checkEpochs have passed.
func (d *disk) apply(r *remembered, record fleet.Record) {
	switch record := record.(type) {
	case fleet.SeatRecord:
		record.Since, record.Handled = stamp(record.Since), list(record.Handled)
		r.seats[record.Seat] = record
	case fleet.ReleaseRecord:
		record.At, record.Cogs = stamp(record.At), list(record.Cogs)
		r.releases[record.Release] = record
	case fleet.RolloutRecord:
		r.rollout = rollout(record)
	case fleet.ProcessRecord:
		record.At = stamp(record.At)
		r.running[record.Instance] = record
		if record.Gone {
			delete(r.running, record.Instance)
		}
	case fleet.LoginRecord:
		record.Hour = stamp(record.Hour)
		r.logins[record.Hour] = record
		before := store.Expiry(record.Hour, store.LoginRetention)
		maps.DeleteFunc(r.logins, func(hour time.Time, _ fleet.LoginRecord) bool { return hour.Before(before) })
	case fleet.ClientRecord:
		record.Seen = stamp(record.Seen)
		r.clients[record.Instance] = record
	case fleet.EventRecord:
		record.At = stamp(record.At)
		d.lastID++
		r.events = append(r.events, store.Event{ID: d.lastID, EventRecord: record})
	default:
		panic(fmt.Sprintf("%T passed the check and is no record", record))
	}
}

// checkEpochs says whether the records, one after the other, would let an epoch go back.
func (r *remembered) checkEpochs(records []fleet.Record) error {
	epochs := map[int]uint64{}
	for _, record := range records {
		s, ok := record.(fleet.SeatRecord)
		if !ok {
			continue
		}
		newest := max(r.seats[s.Seat].Epoch, epochs[s.Seat])
		if s.Epoch < newest {
			return fmt.Errorf("epoch %d for seat %d: %w", s.Epoch, s.Seat, store.ErrStaleEpoch)
		}
		epochs[s.Seat] = s.Epoch
	}
	return nil
}

// stored returns copies, in any order.
func (r *remembered) stored() fleet.Stored {
	s := fleet.Stored{
		Seats:     slices.Collect(maps.Values(r.seats)),
		Releases:  slices.Collect(maps.Values(r.releases)),
		Rollout:   rollout(r.rollout),
		Processes: slices.Collect(maps.Values(r.running)),
		Logins:    slices.Collect(maps.Values(r.logins)),
	}
	slices.SortFunc(s.Processes, func(a, b fleet.ProcessRecord) int { return cmp.Compare(a.Number, b.Number) })
	slices.SortFunc(s.Seats, func(a, b fleet.SeatRecord) int { return a.Seat - b.Seat })
	slices.SortFunc(s.Logins, func(a, b fleet.LoginRecord) int { return a.Hour.Compare(b.Hour) })
	for i := range s.Seats {
		s.Seats[i].Handled = list(s.Seats[i].Handled)
	}
	for i := range s.Releases {
		s.Releases[i].Cogs = list(s.Releases[i].Cogs)
	}
	for _, seat := range slices.Sorted(maps.Keys(r.caches)) {
		s.Caches = append(s.Caches, r.caches[seat].CacheRecord)
	}
	return s
}

// stamp is a time as it comes back from a store.
func stamp(at time.Time) time.Time { return at.Round(0).UTC() }

// rollout is a copy of a record as it comes back from a store.
func rollout(r fleet.RolloutRecord) fleet.RolloutRecord {
	stamps := func(times []time.Time) []time.Time {
		if len(times) == 0 {
			return nil
		}
		out := make([]time.Time, len(times))
		for i, at := range times {
			out[i] = stamp(at)
		}
		return out
	}
	r.Reverts, r.Restarts = stamps(r.Reverts), stamps(r.Restarts)
	r.AttemptBy, r.NotBefore, r.Attempt.At, r.Last.At = stamp(r.AttemptBy), stamp(r.NotBefore), stamp(r.Attempt.At), stamp(r.Last.At)
	return r
}

// list is a copy of a list as it comes back from a store.
func list(texts []string) []string {
	if len(texts) == 0 {
		return nil
	}
	return slices.Clone(texts)
}
