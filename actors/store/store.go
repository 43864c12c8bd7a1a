// Package store says what Urban Robot remembers and how. The implementations are in the packages below it; storetest holds
// the tests that each of them passes, and what is not tested there is not promised.
package store

import (
	"context"
	"errors"
	"time"

	"github.com/urban-robot/urban-robot/actors/fleet"
	"github.com/urban-robot/urban-robot/protocol"
)

var (
	// ErrSuperseded means that another supervisor has acquired the fleet since: stop, and tell nobody anything.
	ErrSuperseded = errors.New("the fleet was acquired by a newer supervisor")
	// ErrNotFound means that nothing is stored under that name.
	ErrNotFound = errors.New("not found")
	// ErrTooLarge means that a cache is over MaxCacheBytes.
	ErrTooLarge = errors.New("the cache is too large to be stored")
)

// MaxCacheBytes is the most that one cache may have, uncompressed.
const MaxCacheBytes = 256 << 20

// Term tells supervisors of one fleet apart: the higher one is the newer one.
type Term uint64

// Cache is a cache with what is known of it.
type Cache struct {
	fleet.CacheRecord
	Cache protocol.Cache
}

// Event is a stored line of the audit trail.
type Event struct {
	ID uint64 // grows with every line of all fleets
	fleet.EventRecord
}

// Store remembers. It is safe for concurrent use. Every write is durable when the call returns nil, atomic, and safe to
// retry after an error; after an error other than ErrSuperseded, ErrTooLarge or the context's, retrying is what to do.
type Store interface {
	// Acquire makes the caller the fleet's one supervisor: it returns a term above every earlier one, which every write has to
	// show, and all that is stored.
	Acquire(ctx context.Context, name string) (Term, fleet.Stored, error)
	// Apply stores the records, all or none, in their order. ErrSuperseded if the term is not the newest.
	Apply(ctx context.Context, name string, term Term, records []fleet.Record) error
	// SaveCache replaces the cache of a seat; one with a lower or equal number than the stored is ignored. ErrSuperseded, ErrTooLarge.
	SaveCache(ctx context.Context, name string, term Term, c Cache) error
	// LoadCache returns the newest cache of a seat, or ErrNotFound.
	LoadCache(ctx context.Context, name string, seat int) (Cache, error)
	// Events returns at most limit lines of the fleet's trail with an ID above after, oldest first.
	Events(ctx context.Context, name string, after uint64, limit int) ([]Event, error)
	// Close ends the store; calls after it fail.
	Close() error
}

// Retention is how long the audit trail is kept at least.
const Retention = 30 * 24 * time.Hour
