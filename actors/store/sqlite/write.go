package sqlite

import (
	"context"
	"database/sql"
	badconn "database/sql/driver"
	"errors"
	"fmt"

	"github.com/urban-robot/urban-robot/actors/fleet"
	"github.com/urban-robot/urban-robot/actors/store"
)

// Acquire implements store.Store.
func (s *Store) Acquire(ctx context.Context, name string) (store.Term, fleet.Stored, error) {
	var term store.Term
	var stored fleet.Stored
	err := s.write(ctx, func(ctx context.Context, tx *sql.Tx) error {
		err := tx.QueryRowContext(ctx, `INSERT INTO terms (fleet, term) VALUES (?, 1)
			ON CONFLICT DO UPDATE SET term = term + 1 RETURNING term`, name).Scan(&term)
		if err != nil {
			return err
		}
		stored, err = load(ctx, tx, name)
		return err
	})
	if err != nil {
		return 0, fleet.Stored{}, fmt.Errorf("acquire fleet %q: %w", name, err)
	}
	return term, stored, nil
}

// Apply implements store.Store.
func (s *Store) Apply(ctx context.Context, name string, term store.Term, records []fleet.Record) error {
	err := store.Check(records)
	if err == nil {
		err = s.write(ctx, func(inner context.Context, tx *sql.Tx) error {
			if err := checkTerm(inner, tx, name, term); err != nil {
				return err
			}
			b := newBatch(tx, name)
			for _, record := range records {
				if err := errors.Join(ctx.Err(), b.apply(inner, record)); err != nil {
					return err
				}
			}
			return nil
		})
	}
	if err != nil {
		return fmt.Errorf("apply %d records to fleet %q: %w", len(records), name, err)
	}
	return nil
}

// SaveCache implements store.Store.
func (s *Store) SaveCache(ctx context.Context, name string, term store.Term, c store.Cache) error {
	err := store.CheckCache(c)
	if err == nil {
		row := s.codec.Pack(c.Cache) // takes its time, and keeps nobody waiting for the connection
		err = s.write(ctx, func(ctx context.Context, tx *sql.Tx) error {
			if err := checkTerm(ctx, tx, name, term); err != nil {
				return err
			}
			_, err := tx.ExecContext(ctx, `INSERT INTO caches (fleet, seat, number, release, at, size, parts, sum, data)
				VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)
				ON CONFLICT DO UPDATE SET number = excluded.number, release = excluded.release, at = excluded.at,
					size = excluded.size, parts = excluded.parts, sum = excluded.sum, data = excluded.data
				WHERE excluded.number > number`,
				name, c.Seat, c.Number, c.Release, stamp(c.At), row.Size, row.Parts, row.Sum, row.Data)
			return err
		})
	}
	if err != nil {
		return fmt.Errorf("save cache %d of seat %d of fleet %q: %w", c.Number, c.Seat, name, err)
	}
	return nil
}

// write runs f in a transaction of its own, as one call.
func (s *Store) write(ctx context.Context, f func(context.Context, *sql.Tx) error) error {
	return s.call(ctx, func() error { return s.transaction(ctx, f) })
}

// transaction runs f in a transaction and commits what it did, unless it fails. The context ends the wait for a turn;
// f gets one without an end. So a statement is never interrupted, which would
// cost the connection, and it is always certain whether the transaction was committed.
func (s *Store) transaction(ctx context.Context, f func(context.Context, *sql.Tx) error) error {
	conn, err := s.writer.Conn(ctx)
	if err != nil {
		return err
	}
	defer conn.Close() //nolint:errcheck // gives it back; it was committed or not before
	endless := context.WithoutCancel(ctx)
	tx, err := conn.BeginTx(endless, nil)
	if err != nil {
		return err
	}
	if err = f(endless, tx); err == nil {
		return tx.Commit()
	}
	if tx.Rollback() != nil && s.path != Memory {
		// Either SQLite has rolled back by itself, or there is no telling what the connection is in: take another one.
		_ = conn.Raw(func(any) error { return badconn.ErrBadConn })
	}
	return err
}

// checkTerm refuses whoever is not the fleet's newest supervisor.
func checkTerm(ctx context.Context, tx *sql.Tx, name string, term store.Term) error {
	var newest store.Term
	err := tx.QueryRowContext(ctx, "SELECT term FROM terms WHERE fleet = ?", name).Scan(&newest)
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return err
	}
	if term == 0 || term != newest {
		return fmt.Errorf("term %d, the newest is %d: %w", term, newest, store.ErrSuperseded)
	}
	return nil
}
