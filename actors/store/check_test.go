package store_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/urban-robot/urban-robot/actors/fleet"
	"github.com/urban-robot/urban-robot/actors/store"
)

func TestCheckNamesTheRecord(t *testing.T) {
	records := []fleet.Record{fleet.EventRecord{}, fleet.SeatRecord{Epoch: store.MaxNumber + 1}, fleet.LoginRecord{}}
	err := store.Check(records)
	if !errors.Is(err, store.ErrInvalid) || !strings.Contains(err.Error(), "record 2 of 3") {
		t.Errorf("Check() = %v, want %v that names record 2 of 3", err, store.ErrInvalid)
	}
	if err := store.Check(records[:1]); err != nil {
		t.Errorf("Check() = %v, want nil", err)
	}
}

func TestExpiryIsNotMovedByADateInTheFuture(t *testing.T) {
	past := time.Date(2020, 1, 2, 3, 0, 0, 0, time.UTC)
	if got, want := store.Expiry(past, time.Hour), past.Add(-time.Hour); !got.Equal(want) {
		t.Errorf("Expiry() = %v, want %v", got, want)
	}
	if got := store.Expiry(time.Now().AddDate(50, 0, 0), time.Hour); got.After(time.Now()) {
		t.Errorf("Expiry() = %v, want an hour before now", got)
	}
}
