package actors

import (
	"context"
	"slices"

	"github.com/asynkron/protoactor-go/actor"

	"github.com/urban-robot/urban-robot/actors/fleet"
)

// trail is the part of the audit trail, and of the clients seen, that is not stored yet. Lines that come with a decision are
// stored with it; lines by themselves promise nothing to anybody and go in batches, outside. In the store they stand in
// their order.
type trail struct {
	lines   []fleet.Record
	batch   *batch // being stored; nil: nothing is
	pausing bool   // the last one could not be stored; the next waits for a retry
}

// batch is a piece of the trail on its way to the store.
type batch struct {
	lines []fleet.Record
	done  chan struct{} // closed when err is known
	err   error
}

// trailLimit is how many lines wait at most for a store that does not work. Then the oldest are dropped, and the log has them.
const trailLimit = 10_000

func (t *trail) add(records []fleet.Record) {
	t.lines = append(t.lines, records...)
	if over := len(t.lines) - trailLimit; over > 0 {
		t.lines = slices.Delete(t.lines, 0, over)
	}
}

// settle ends the batch under way; with wait it waits for that, no longer than for one transaction. Lines that could not be
// stored are kept for the next batch.
func (t *trail) settle(wait bool) error {
	b := t.batch
	if b == nil {
		return nil
	}
	if !wait {
		select {
		case <-b.done:
		default:
			return nil // this one has been settled; the word is of an earlier one
		}
	}
	<-b.done
	t.batch = nil
	if b.err != nil {
		later := t.lines
		t.lines = b.lines
		t.add(later)
	}
	return b.err
}

// saveTrail stores the lines that wait, one batch at a time.
func (a *supervisor) saveTrail(ctx actor.Context) {
	t := &a.trail
	if t.batch != nil || t.pausing || len(t.lines) == 0 {
		return
	}
	b := &batch{lines: t.lines, done: make(chan struct{})}
	t.batch, t.lines = b, nil
	st, name, term := a.store, a.config.Name, a.term
	a.outside.do(ctx.Self(), a.life, storeTimeout, func(within context.Context) any {
		defer close(b.done) // after a panic, too: the lines are gone with the supervisor then
		b.err = st.Apply(within, name, term, b.lines)
		return trailSaved{}
	})
}

// trailSaved goes on with the next batch, or waits until the store works again.
func (a *supervisor) trailSaved(ctx actor.Context) {
	if err := a.trail.settle(false); err != nil {
		a.trail.pausing = true
		a.storeFailed(ctx, "audit trail not stored", err)
		return
	}
	a.saveTrail(ctx)
	a.storeWorks()
}

// flushTrail stores what is left when the supervisor ends, or one life of it. A store that panics may have caused that, and must
// not do so again.
func (a *supervisor) flushTrail() {
	_ = a.trail.settle(true) // what failed is tried once more
	lines := a.trail.lines
	a.trail.lines = nil
	if len(lines) == 0 {
		return
	}
	defer func() {
		if cause := recover(); cause != nil {
			a.log.Error().Str("err", plain(cause)).Int("lines", len(lines)).Msg("audit trail lost")
		}
	}()
	if err := a.apply(lines); err != nil {
		a.log.Error().AnErr("err", err).Int("lines", len(lines)).Msg("audit trail lost")
	}
}
