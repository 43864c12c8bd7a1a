package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"sync"
	"time"

	driver "modernc.org/sqlite"
	codes "modernc.org/sqlite/lib"

	"github.com/urban-robot/urban-robot/actors/store"
	"github.com/urban-robot/urban-robot/actors/store/packed"
)

const (
	readers = 4
	// patience is how long a lock of another process is waited for, if the context does not end before. SQLite itself waits for a
	// turn at a time and cannot be interrupted in it.
	patience = 30 * time.Second
	turn     = "busy_timeout(200)"
)

// Store is a store.Store in one SQLite database.
type Store struct {
	path   string
	writer *sql.DB // one connection
	reader *sql.DB // of a database in memory the same as writer
	codec  *packed.Codec

	// calls is held for reading by every call and for writing by Close, which therefore waits for them.
	calls  sync.RWMutex
	closed bool
}

var _ store.Store = (*Store)(nil)

// Open opens the database at path, or creates it, and brings its tables up to date; Memory is a path too. It refuses what a newer
// version or another program has written. The context is for opening alone.
func Open(ctx context.Context, path string) (*Store, error) {
	s := &Store{path: path}
	if err := s.open(ctx); err != nil {
		return nil, errors.Join(fmt.Errorf("open database %s: %w", path, err), s.disconnect())
	}
	return s, nil
}

// Close implements store.Store.
func (s *Store) Close() error {
	s.calls.Lock()
	defer s.calls.Unlock()
	if s.closed {
		return nil
	}
	s.closed = true
	if err := s.disconnect(); err != nil {
		return fmt.Errorf("close database %s: %w", s.path, err)
	}
	return nil
}

func (s *Store) open(ctx context.Context) error {
	if s.path != Memory {
		if err := prepareFile(s.path); err != nil {
			return err
		}
	}
	var err error
	if s.codec, err = packed.NewCodec(); err != nil {
		return err
	}
	if s.writer, err = connect(s.path, 1, "synchronous(full)", "fullfsync(1)", "checkpoint_fullfsync(1)", "foreign_keys(1)",
		"journal_size_limit(67108864)"); err != nil {
		return err
	}
	if err := s.migrate(ctx); err != nil {
		return err
	}
	s.reader = s.writer
	if s.path != Memory {
		s.reader, err = connect(s.path, readers, "query_only(1)")
	}
	return err
}

func (s *Store) disconnect() error {
	var errs []error
	if s.reader != nil && s.reader != s.writer {
		errs = append(errs, s.reader.Close())
	}
	if s.writer != nil { // last: it is the one that may write what is left in the log to the database
		errs = append(errs, s.writer.Close())
	}
	return errors.Join(errs...)
}

// connect returns a pool of connections that stay open until it is closed.
func connect(path string, connections int, pragmas ...string) (*sql.DB, error) {
	name, err := source(path, append([]string{turn, "trusted_schema(0)"}, pragmas...)...)
	if err != nil {
		return nil, err
	}
	connector, err := driver.NewConnector(name)
	if err != nil {
		return nil, err
	}
	db := sql.OpenDB(connector)
	db.SetMaxOpenConns(connections)
	db.SetMaxIdleConns(connections)
	return db, nil
}

// call runs one of the interface's methods: not after Close, again while another process holds a lock, and with the context's own
// error if that is why it failed.
func (s *Store) call(ctx context.Context, f func() error) error {
	s.calls.RLock()
	defer s.calls.RUnlock()
	if s.closed {
		return store.ErrClosed
	}
	return patiently(ctx, f)
}

// patiently runs f again for as long as it finds the database locked.
func patiently(ctx context.Context, f func() error) error {
	for deadline := time.Now().Add(patience); ; {
		if err := ctx.Err(); err != nil {
			return err
		}
		err := f()
		switch {
		case err == nil:
			return nil
		case !locked(err):
			return err
		case time.Now().After(deadline):
			return fmt.Errorf("another process has held the database for %v: %w", patience, err)
		}
		select {
		case <-ctx.Done():
		case <-time.After(time.Millisecond):
		}
	}
}

// locked tells the errors that pass by themselves.
func locked(err error) bool {
	if e, ok := errors.AsType[*driver.Error](err); ok {
		switch e.Code() & 0xff { // the rest says why
		case codes.SQLITE_BUSY, codes.SQLITE_PROTOCOL:
			return true
		}
	}
	return false
}
