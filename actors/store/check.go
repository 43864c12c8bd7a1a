package store

import (
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/urban-robot/urban-robot/actors/fleet"
)

// MaxNumber is the highest epoch and the highest cache number that can be stored: databases count in signed 64 bits.
const MaxNumber = math.MaxInt64

// Times outside of these years have no count of nanoseconds since 1970 in 64 bits.
const (
	minYear = 1678
	maxYear = 2261
)

// Check says whether the records can be stored at all: ErrInvalid if not. Every implementation calls it before it writes.
func Check(records []fleet.Record) error {
	for i, r := range records {
		if err := check(r); err != nil {
			return fmt.Errorf("record %d of %d: %w", i+1, len(records), err)
		}
	}
	return nil
}

// CheckCache says whether the cache can be stored at all: ErrInvalid or ErrTooLarge if not.
func CheckCache(c Cache) error {
	switch size := c.Cache.Size(); {
	case size > MaxCacheBytes:
		return fmt.Errorf("%w: %d bytes, at most %d", ErrTooLarge, size, MaxCacheBytes)
	case c.Number > MaxNumber:
		return fmt.Errorf("%w: cache number %d is above %d", ErrInvalid, c.Number, uint64(MaxNumber))
	}
	return checkTime(c.At)
}

// Expiry returns the time before which things kept for so long may be forgotten, when something dated at is written. A date in
// the future, from a clock that was wrong, does not make anything expire.
func Expiry(at time.Time, kept time.Duration) time.Time {
	if now := time.Now(); at.After(now) {
		at = now
	}
	return at.Add(-kept)
}

func check(r fleet.Record) error {
	switch r := r.(type) {
	case fleet.SeatRecord:
		return checkStamp(r.Since, r.Epoch)
	case fleet.ReleaseRecord:
		if !slices.Contains(fleet.ReleaseStates(), r.State) {
			return fmt.Errorf("%w: release state %d is unknown", ErrInvalid, r.State)
		}
		return checkStamp(r.At, r.Generation)
	case fleet.RolloutRecord:
		return checkRollout(r)
	case fleet.ProcessRecord:
		return checkStamp(r.At, r.Number)
	case fleet.LoginRecord:
		return checkTime(r.Hour)
	case fleet.ClientRecord:
		return checkTime(r.Seen)
	case fleet.EventRecord:
		return checkStamp(r.At, r.Epoch)
	default:
		return fmt.Errorf("%w: %T is no record", ErrInvalid, r)
	}
}

func checkRollout(r fleet.RolloutRecord) error {
	for _, at := range slices.Concat(r.Reverts, r.Restarts, []time.Time{r.Attempt.At, r.AttemptBy, r.Last.At, r.NotBefore}) {
		if err := checkTime(at); err != nil {
			return err
		}
	}
	return nil
}

func checkStamp(at time.Time, epoch uint64) error {
	if epoch > MaxNumber {
		return fmt.Errorf("%w: epoch %d is above %d", ErrInvalid, epoch, uint64(MaxNumber))
	}
	return checkTime(at)
}

func checkTime(at time.Time) error {
	if y := at.UTC().Year(); !at.IsZero() && (y < minYear || y > maxYear) {
		return fmt.Errorf("%w: year %d is out of range", ErrInvalid, y)
	}
	return nil
}
