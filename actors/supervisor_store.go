package actors

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/asynkron/protoactor-go/actor"

	"github.com/urban-robot/urban-robot/actors/fleet"
	"github.com/urban-robot/urban-robot/actors/store"
	"github.com/urban-robot/urban-robot/protocol"
)

const (
	storeTimeout = 5 * time.Second  // for one bounded transaction
	cacheTimeout = 30 * time.Second // for storing one cache, or loading a fleet with all of them
)

// load reads what is stored, outside.
func (a *supervisor) load(ctx actor.Context) {
	st, name := a.store, a.config.Name
	a.outside.do(ctx.Self(), a.life, cacheTimeout, func(within context.Context) any { return load(within, st, name) })
}

// load acquires a fleet and reads its state and caches.
func load(ctx context.Context, st store.Store, name string) loaded {
	result := loaded{caches: map[int]parcel{}, damaged: map[int]error{}}
	if result.term, result.stored, result.err = st.Acquire(ctx, name); result.err != nil {
		result.err = fmt.Errorf("acquire fleet %s: %w", name, result.err)
		return result
	}
	for _, c := range result.stored.Caches {
		cache, err := st.LoadCache(ctx, name, c.Seat)
		switch {
		case errors.Is(err, store.ErrCorrupt), errors.Is(err, store.ErrNotFound):
			result.damaged[c.Seat] = err
		case err != nil:
			result.err = fmt.Errorf("load cache of fleet %s: %w", name, err)
			return result
		default:
			result.caches[c.Seat] = parcelOf(cache.CacheRecord, cache.Cache)
		}
	}
	return result
}

// loaded begins with what is stored.
func (a *supervisor) loaded(ctx actor.Context, msg loaded) {
	if msg.err != nil {
		a.storeFailed(ctx, "fleet not loaded", msg.err)
		return
	}
	for seat, err := range msg.damaged {
		a.log.Error().AnErr("err", err).Int("seat", seat).Msg("stored cache damaged")
	}
	a.term, a.caches, a.fleet = msg.term, msg.caches, fleet.Restore(a.config.Policy, msg.stored, time.Now())
	if err := a.startDriver(ctx); err != nil {
		panic(err)
	}
	a.log.Info().Uint64("term", uint64(a.term)).Msg("fleet loaded")
	a.resume(ctx)
}

// record stores what must survive before anything else happens; the rest of the audit trail follows in its own time. Each
// line is written to the log, too, once it is certain that it happened, with the process that it is about: next is the fleet as it
// becomes, and instance the process that caused it, or empty.
func (a *supervisor) record(ctx actor.Context, effects []fleet.Effect, next fleet.Fleet, instance string) error {
	var records []fleet.Record
	for _, effect := range effects {
		if s, ok := effect.(fleet.Store); ok {
			records = append(records, s.Records...)
		}
	}
	if mustSurvive(records) {
		_ = a.trail.settle(true) // what failed is tried once more
		if err := a.apply(slices.Concat(a.trail.lines, records)); err != nil {
			return err
		}
		a.trail.lines, a.trail.pausing = nil, false
	} else {
		a.trail.add(records)
		a.saveTrail(ctx)
	}
	for _, r := range records {
		if line, ok := r.(fleet.EventRecord); ok {
			logLine(a.log, line, a.processOf(line, next, instance))
		}
	}
	return nil
}

// processOf is the instance that a line is about, as far as that is known.
func (a *supervisor) processOf(line fleet.EventRecord, next fleet.Fleet, cause string) string {
	if c, ok := next.Client(line.Client); ok {
		return c.Instance
	}
	if c, ok := a.fleet.Client(line.Client); ok {
		return c.Instance
	}
	return cause
}

// mustSurvive reports whether somebody will be told something that rests on these records.
func mustSurvive(records []fleet.Record) bool {
	for _, r := range records {
		switch r.(type) {
		case fleet.SeatRecord, fleet.ReleaseRecord, fleet.RolloutRecord, fleet.ProcessRecord, fleet.LoginRecord:
			return true
		case fleet.ClientRecord, fleet.EventRecord:
		}
	}
	return false
}

func (a *supervisor) apply(records []fleet.Record) error {
	within, cancel := a.outside.within(storeTimeout)
	defer cancel()
	return a.store.Apply(within, a.config.Name, a.term, records)
}

// saveCache stores a cache outside.
func (a *supervisor) saveCache(ctx actor.Context, kept fleet.KeepCache, cache protocol.Cache) {
	st, name, term := a.store, a.config.Name, a.term
	a.outside.do(ctx.Self(), a.life, cacheTimeout, func(within context.Context) any {
		saved := cacheSaved{client: kept.Client, ack: kept.Ack, record: kept.Record}
		saved.err = st.SaveCache(within, name, term, store.Cache{CacheRecord: kept.Record, Cache: cache})
		if saved.err == nil {
			saved.parcel = parcelOf(kept.Record, cache)
		}
		return saved
	})
}

// cacheSaved passes on that a cache is stored, or not.
func (a *supervisor) cacheSaved(ctx actor.Context, msg cacheSaved) {
	switch {
	case errors.Is(msg.err, store.ErrSuperseded):
		a.giveUp(ctx, msg.err)
		return
	case msg.err != nil:
		a.log.Error().AnErr("err", msg.err).Int("seat", msg.record.Seat).Int("bytes", msg.record.Size).Msg("cache not stored")
	}
	a.take(ctx, msg)
}

// keep makes a stored cache the one that is delivered.
func (a *supervisor) keep(msg cacheSaved) {
	if p, ok := a.caches[msg.record.Seat]; msg.err == nil && (!ok || msg.record.Number > p.number) {
		a.caches[msg.record.Seat] = msg.parcel
	}
}

func parcelOf(r fleet.CacheRecord, c protocol.Cache) parcel {
	return newParcel(r.Number, strconv.Itoa(r.Seat)+"-"+strconv.FormatUint(r.Number, 10), c)
}
