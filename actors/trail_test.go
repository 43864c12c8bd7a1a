package actors

import (
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/urban-robot/urban-robot/actors/fleet"
	"github.com/urban-robot/urban-robot/protocol"
)

// story is what the log says of a fleet, in its order.
func (w *world) story() []string {
	var told []string
	for _, line := range w.log.with(`"component":"fleet"`, `"seat":`) {
		told = append(told, field([]byte(line), "message"))
	}
	return told
}

func TestTrailIsStoredInOrder(t *testing.T) {
	for name, disturb := range map[string]func(w *world){
		"by a store that works":       func(*world) {},
		"by a slow store":             func(w *world) { w.memory.DelayWrites(300 * time.Millisecond) },
		"by a store that fails a bit": func(w *world) { w.memory.FailWrites(5, errDisk) },
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(w *world) {
				w.start()
				disturb(w)
				first := w.join("1.0.0")
				for i := range 3 { // lines that promise nothing, among those that do
					w.join("1.0.0", instance(fmt.Sprint("other ", i)))
				}
				w.pass(10 * time.Second)
				first.says(protocol.Ready{})
				first.healthy()
				first.says(protocol.Coma{})
				w.pass(10 * time.Second)
				w.stop()
				if got, want := w.trail(), w.story(); !slices.Equal(got, want) {
					t.Errorf("the trail is %q, want what the log says: %q", got, want)
				}
			})
		})
	}
}

func TestTrailOutlivesFailures(t *testing.T) {
	inBubble(t, func(w *world) {
		failing := w.brittle()
		w.start()
		b := w.holder()
		failing.apply.fails(errDisk)
		for range 5 {
			w.pass(time.Minute)
			b.healthy()
		}
		w.isReady(false)
		w.logged(1, "audit trail not stored", `"level":"error"`)
		failing.apply.works()
		w.pass(time.Second)
		w.isReady(true)
		w.logged(1, "store works again")
		if got, want := w.trail(), w.story(); !slices.Equal(got, want) {
			t.Errorf("the trail is %q, want what the log says: %q", got, want)
		}
	})
}

func TestTrailThatGoesWithADecisionEndsTheOutage(t *testing.T) {
	inBubble(t, func(w *world) {
		w.start()
		b := w.holder()
		w.pass(time.Minute)
		w.memory.FailWrites(1, errDisk)
		b.healthy()
		w.isReady(false)
		b.says(protocol.Coma{})
		b.saw("health_check bake", "ack 4 ok", "ack 5 ok")
		w.pass(time.Second)
		w.isReady(true)
		w.logged(1, "store works again")
	})
}

func TestTrailIsFlushedAtTheEnd(t *testing.T) {
	inBubble(t, func(w *world) {
		w.start()
		b := w.holder()
		w.memory.DelayWrites(time.Second)
		b.healthy()
		w.memory.DelayWrites(0)
		for range 3 {
			w.join("1.0.0", instance("other"))
		}
		w.stop()
		if got, want := w.trail(), w.story(); !slices.Equal(got, want) {
			t.Errorf("the trail is %q, want what the log says: %q", got, want)
		}
	})
}

func TestTrailThatCannotBeFlushedIsLogged(t *testing.T) {
	inBubble(t, func(w *world) {
		failing := w.brittle()
		w.start()
		b := w.holder()
		failing.apply.fails(errDisk)
		w.pass(time.Minute)
		b.healthy()
		w.stop()
		w.logged(1, "audit trail lost", `"lines":1`)
	})
}

func TestTrailIsBounded(t *testing.T) {
	var waits trail
	line := func(i int) fleet.Record { return fleet.EventRecord{Event: fmt.Sprint(i)} }
	for i := range trailLimit + 10 {
		waits.add([]fleet.Record{line(i)})
	}
	done := make(chan struct{})
	close(done)
	waits.batch = &batch{lines: []fleet.Record{line(-1)}, done: done, err: errDisk}
	if err := waits.settle(false); !errors.Is(err, errDisk) {
		t.Errorf("settle() = %v, want %v", err, errDisk)
	}
	if n := len(waits.lines); n != trailLimit {
		t.Errorf("%d lines wait, want %d", n, trailLimit)
	}
	if first, last := waits.lines[0], waits.lines[trailLimit-1]; first != line(10) || last != line(trailLimit+9) {
		t.Errorf("the lines are %v to %v, want %v to %v", first, last, line(10), line(trailLimit+9))
	}
}
