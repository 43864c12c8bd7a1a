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
	// ErrStaleEpoch means that a seat's epoch would go back: whoever decided that did not know what is stored.
	ErrStaleEpoch = errors.New("the epoch is lower than the stored one")
	// ErrInvalid means that a record or a cache can never be stored as it is, see Check.
	ErrInvalid = errors.New("cannot be stored")
	// ErrCorrupt means that a cache was stored and is damaged: do without it.
	ErrCorrupt = errors.New("the stored cache is damaged")
	// ErrClosed means that the store is closed.
	ErrClosed = errors.New("the store is closed")
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

// Store remembers. It is safe for concurrent use. Every write is durable when the call returns nil and atomic: after an error
// it is stored as a whole or, almost always, not at all. Every write may be retried; where the first try was stored after all, a
// retry changes nothing, except that the lines of the trail are there twice. Retrying is what to do after an error other than
// ErrSuperseded, ErrStaleEpoch, ErrInvalid, ErrTooLarge, ErrClosed or the context's.
//
// A name is any valid UTF-8, and so is every text in a record. Times come back in UTC, empty lists as nil.
type Store interface {
	// Acquire makes the caller the fleet's one supervisor: it returns a term above every earlier one, which every write has to
	// show, and all that is stored.
	Acquire(ctx context.Context, name string) (Term, fleet.Stored, error)
	// Apply stores the records, all or none, in their order. ErrSuperseded if the term is not the newest, with no records too;
	// ErrStaleEpoch, ErrInvalid.
	Apply(ctx context.Context, name string, term Term, records []fleet.Record) error
	// SaveCache replaces the cache of a seat; one with a lower or equal number than the stored is ignored. The size is taken from
	// the cache, not from its record. ErrSuperseded, ErrTooLarge, ErrInvalid.
	SaveCache(ctx context.Context, name string, term Term, c Cache) error
	// LoadCache returns the newest cache of a seat. ErrNotFound, ErrCorrupt.
	LoadCache(ctx context.Context, name string, seat int) (Cache, error)
	// Events returns at most limit lines of the fleet's trail with an ID above after, oldest first. Whoever goes on after the last
	// ID misses none.
	Events(ctx context.Context, name string, after uint64, limit int) ([]Event, error)
	// Close waits for the calls under way and ends the store; calls after it fail with ErrClosed, except for Close.
	Close() error
}

const (
	// Retention is how long the audit trail is kept at least.
	Retention = 30 * 24 * time.Hour
	// LoginRetention is how long login counts are kept at least.
	LoginRetention = 25 * time.Hour
)
