package storetest

import (
	"context"
	"time"
)

// faults are what a test asked for. Every opening of a Memory has the same.
type faults struct {
	before, after fault
	slow          time.Duration
	writes        int
}

// fault is an error for the next so many writes.
type fault struct {
	err  error
	left int
}

// FailWrites lets the next n writes (Acquire, Apply, SaveCache) fail with err and store nothing, as a full disk does. 0 ends it.
func (m *Memory) FailWrites(n int, err error) {
	m.disk.mutex.Lock()
	defer m.disk.mutex.Unlock()
	m.disk.faults.before = fault{err: err, left: n}
}

// LoseAnswers lets the next n writes that would succeed be stored and fail with err all the same, as a connection to a database
// does that is lost at the wrong moment.
func (m *Memory) LoseAnswers(n int, err error) {
	m.disk.mutex.Lock()
	defer m.disk.mutex.Unlock()
	m.disk.faults.after = fault{err: err, left: n}
}

// DelayWrites lets every write take so long before it is stored, or fail with the context's error if that ends before.
// Writes that come at once are delayed at once and may change places.
func (m *Memory) DelayWrites(d time.Duration) {
	m.disk.mutex.Lock()
	defer m.disk.mutex.Unlock()
	m.disk.faults.slow = d
}

// Writes returns how many writes have come so far, those that failed on demand included.
func (m *Memory) Writes() int {
	m.disk.mutex.Lock()
	defer m.disk.mutex.Unlock()
	return m.disk.faults.writes
}

func (f *fault) take() error {
	if f.left <= 0 {
		return nil
	}
	f.left--
	return f.err
}

// delay waits without the mutex, so that in a synctest bubble time can pass.
func (d *disk) delay(ctx context.Context) error {
	d.mutex.Lock()
	slow := d.faults.slow
	d.mutex.Unlock()
	if slow <= 0 {
		return nil
	}
	timer := time.NewTimer(slow)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}
