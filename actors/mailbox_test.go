package actors

import (
	"fmt"
	"runtime"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/urban-robot/urban-robot/protocol"
	"github.com/urban-robot/urban-robot/protocol/socketio"
)

// processes is the number of actors, futures and the like.
func (w *world) processes() int {
	n := 0
	for _, bucket := range w.system.running.Load().root.ActorSystem().ProcessRegistry.LocalPIDs.LocalPIDs {
		n += bucket.Count()
	}
	return n
}

func TestConnectionsAreHandledInTheirOrder(t *testing.T) {
	inBubble(t, func(w *world) {
		w.start()
		const connections, events = 50, 20
		bots := make([]*bot, connections)
		for i := range bots {
			bots[i] = &bot{w: w, id: fmt.Sprintf("a/b c%d$", i), peer: socketio.Peer{}}
		}
		var all sync.WaitGroup
		for _, b := range bots {
			all.Go(func() {
				w.system.Opened(b)
				for n := range events {
					w.system.Received(b.id, socketio.Inbound{
						Name: "dance", Err: protocol.Errorf(protocol.CodeUnknownEvent, "", "want another"), Ack: uint64(n + 1),
					})
				}
				w.system.Closed(b.id, "transport close")
			})
		}
		all.Wait()
		var want []string
		for n := range events {
			want = append(want, fmt.Sprintf("ack %d unknown_event", n+1))
		}
		want = append(want, "rejected dance too_many", "close")
		for _, b := range bots {
			b.saw(want...)
		}
	})
}

func TestSecondConnectionOfOneIDIsClosed(t *testing.T) {
	inBubble(t, func(w *world) {
		w.start()
		first := w.connect()
		second := &bot{w: w, id: first.id}
		w.system.Opened(second)
		w.settle()
		if !second.isClosed() {
			t.Error("the second connection stays open")
		}
		w.logged(1, "client not started")
	})
}

func TestTenThousandConnectionsLeaveNothing(t *testing.T) {
	inBubble(t, func(w *world) {
		w.start()
		before, goroutines := w.processes(), runtime.NumGoroutine()
		bots := make([]*bot, 10_000)
		for i := range bots {
			bots[i] = w.connect()
			if i%10 == 0 {
				w.system.Received(bots[i].id, socketio.Inbound{Name: protocol.EventIdentify, Event: protocol.Identify{
					Version: "1.0.0", Key: protocol.NewToken(theKey), Instance: fmt.Sprint(i),
				}})
			}
		}
		synctest.Wait()
		if n := w.processes() - before; n != len(bots) {
			t.Errorf("there are %d actors for %d connections", n, len(bots))
		}
		for _, b := range bots {
			w.system.Closed(b.id, "transport close")
		}
		w.pass(time.Hour)
		if n := w.processes(); n != before {
			t.Errorf("there are %d processes after all connections closed, want %d", n, before)
		}
		if n := runtime.NumGoroutine(); n > goroutines {
			t.Errorf("there are %d goroutines after all connections closed, want %d", n, goroutines)
		}
		w.isReady(true)
	})
}
