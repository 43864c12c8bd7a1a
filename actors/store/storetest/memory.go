package storetest

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sort"

	"github.com/urban-robot/urban-robot/actors/fleet"
	"github.com/urban-robot/urban-robot/actors/store"
)

// Memory is a store.Store in memory, for tests. Open returns another one with the same content, as a restart finds it or as a
// second supervisor has it. Its faults are in faults.go. It starts no goroutine, and in a bubble of testing/synctest its
// delays pass on the bubble's clock.
type Memory struct {
	disk   *disk
	closed bool // guarded by disk.mutex
}

var _ store.Store = (*Memory)(nil)

// NewMemory returns an empty store.
func NewMemory() *Memory {
	return &Memory{disk: &disk{fleets: map[string]*remembered{}}}
}

// Open returns another store with the same content, which stays when this one is closed.
func (m *Memory) Open() *Memory { return &Memory{disk: m.disk} }

// Acquire implements store.Store.
func (m *Memory) Acquire(ctx context.Context, name string) (term store.Term, stored fleet.Stored, err error) {
	err = m.write(ctx, func() error {
		r, known := m.disk.fleets[name]
		if !known {
			r = newRemembered()
			m.disk.fleets[name] = r
		}
		r.term++
		term, stored = r.term, r.stored()
		return nil
	})
	if err != nil {
		return 0, fleet.Stored{}, fmt.Errorf("acquire fleet %q: %w", name, err)
	}
	return term, stored, nil
}

// Apply implements store.Store.
func (m *Memory) Apply(ctx context.Context, name string, term store.Term, records []fleet.Record) error {
	err := errors.Join(store.Check(records), ctx.Err())
	if err == nil {
		err = m.write(ctx, func() error {
			r, err := m.disk.held(name, term)
			if err != nil {
				return err
			}
			if err := r.checkEpochs(records); err != nil {
				return err
			}
			for _, record := range records {
				m.disk.apply(r, record)
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
func (m *Memory) SaveCache(ctx context.Context, name string, term store.Term, c store.Cache) error {
	err := store.CheckCache(c)
	if err == nil {
		err = m.write(ctx, func() error {
			r, err := m.disk.held(name, term)
			if err != nil {
				return err
			}
			if old, known := r.caches[c.Seat]; !known || c.Number > old.Number {
				c.Size, c.At = c.Cache.Size(), stamp(c.At)
				c.Cache.JSON = slices.Clip(c.Cache.JSON)
				r.caches[c.Seat] = c
			}
			return nil
		})
	}
	if err != nil {
		return fmt.Errorf("save cache %d of seat %d of fleet %q: %w", c.Number, c.Seat, name, err)
	}
	return nil
}

// LoadCache implements store.Store.
func (m *Memory) LoadCache(ctx context.Context, name string, seat int) (c store.Cache, err error) {
	err = m.read(ctx, func() error {
		known := false
		if r := m.disk.fleets[name]; r != nil {
			c, known = r.caches[seat]
		}
		if !known {
			return store.ErrNotFound
		}
		return nil
	})
	if err != nil {
		return store.Cache{}, fmt.Errorf("load cache of seat %d of fleet %q: %w", seat, name, err)
	}
	return c, nil
}

// Events implements store.Store.
func (m *Memory) Events(ctx context.Context, name string, after uint64, limit int) (events []store.Event, err error) {
	err = m.read(ctx, func() error {
		if r := m.disk.fleets[name]; r != nil && limit > 0 {
			from := sort.Search(len(r.events), func(i int) bool { return r.events[i].ID > after })
			events = slices.Clone(r.events[from : min(len(r.events)-from, limit)+from])
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("read events of fleet %q after %d: %w", name, after, err)
	}
	return events, nil
}

// Clients returns the clients that were seen, which the interface does not, by their instances.
func (m *Memory) Clients(name string) []fleet.ClientRecord {
	m.disk.mutex.Lock()
	defer m.disk.mutex.Unlock()
	r := m.disk.fleets[name]
	if r == nil {
		return nil
	}
	var clients []fleet.ClientRecord
	for _, instance := range slices.Sorted(maps.Keys(r.clients)) {
		clients = append(clients, r.clients[instance])
	}
	return clients
}

// Close implements store.Store.
func (m *Memory) Close() error {
	m.disk.mutex.Lock()
	defer m.disk.mutex.Unlock()
	m.closed = true
	return nil
}

// read runs f unless the store is closed or the context is done.
func (m *Memory) read(ctx context.Context, f func() error) error {
	m.disk.mutex.Lock()
	defer m.disk.mutex.Unlock()
	if m.closed {
		return store.ErrClosed
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	return f()
}

// write is read with the faults that were asked for.
func (m *Memory) write(ctx context.Context, f func() error) error {
	if err := m.disk.delay(ctx); err != nil {
		return err
	}
	return m.read(ctx, func() error {
		m.disk.faults.writes++
		if err := m.disk.faults.before.take(); err != nil {
			return err
		}
		if err := f(); err != nil {
			return err
		}
		return m.disk.faults.after.take()
	})
}
