package sqlite

import (
	"context"
	"time"

	"github.com/urban-robot/urban-robot/actors/store"
)

const (
	// trimEvery is after how many lines of the trail old ones are looked for.
	trimEvery = 256
	// trimMost is how many rows of a table go at once: more than come in between, so that it ends, and few enough to be quick.
	trimMost = 1024
)

// trimNowAndThen forgets old lines of the trail, and clients that nobody has seen since, if the ID says that it is time. It does
// so for all fleets: one of them may never get an ID that is due.
func (b *batch) trimNowAndThen(ctx context.Context, id int64, at time.Time) error {
	if id%trimEvery != 0 || at.IsZero() {
		return nil
	}
	before := stamp(store.Expiry(at, store.Retention))
	_, err := b.exec(ctx, `DELETE FROM events WHERE id IN
		(SELECT id FROM events WHERE at < ? ORDER BY at LIMIT ?)`, before, trimMost)
	if err != nil {
		return err
	}
	_, err = b.exec(ctx, `DELETE FROM clients WHERE (fleet, instance) IN
		(SELECT fleet, instance FROM clients WHERE seen < ? ORDER BY seen LIMIT ?)`, before, trimMost)
	return err
}

// trimLogins forgets the counts of hours that no budget looks back to.
func (b *batch) trimLogins(ctx context.Context, hour time.Time) error {
	if hour.IsZero() {
		return nil
	}
	_, err := b.exec(ctx, "DELETE FROM logins WHERE fleet = ? AND hour < ?",
		b.fleet, stamp(store.Expiry(hour, store.LoginRetention)))
	return err
}
