package storetest_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/urban-robot/urban-robot/actors/fleet"
	"github.com/urban-robot/urban-robot/actors/store"
	"github.com/urban-robot/urban-robot/actors/store/storetest"
)

func TestMemory(t *testing.T) {
	storetest.Run(t, func(*testing.T) storetest.Open {
		disk := storetest.NewMemory()
		return func(*testing.T) store.Store { return disk.Open() }
	})
}

func TestMemoryFailsWritesOnDemand(t *testing.T) {
	m := storetest.NewMemory()
	term, _, err := m.Acquire(t.Context(), "helium")
	if err != nil {
		t.Fatalf("Acquire() = %v, want nil", err)
	}
	full := errors.New("disk full")
	records := []fleet.Record{fleet.EventRecord{Event: "x"}, fleet.ClientRecord{Instance: "i", PID: 7}}
	m.FailWrites(2, full)
	for try, want := range []error{full, full, nil} {
		if err := m.Apply(t.Context(), "helium", term, records); !errors.Is(err, want) {
			t.Errorf("Apply() = %v at try %d, want %v", err, try+1, want)
		}
	}
	m.LoseAnswers(1, full)
	if err := m.Apply(t.Context(), "helium", term, records); !errors.Is(err, full) {
		t.Errorf("Apply() = %v with its answer lost, want %v", err, full)
	}
	if events, err := m.Events(t.Context(), "helium", 0, 10); len(events) != 2 || err != nil {
		t.Errorf("Events() = %d lines, %v, want 2", len(events), err)
	}
	if clients := m.Clients("helium"); len(clients) != 1 || clients[0].PID != 7 {
		t.Errorf("Clients() = %v, want one with PID 7", clients)
	}
	if n := m.Writes(); n != 5 {
		t.Errorf("Writes() = %d, want 5", n)
	}
}

func TestMemoryDelaysWrites(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := storetest.NewMemory()
		m.DelayWrites(time.Minute)
		before := time.Now()
		if _, _, err := m.Acquire(t.Context(), "helium"); err != nil {
			t.Errorf("Acquire() = %v, want nil", err)
		}
		if took := time.Since(before); took != time.Minute {
			t.Errorf("Acquire() took %v, want %v", took, time.Minute)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := m.Apply(ctx, "helium", 1, nil); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Apply() = %v, want %v", err, context.DeadlineExceeded)
		}
	})
}
