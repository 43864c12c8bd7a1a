package sqlite

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/urban-robot/urban-robot/actors/fleet"
	"github.com/urban-robot/urban-robot/actors/store"
	"github.com/urban-robot/urban-robot/actors/store/packed"
)

// LoadCache implements store.Store.
func (s *Store) LoadCache(ctx context.Context, name string, seat int) (store.Cache, error) {
	var row packed.Row
	c := store.Cache{CacheRecord: fleet.CacheRecord{Seat: seat}}
	err := s.call(ctx, func() error {
		var at sql.NullInt64
		err := s.reader.QueryRowContext(ctx, `SELECT number, release, at, size, parts, sum, data FROM caches
			WHERE fleet = ? AND seat = ?`, name, seat).
			Scan(&c.Number, &c.Release, &at, &row.Size, &row.Parts, &row.Sum, &row.Data)
		c.Size, c.At = row.Size, unstamp(at)
		return err
	})
	if errors.Is(err, sql.ErrNoRows) {
		err = store.ErrNotFound
	}
	if err == nil {
		c.Cache, err = s.codec.Unpack(row)
	}
	if err != nil {
		return store.Cache{}, fmt.Errorf("load cache of seat %d of fleet %q: %w", seat, name, err)
	}
	return c, nil
}

// Events implements store.Store.
func (s *Store) Events(ctx context.Context, name string, after uint64, limit int) ([]store.Event, error) {
	var events []store.Event
	err := s.call(ctx, func() (err error) {
		if limit <= 0 || after > store.MaxNumber {
			return nil
		}
		events, err = collect(ctx, s.reader, func(rows *sql.Rows) (e store.Event, err error) {
			var at sql.NullInt64
			err = rows.Scan(&e.ID, &at, &e.Event, &e.Client, &e.Release, &e.Seat, &e.Epoch, &e.From, &e.To, &e.Reason, &e.Detail, &e.Warn)
			e.At = unstamp(at)
			return e, err
		}, `SELECT id, at, event, client, release, seat, epoch, "from", "to", reason, detail, warn
			FROM events WHERE fleet = ? AND id > ? ORDER BY id LIMIT ?`, name, after, limit)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("read events of fleet %q after %d: %w", name, after, err)
	}
	return events, nil
}

// load returns all that is stored of a fleet.
func load(ctx context.Context, tx *sql.Tx, name string) (stored fleet.Stored, err error) {
	if stored.Seats, err = collect(ctx, tx, scanSeat, `SELECT seat, epoch, instance, release, since, handled
		FROM seats WHERE fleet = ? ORDER BY seat`, name); err != nil {
		return stored, err
	}
	if stored.Releases, err = collect(ctx, tx, scanRelease, `SELECT release, generation, state, reason, cogs, evidence, at
		FROM releases WHERE fleet = ? ORDER BY at, release`, name); err != nil {
		return stored, err
	}
	if stored.Rollout, err = loadRollout(ctx, tx, name); err != nil {
		return stored, err
	}
	if stored.Processes, err = collect(ctx, tx, scanProcess, `SELECT instance, release, seat, number, retired, at
		FROM processes WHERE fleet = ? ORDER BY number`, name); err != nil {
		return stored, err
	}
	if stored.Logins, err = collect(ctx, tx, scanLogin, `SELECT hour, count
		FROM logins WHERE fleet = ? ORDER BY hour`, name); err != nil {
		return stored, err
	}
	stored.Caches, err = collect(ctx, tx, scanCache, `SELECT seat, number, size, release, at
		FROM caches WHERE fleet = ? ORDER BY seat`, name)
	return stored, err
}

func scanSeat(rows *sql.Rows) (r fleet.SeatRecord, err error) {
	var since sql.NullInt64
	var handled string
	if err := rows.Scan(&r.Seat, &r.Epoch, &r.Instance, &r.Release, &since, &handled); err != nil {
		return r, err
	}
	r.Since = unstamp(since)
	r.Handled, err = unlist(handled)
	return r, err
}

func scanRelease(rows *sql.Rows) (r fleet.ReleaseRecord, err error) {
	var at sql.NullInt64
	var state, cogs string
	if err := rows.Scan(&r.Release, &r.Generation, &state, &r.Reason, &cogs, &r.Evidence, &at); err != nil {
		return r, err
	}
	for _, s := range fleet.ReleaseStates() {
		if s.String() == state {
			r.State = s
		}
	}
	r.At = unstamp(at)
	r.Cogs, err = unlist(cogs)
	return r, err
}

// loadRollout returns where the rollout stands; the zero record if there was none.
func loadRollout(ctx context.Context, tx *sql.Tx, name string) (r fleet.RolloutRecord, err error) {
	records, err := collect(ctx, tx, func(rows *sql.Rows) (text string, err error) {
		err = rows.Scan(&text)
		return text, err
	}, `SELECT record FROM rollouts WHERE fleet = ?`, name)
	if err != nil || len(records) == 0 {
		return r, err
	}
	return r, json.Unmarshal([]byte(records[0]), &r)
}

func scanProcess(rows *sql.Rows) (r fleet.ProcessRecord, err error) {
	var at sql.NullInt64
	err = rows.Scan(&r.Instance, &r.Release, &r.Seat, &r.Number, &r.Retired, &at)
	r.At = unstamp(at)
	return r, err
}

func scanLogin(rows *sql.Rows) (r fleet.LoginRecord, err error) {
	var hour int64
	err = rows.Scan(&hour, &r.Count)
	r.Hour = unstamp(sql.NullInt64{Int64: hour, Valid: hour != 0})
	return r, err
}

func scanCache(rows *sql.Rows) (r fleet.CacheRecord, err error) {
	var at sql.NullInt64
	err = rows.Scan(&r.Seat, &r.Number, &r.Size, &r.Release, &at)
	r.At = unstamp(at)
	return r, err
}

// rowsQuerier is what a database and a transaction have in common.
type rowsQuerier interface {
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
}

// collect runs a query and scans each row.
func collect[T any](ctx context.Context, db rowsQuerier, scan func(*sql.Rows) (T, error), query string, args ...any) (all []T, err error) {
	rows, err := db.QueryContext(ctx, query, args...)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	for rows.Next() {
		one, err := scan(rows)
		if err != nil {
			return nil, err
		}
		all = append(all, one)
	}
	return all, rows.Err()
}
