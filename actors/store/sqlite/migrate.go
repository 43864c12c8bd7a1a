package sqlite

import (
	"context"
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"slices"

	driver "modernc.org/sqlite"
	codes "modernc.org/sqlite/lib"
)

// migrations holds the steps from an empty database to the newest tables, in the order of their names. Each is applied once, in
// one transaction. One that was released is never edited: a test knows its checksum.
//
//go:embed migrations/*.sql
var migrations embed.FS

// applicationID marks the file as ours: "UrbR".
const applicationID = 0x55726252

// migrate brings the tables up to date, or refuses to touch what is not ours or newer than we are.
func (s *Store) migrate(ctx context.Context) error {
	steps, err := steps()
	if err != nil {
		return err
	}
	if err := patiently(ctx, func() error { return inspect(ctx, s.writer, len(steps)) }); err != nil {
		return err
	}
	if s.path != Memory {
		if err := patiently(ctx, func() error { return writeAhead(ctx, s.writer) }); err != nil {
			return err
		}
	}
	for range steps {
		if err := patiently(ctx, func() error { return s.step(ctx, steps) }); err != nil {
			return err
		}
	}
	return nil
}

// step applies the next migration, if there is one. Another process may do the same at the same time: whoever is first to begin.
func (s *Store) step(ctx context.Context, steps []string) error {
	return s.transaction(ctx, func(ctx context.Context, tx *sql.Tx) error {
		if err := inspect(ctx, tx, len(steps)); err != nil {
			return err
		}
		var version int
		if err := tx.QueryRowContext(ctx, "PRAGMA user_version").Scan(&version); err != nil || version == len(steps) {
			return err
		}
		script := fmt.Sprintf("%s; PRAGMA user_version = %d; PRAGMA application_id = %d", steps[version], version+1, applicationID)
		if _, err := tx.ExecContext(ctx, script); err != nil {
			return fmt.Errorf("migrate to version %d: %w", version+1, err)
		}
		return nil
	})
}

// querier is what a database and a transaction have in common.
type querier interface {
	QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row
}

// inspect refuses a database that another program or a newer version has written.
func inspect(ctx context.Context, db querier, newest int) error {
	var id, version, tables int
	err := db.QueryRowContext(ctx, `SELECT application_id, user_version, (SELECT count(*) FROM sqlite_schema)
		FROM pragma_application_id, pragma_user_version`).Scan(&id, &version, &tables)
	if e, ok := errors.AsType[*driver.Error](err); ok && e.Code()&0xff == codes.SQLITE_NOTADB {
		return errors.New("it is no SQLite database: write another path")
	}
	switch {
	case err != nil:
		return err
	case id == applicationID && version > newest:
		return fmt.Errorf("a newer Urban Robot has written it (version %d of the tables, known here: up to %d): update, or restore the copy from before", version, newest)
	case id != applicationID && (id != 0 || version != 0 || tables != 0):
		return errors.New("another program has written it: write another path")
	}
	return nil
}

// writeAhead switches the write-ahead log on. The file remembers.
func writeAhead(ctx context.Context, db *sql.DB) error {
	var mode string
	if err := db.QueryRowContext(ctx, "PRAGMA journal_mode = wal").Scan(&mode); err != nil {
		return err
	}
	if mode != "wal" {
		return fmt.Errorf("its file system cannot share memory between processes (journal mode %s): write a path on a local disk", mode)
	}
	return nil
}

// steps returns the migrations' texts in their order.
func steps() ([]string, error) {
	entries, err := migrations.ReadDir("migrations")
	if err != nil {
		return nil, err
	}
	var names []string
	for _, entry := range entries {
		names = append(names, entry.Name())
	}
	slices.Sort(names)
	var texts []string
	for _, name := range names {
		text, err := migrations.ReadFile("migrations/" + name)
		if err != nil {
			return nil, err
		}
		texts = append(texts, string(text))
	}
	return texts, nil
}
