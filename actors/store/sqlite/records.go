package sqlite

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"time"

	"github.com/urban-robot/urban-robot/actors/fleet"
	"github.com/urban-robot/urban-robot/actors/store"
)

// batch stores records of one fleet in one transaction.
type batch struct {
	tx       *sql.Tx
	fleet    string
	prepared map[string]*sql.Stmt // the transaction's end closes them; to parse a statement takes longer than to run it
}

func newBatch(tx *sql.Tx, name string) *batch {
	return &batch{tx: tx, fleet: name, prepared: map[string]*sql.Stmt{}}
}

func (b *batch) exec(ctx context.Context, query string, args ...any) (sql.Result, error) {
	statement, ok := b.prepared[query]
	if !ok {
		var err error
		if statement, err = b.tx.PrepareContext(ctx, query); err != nil {
			return nil, err
		}
		b.prepared[query] = statement
	}
	return statement.ExecContext(ctx, args...)
}

// apply stores one record that store.Check has passed.
func (b *batch) apply(ctx context.Context, record fleet.Record) error {
	switch r := record.(type) {
	case fleet.SeatRecord:
		return b.applySeat(ctx, r)
	case fleet.ReleaseRecord:
		return b.applyRelease(ctx, r)
	case fleet.RolloutRecord:
		return b.applyRollout(ctx, r)
	case fleet.ProcessRecord:
		return b.applyProcess(ctx, r)
	case fleet.LoginRecord:
		return b.applyLogin(ctx, r)
	case fleet.ClientRecord:
		return b.applyClient(ctx, r)
	case fleet.EventRecord:
		return b.applyEvent(ctx, r)
	default:
		return fmt.Errorf("%w: %T has no table", store.ErrInvalid, r)
	}
}

func (b *batch) applySeat(ctx context.Context, r fleet.SeatRecord) error {
	handled, err := list(r.Handled)
	if err != nil {
		return err
	}
	result, err := b.exec(ctx, `INSERT INTO seats (fleet, seat, epoch, instance, release, since, handled)
		VALUES (?, ?, ?, ?, ?, ?, ?)
		ON CONFLICT DO UPDATE SET epoch = excluded.epoch, instance = excluded.instance, release = excluded.release,
			since = excluded.since, handled = excluded.handled
		WHERE excluded.epoch >= epoch`,
		b.fleet, r.Seat, r.Epoch, r.Instance, r.Release, stamp(r.Since), handled)
	if err != nil {
		return err
	}
	if n, err := result.RowsAffected(); err != nil || n > 0 {
		return err
	}
	return fmt.Errorf("epoch %d for seat %d: %w", r.Epoch, r.Seat, store.ErrStaleEpoch)
}

func (b *batch) applyRelease(ctx context.Context, r fleet.ReleaseRecord) error {
	cogs, err := list(r.Cogs)
	if err != nil {
		return err
	}
	_, err = b.exec(ctx, `INSERT INTO releases (fleet, release, generation, state, reason, cogs, evidence, at)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?)
		ON CONFLICT DO UPDATE SET generation = excluded.generation, state = excluded.state, reason = excluded.reason,
			cogs = excluded.cogs, evidence = excluded.evidence, at = excluded.at`,
		b.fleet, r.Release, r.Generation, r.State.String(), r.Reason, cogs, r.Evidence, stamp(r.At))
	return err
}

func (b *batch) applyRollout(ctx context.Context, r fleet.RolloutRecord) error {
	record, err := json.Marshal(r)
	if err != nil {
		return err
	}
	_, err = b.exec(ctx, `INSERT INTO rollouts (fleet, record) VALUES (?, ?)
		ON CONFLICT DO UPDATE SET record = excluded.record`, b.fleet, string(record))
	return err
}

func (b *batch) applyProcess(ctx context.Context, r fleet.ProcessRecord) error {
	if r.Gone {
		_, err := b.exec(ctx, `DELETE FROM processes WHERE fleet = ? AND instance = ?`, b.fleet, r.Instance)
		return err
	}
	_, err := b.exec(ctx, `INSERT INTO processes (fleet, instance, release, seat, number, retired, at)
		VALUES (?, ?, ?, ?, ?, ?, ?)
		ON CONFLICT DO UPDATE SET release = excluded.release, seat = excluded.seat, number = excluded.number,
			retired = excluded.retired, at = excluded.at`,
		b.fleet, r.Instance, r.Release, r.Seat, r.Number, r.Retired, stamp(r.At))
	return err
}

func (b *batch) applyLogin(ctx context.Context, r fleet.LoginRecord) error {
	_, err := b.exec(ctx, `INSERT INTO logins (fleet, hour, count) VALUES (?, ?, ?)
		ON CONFLICT DO UPDATE SET count = excluded.count`, b.fleet, stamp(r.Hour).Int64, r.Count)
	if err != nil {
		return err
	}
	return b.trimLogins(ctx, r.Hour)
}

func (b *batch) applyClient(ctx context.Context, r fleet.ClientRecord) error {
	_, err := b.exec(ctx, `INSERT INTO clients (fleet, instance, release, library, host, pid, seat, first, seen)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?8, ?8)
		ON CONFLICT DO UPDATE SET release = excluded.release, library = excluded.library, host = excluded.host,
			pid = excluded.pid, seat = excluded.seat, seen = excluded.seen`,
		b.fleet, r.Instance, r.Release, r.Library, r.Host, r.PID, r.Seat, stamp(r.Seen))
	return err
}

func (b *batch) applyEvent(ctx context.Context, r fleet.EventRecord) error {
	result, err := b.exec(ctx, `INSERT INTO events
		(fleet, at, event, client, release, seat, epoch, "from", "to", reason, detail, warn)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
		b.fleet, stamp(r.At), r.Event, r.Client, r.Release, r.Seat, r.Epoch, r.From, r.To, r.Reason, r.Detail, r.Warn)
	if err != nil {
		return err
	}
	id, err := result.LastInsertId()
	if err != nil {
		return err
	}
	return b.trimNowAndThen(ctx, id, r.At)
}

// stamp is a time as it is stored.
func stamp(at time.Time) sql.NullInt64 {
	if at.IsZero() {
		return sql.NullInt64{}
	}
	return sql.NullInt64{Int64: at.UnixNano(), Valid: true}
}

// unstamp is the time that was stored.
func unstamp(at sql.NullInt64) time.Time {
	if !at.Valid {
		return time.Time{}
	}
	return time.Unix(0, at.Int64).UTC()
}

func list(texts []string) (string, error) {
	b, err := json.Marshal(texts)
	return string(b), err
}

func unlist(text string) (texts []string, err error) {
	if err := json.Unmarshal([]byte(text), &texts); err != nil || len(texts) == 0 {
		return nil, err
	}
	return texts, nil
}
