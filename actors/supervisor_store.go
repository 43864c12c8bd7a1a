package actors

import (
	"context"
	"errors"
	"strconv"
	"time"

	"github.com/asynkron/protoactor-go/actor"
	"github.com/rs/zerolog"

	"github.com/urban-robot/urban-robot/actors/fleet"
	"github.com/urban-robot/urban-robot/actors/store"
	"github.com/urban-robot/urban-robot/protocol"
)

// trail is the part of the audit trail that is not stored yet. Lines that come with a decision are stored with it; lines by
// themselves promise nothing to anybody and go in batches, outside.
type trail struct {
	lines  []fleet.Record
	saving []fleet.Record // being stored; nil: nothing is
}

// trailLimit is how many lines wait at most for a store that does not work. Then the oldest are dropped, and the log has them.
const trailLimit = 10_000

func (t *trail) add(records []fleet.Record) {
	t.lines = append(t.lines, records...)
	if over := len(t.lines) - trailLimit; over > 0 {
		t.lines = t.lines[over:]
	}
}

// take returns what is not stored yet and forgets it.
func (t *trail) take() []fleet.Record {
	lines := append(t.saving, t.lines...)
	t.lines, t.saving = nil, nil
	return lines
}

// saved ends a batch; one that could not be stored goes with the next.
func (t *trail) saved(err error, log zerolog.Logger) {
	if err != nil {
		log.Error().Err(err).Int("lines", len(t.saving)).Msg("audit trail not stored")
		t.lines = append(t.saving, t.lines...)
	}
	t.saving = nil
}

// record logs and stores. Only what must survive is waited for.
func (a *supervisor) record(ctx actor.Context, records []fleet.Record) error {
	if !mustSurvive(records) {
		a.tellAll(records)
		a.trail.add(records)
		a.saveTrail(ctx)
		return nil
	}
	lines := a.trail.lines
	if err := a.apply(append(lines, records...)); err != nil {
		return err
	}
	a.trail.lines = nil
	a.tellAll(records)
	return nil
}

// mustSurvive reports whether somebody will be told something that rests on these records.
func mustSurvive(records []fleet.Record) bool {
	for _, r := range records {
		switch r.(type) {
		case fleet.SeatRecord, fleet.ReleaseRecord, fleet.LoginRecord:
			return true
		case fleet.ClientRecord, fleet.EventRecord:
		}
	}
	return false
}

func (a *supervisor) apply(records []fleet.Record) error {
	within, cancel := context.WithTimeout(context.Background(), storeTimeout)
	defer cancel()
	return a.store.Apply(within, a.config.Name, a.term, records)
}

// saveTrail stores the lines that wait, one batch at a time.
func (a *supervisor) saveTrail(ctx actor.Context) {
	if a.trail.saving != nil || len(a.trail.lines) == 0 {
		return
	}
	a.trail.saving, a.trail.lines = a.trail.lines, nil
	batch, st, name, term := a.trail.saving, a.store, a.config.Name, a.term
	a.outside.do(ctx.Self(), storeTimeout, func(within context.Context) any {
		err := st.Apply(within, name, term, batch)
		if errors.Is(err, store.ErrSuperseded) {
			err = nil // the next decision finds out
		}
		return trailSaved{err: err}
	})
}

// saveCache stores a cache outside.
func (a *supervisor) saveCache(ctx actor.Context, kept fleet.KeepCache, cache protocol.Cache) {
	st, name, term := a.store, a.config.Name, a.term
	a.outside.do(ctx.Self(), cacheTimeout, func(within context.Context) any {
		err := st.SaveCache(within, name, term, store.Cache{CacheRecord: kept.Record, Cache: cache})
		return cacheSaved{client: kept.Client, ack: kept.Ack, record: kept.Record, cache: cache, err: err}
	})
}

// keep makes a stored cache the one that is delivered.
func (a *supervisor) keep(msg cacheSaved) error {
	if msg.err != nil {
		a.log.Error().Err(msg.err).Int("seat", msg.record.Seat).Int("bytes", msg.record.Size).Msg("cache not stored")
		return msg.err
	}
	if p, ok := a.caches[msg.record.Seat]; !ok || msg.record.Number > p.number {
		a.caches[msg.record.Seat] = a.parcel(msg.record, msg.cache)
	}
	return nil
}

func (a *supervisor) parcel(r fleet.CacheRecord, c protocol.Cache) parcel {
	id := strconv.Itoa(r.Seat) + "-" + strconv.FormatUint(r.Number, 10)
	return newParcel(r.Number, id, c)
}

// storeFailed decides what a failed write means.
func (a *supervisor) storeFailed(ctx actor.Context, err error) {
	switch {
	case errors.Is(err, store.ErrSuperseded):
		a.log.Error().Err(err).Uint64("term", uint64(a.term)).Msg("fleet given up to a newer supervisor")
		a.abandon()
		ctx.Stop(ctx.Self())
	case errors.Is(err, store.ErrInvalid), errors.Is(err, store.ErrStaleEpoch):
		panic(err) // the rules decided what cannot be: begin again from the store
	default:
		a.log.Error().Err(err).Msg("decision not stored")
		a.ready(false)
		a.retryLater(ctx)
	}
}

func (a *supervisor) retryLater(ctx actor.Context) {
	self, root := ctx.Self(), a.outside.root
	time.AfterFunc(retryAfter, func() { root.Send(self, retry{}) })
}

// retry goes on where the store failed.
func (a *supervisor) retry(ctx actor.Context) {
	if !a.loaded {
		a.start(ctx)
		return
	}
	held := a.held
	a.held = nil
	a.perform(ctx, held)
	if a.held != nil {
		return
	}
	a.log.Info().Int("waiting", len(a.waiting)).Msg("store works again")
	a.ready(true)
	a.resume(ctx)
}

// resume handles what came while nothing could be decided.
func (a *supervisor) resume(ctx actor.Context) {
	for len(a.waiting) > 0 && a.held == nil {
		msg := a.waiting[0]
		a.waiting = a.waiting[1:]
		a.handle(ctx, msg)
	}
}

// tellAll writes the audit trail's lines to the log as well: one line for each change.
func (a *supervisor) tellAll(records []fleet.Record) {
	for _, r := range records {
		if line, ok := r.(fleet.EventRecord); ok {
			logLine(a.log, line)
		}
	}
}
