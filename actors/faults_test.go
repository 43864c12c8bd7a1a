package actors

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/urban-robot/urban-robot/actors/fleet"
	"github.com/urban-robot/urban-robot/actors/store"
	"github.com/urban-robot/urban-robot/protocol"
)

var errDisk = errors.New("the disk is full")

// brittle is a store that does what a test wants before what it should do. A nil function does nothing.
type brittle struct {
	store.Store
	apply   hook
	applied hook // after it
	save    hook
	load    hook
}

// hook is called before what a store should do. It is safe for concurrent use.
type hook struct{ does atomic.Pointer[func() error] }

func (h *hook) set(does func() error) { h.does.Store(&does) }

func (h *hook) fails(err error) { h.set(func() error { return err }) }

func (h *hook) panics() { h.set(func() error { panic("the store is broken") }) }

func (h *hook) works() { h.does.Store(nil) }

func (h *hook) call() error {
	if does := h.does.Load(); does != nil {
		return (*does)()
	}
	return nil
}

// Apply implements store.Store.
func (b *brittle) Apply(ctx context.Context, name string, term store.Term, records []fleet.Record) error {
	if err := b.apply.call(); err != nil {
		return err
	}
	if err := b.Store.Apply(ctx, name, term, records); err != nil {
		return err
	}
	return b.applied.call()
}

// SaveCache implements store.Store.
func (b *brittle) SaveCache(ctx context.Context, name string, term store.Term, c store.Cache) error {
	if err := b.save.call(); err != nil {
		return err
	}
	return b.Store.SaveCache(ctx, name, term, c)
}

// LoadCache implements store.Store.
func (b *brittle) LoadCache(ctx context.Context, name string, seat int) (store.Cache, error) {
	if err := b.load.call(); err != nil {
		return store.Cache{}, err
	}
	return b.Store.LoadCache(ctx, name, seat)
}

// brittle puts a brittle store before the memory.
func (w *world) brittle() *brittle {
	b := &brittle{Store: w.memory}
	w.store = b
	return b
}

func instance(name string) func(*protocol.Identify) {
	return func(e *protocol.Identify) { e.Instance = name }
}

func TestFailingStoreHoldsEverythingBack(t *testing.T) {
	inBubble(t, func(w *world) {
		w.start()
		const forever = 1_000_000
		w.memory.FailWrites(forever, errDisk)
		first := w.join("1.0.0")
		second := w.join("1.0.0", instance("second"))
		third := w.join("1.0.0", instance("third"))
		third.goes()
		w.isReady(false)
		w.pass(time.Hour)
		first.saw()
		second.saw()
		w.isReady(false)

		w.memory.FailWrites(0, nil)
		w.pass(time.Second)
		w.isReady(true)
		first.saw("ack 1 ok", "hello true 1")
		second.saw("ack 1 ok")
		first.says(protocol.Ready{})
		first.saw("ack 2 ok", "ok 1", "health_check bake")
		second.saw("hello false 1")
		w.logged(1, `"level":"error"`, "the disk is full")
		w.logged(1, "store works again")
		w.stop()
		var came int
		for _, line := range w.trail() {
			if line == "client changed state" {
				came++
			}
		}
		if came != 6 { // three identified, one gone, one ready, one active
			t.Errorf("the trail has %d changes of state, want 6: %q", came, w.trail())
		}
	})
}

func TestNoDeadlinePassesWhileTheStoreFails(t *testing.T) {
	inBubble(t, func(w *world) {
		w.start()
		old := w.holder()
		fresh := w.candidate()
		fresh.healthy()
		old.saw("coma handover")
		fresh.forgets()
		w.pass(5 * time.Second)
		w.memory.FailWrites(1_000_000, errDisk)
		late := w.join("1.0.0", instance("late"))
		old.says(protocol.Coma{Epoch: 1})
		w.pass(10 * time.Minute)
		late.saw()
		w.memory.FailWrites(0, nil)
		w.pass(time.Second)
		old.saw("ack 4 ok", "health_check standby")
		fresh.saw("process_commands 2 ")
		late.saw("ack 1 ok", "hello false 1")
		fresh.says(protocol.Ready{})
		fresh.saw("ack 4 ok", "ok 2", "health_check bake")
		w.pass(50 * time.Second)
		late.saw() // its minute to get ready began with its hello
		w.pass(10 * time.Second)
		late.saw("shutdown startup_timeout")
	})
}

func TestStoreThatFailsAtTheStart(t *testing.T) {
	inBubble(t, func(w *world) {
		w.memory.FailWrites(3, errDisk)
		w.run()
		w.isReady(false)
		b := w.join("1.0.0")
		b.says(protocol.Ready{}) // too early, but not lost
		w.pass(2 * time.Second)
		b.saw()
		w.pass(time.Second)
		w.isReady(true)
		b.saw("ack 1 ok", "hello true 1", "ack 2 ok", "ok 1", "health_check bake")
		w.logged(1, `"level":"error"`, "fleet not loaded")
	})
}

func TestLostAnswerOfTheStoreChangesNothing(t *testing.T) {
	inBubble(t, func(w *world) {
		w.start()
		w.memory.LoseAnswers(3, errDisk)
		b := w.join("1.0.0")
		b.saw()
		w.pass(5 * time.Second)
		b.saw("ack 1 ok", "hello true 1")
		w.stop()
		if s := w.seat(); s.Epoch != 1 {
			t.Errorf("stored epoch = %d, want 1", s.Epoch)
		}
	})
}

func TestSlowStoreStallsNobodyForGood(t *testing.T) {
	inBubble(t, func(w *world) {
		w.memory.DelayWrites(4 * time.Second)
		w.run()
		w.pass(4 * time.Second)
		w.isReady(true)
		b := w.join("1.0.0")
		w.pass(10 * time.Second)
		b.saw("ack 1 ok", "hello true 1")
		w.memory.DelayWrites(6 * time.Second) // longer than is waited
		b.says(protocol.Shutdown{})
		w.pass(20 * time.Second)
		b.saw("close")
		w.isReady(false)
		w.memory.DelayWrites(0)
		w.pass(10 * time.Second)
		w.isReady(true)
	})
}

func TestSupersededSupervisorTellsNobodyAnything(t *testing.T) {
	for name, act := range map[string]func(*bot){
		"when it decides":               func(b *bot) { b.says(protocol.Coma{}) },
		"when it stores a cache":        func(b *bot) { b.says(cacheOf("{}")) },
		"when it stores only the trail": func(b *bot) { b.w.join("1.0.0", instance("another")).saw("ack 1 ok", "abort") },
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(w *world) {
				w.start()
				holder := w.holder()
				waits := w.join("1.0.0", instance("waits"))
				waits.saw("ack 1 ok", "hello false 1")
				if _, _, err := snapshot(w.memory); err != nil {
					t.Fatalf("Acquire() = %v, want nil", err)
				}
				act(holder)
				holder.saw("abort")
				waits.saw("abort")
				w.isReady(false)
				w.logged(1, "fleet given up to a newer supervisor", "term")
				next := w.join("1.0.0")
				next.saw("abort")
				w.pass(time.Hour)
				w.isReady(false)
			})
		})
	}
}

func TestDecisionThatCannotBeRestartsTheSupervisor(t *testing.T) {
	for _, cause := range []error{store.ErrInvalid, store.ErrStaleEpoch} {
		t.Run(cause.Error(), func(t *testing.T) {
			inBubble(t, func(w *world) {
				failing := w.brittle()
				w.start()
				holder := w.holder()
				failing.apply.fails(fmt.Errorf("apply: %w", cause))
				other := w.join("1.0.0", instance("other"))
				failing.apply.works()
				holder.saw("abort")
				other.saw("abort")
				w.isReady(true)
				back := w.join("1.0.0", session(1))
				back.saw("ack 1 ok", "hello true 1")
			})
		})
	}
}

func TestCacheThatCannotBeStored(t *testing.T) {
	inBubble(t, func(w *world) {
		failing := w.brittle()
		w.start()
		holder := w.holder()
		other := w.standby()
		failing.save.fails(errDisk)
		holder.says(cacheOf(`{"a":1}`))
		holder.saw("ack 4 unavailable")
		holder.tells(cacheOf(`{"a":2}`))
		holder.saw("rejected cache_sync unavailable")
		other.saw()
		w.logged(2, "cache not stored", "the disk is full")
		failing.save.works()
		holder.says(cacheOf(`{"a":3}`))
		holder.saw("ack 5 ok")
		other.saw("cache_sync 7")
	})
}

func TestWhatWaitsForTheStoreIsBounded(t *testing.T) {
	inBubble(t, func(w *world) {
		w.start()
		holder := w.holder()
		w.memory.FailWrites(1_000_000, errDisk)
		stuck := w.join("1.0.0", instance("stuck"))
		large := cacheOf(`"` + strings.Repeat("x", 16<<20-2) + `"`)
		for range 5 {
			holder.says(large)
		}
		holder.saw()
		holder.says(cacheOf(`"` + strings.Repeat("x", 16<<20-8<<10-2) + `"`))
		holder.saw()
		holder.says(large)
		holder.saw("ack 10 unavailable")
		var shut bool
		for range 10 {
			stuck.tells(protocol.Ready{})
			shut = shut || stuck.isClosed()
		}
		if !shut {
			t.Error("a client that speaks on stays connected, want it cut off")
		}
		stuck.saw("abort")
		w.memory.FailWrites(0, nil)
		w.pass(time.Second)
		w.isReady(true)
		holder.sort() // they are stored at once
		holder.saw("ack 4 ok", "ack 5 ok", "ack 6 ok", "ack 7 ok", "ack 8 ok", "ack 9 ok")
	})
}

func TestDamagedCacheIsDoneWithout(t *testing.T) {
	for _, cause := range []error{store.ErrCorrupt, store.ErrNotFound} {
		inBubble(t, func(w *world) {
			failing := w.brittle()
			w.start()
			w.holder().says(cacheOf("{}"))
			w.stop()
			failing.load.fails(cause)
			w.start()
			w.logged(1, "stored cache damaged")
			b := w.join("1.0.0", instance("other"))
			b.says(protocol.Ready{})
			b.saw("ack 1 ok", "hello false 1", "ack 2 ok", "coma standby")
			failing.load.fails(errDisk)
		})
	}
}

func TestCacheThatCannotBeLoadedYet(t *testing.T) {
	inBubble(t, func(w *world) {
		failing := w.brittle()
		w.start()
		w.holder().says(cacheOf("{}"))
		w.stop()
		failing.load.fails(errDisk)
		w.run()
		w.isReady(false)
		w.pass(time.Minute)
		w.isReady(false)
		failing.load.works()
		w.pass(time.Second)
		w.isReady(true)
		b := w.join("1.0.0", instance("other"))
		b.says(protocol.Ready{})
		b.saw("ack 1 ok", "hello false 1", "ack 2 ok", "cache_sync 2", "coma standby")
	})
}
