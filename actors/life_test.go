package actors

import (
	"testing"
	"time"

	"github.com/urban-robot/urban-robot/protocol"
)

func cacheOf(json string) protocol.CacheSync {
	return protocol.CacheSync{Cache: protocol.Cache{JSON: []byte(json)}}
}

// holder lets a first client, of version 1.0.0, take the vacant seat.
func (w *world) holder(change ...func(*protocol.Identify)) *bot {
	w.t.Helper()
	b := w.join("1.0.0", change...)
	b.saw("ack 1 ok", "hello true 1")
	b.says(protocol.Ready{})
	b.saw("ack 2 ok", "ok 1", "health_check bake")
	b.healthy()
	b.saw("ack 3 ok")
	return b
}

// candidate brings a client of version 2.0.0 up to its health check.
func (w *world) candidate(change ...func(*protocol.Identify)) *bot {
	w.t.Helper()
	b := w.join("2.0.0", change...)
	b.saw("ack 1 ok", "hello false 1")
	b.says(protocol.Ready{})
	b.saw("ack 2 ok", "health_check candidate")
	return b
}

// standby brings a client of the holder's version into coma.
func (w *world) standby(change ...func(*protocol.Identify)) *bot {
	w.t.Helper()
	b := w.join("1.0.0", append(change, instance("other"))...)
	b.says(protocol.Ready{})
	b.says(protocol.Coma{})
	return b.forgets()
}

func TestSwap(t *testing.T) {
	inBubble(t, func(w *world) {
		w.start()
		old := w.holder()
		fresh := w.candidate()
		fresh.healthy()
		fresh.saw("ack 3 ok")
		old.saw("coma handover")
		old.says(cacheOf(`{"a":1}`))
		old.saw("ack 4 ok")
		fresh.saw("cache_sync 7")
		old.says(protocol.Coma{Epoch: 1, Handled: []string{"4", "5"}})
		old.saw("ack 5 ok")
		fresh.saw("process_commands 2 4,5")
		fresh.says(protocol.Ready{})
		fresh.saw("ack 4 ok", "ok 2", "health_check bake")
		w.stop()
		if s := w.seat(); s.Epoch != 2 || s.Instance != "i-2.0.0" {
			t.Errorf("stored seat = %+v, want epoch 2 of i-2.0.0", s)
		}
	})
}

func TestSwapSendsTheCacheBeforeTheSeat(t *testing.T) {
	inBubble(t, func(w *world) {
		w.start()
		old := w.holder()
		fresh := w.candidate()
		fresh.healthy()
		old.saw("coma handover")
		fresh.forgets()
		w.memory.DelayWrites(time.Second) // the coma overtakes the cache that is being stored
		old.tells(cacheOf(`[1,2]`))
		old.tells(protocol.Coma{Epoch: 1})
		fresh.saw()
		w.pass(3 * time.Second)
		fresh.saw("cache_sync 5", "process_commands 2 ")
	})
}

func TestRefusal(t *testing.T) {
	inBubble(t, func(w *world) {
		w.start()
		old := w.holder()
		bad := w.candidate()
		bad.says(report(false))
		bad.saw("ack 3 ok", "shutdown health_check_failure")
		bad.says(protocol.Shutdown{})
		bad.saw("ack 4 ok")
		bad.goes()
		old.saw()
		again := w.join("2.0.0")
		again.saw("ack 1 quarantined_version", "hello quarantined_version", "shutdown quarantined_version")
	})
}

func TestLostHolderIsReplacedAfterItsLease(t *testing.T) {
	inBubble(t, func(w *world) {
		w.start()
		holder := w.holder()
		other := w.standby()
		holder.goes()
		w.pass(31 * time.Second)
		other.saw()
		w.pass(time.Second)
		other.saw("process_commands 2 ")
		other.says(protocol.Ready{})
		other.saw("ack 4 ok", "ok 2", "health_check bake")
	})
}

func TestProvenDeathGivesTheSeatAwayAtOnce(t *testing.T) {
	inBubble(t, func(w *world) {
		w.start()
		holder := w.holder()
		other := w.standby()
		w.system.Exited("no such fleet", "i-1.0.0")
		w.system.Exited(theFleet, "i-1.0.0")
		holder.saw("abort")
		other.saw("process_commands 2 ")
	})
}

func TestRestartAdoptsTheHolder(t *testing.T) {
	inBubble(t, func(w *world) {
		w.start()
		holder := w.holder()
		w.standby()
		writes := w.memory.Writes()
		w.stop()
		if n := w.memory.Writes() - writes; n > 1 { // the audit trail
			t.Errorf("the end of Run() wrote %d times, want once at most", n)
		}
		holder.saw()
		if holder.isClosed() {
			t.Error("the end of Run() closes connections, want them left to the gateway")
		}
		w.pass(10 * time.Second)

		w.start()
		newcomer := w.join("1.0.0", func(e *protocol.Identify) { e.Instance = "newcomer" })
		newcomer.saw("ack 1 ok", "hello false 1")
		back := w.join("1.0.0", session(1))
		back.saw("ack 1 ok", "hello true 1")
		back.says(protocol.Ready{})
		back.saw("ack 2 ok", "ok 1", "health_check bake")
		stale := w.join("1.0.0", session(0), func(e *protocol.Identify) { e.Instance = "stale" })
		stale.saw("ack 1 ok", "hello false 1")
		w.pass(time.Minute)
		newcomer.saw("shutdown startup_timeout")
		w.pass(10 * time.Second)
		newcomer.saw("close")
	})
}

func TestEndOfRunStoresNothingThatCostsTheSeat(t *testing.T) {
	inBubble(t, func(w *world) {
		w.start()
		w.holder()
		w.stop()
		if s := w.seat(); s.Epoch != 1 || s.Instance != "i-1.0.0" {
			t.Errorf("stored seat = %+v, want epoch 1 of i-1.0.0", s)
		}
	})
}

func TestConnectionsBeforeAndAfterRunAreClosed(t *testing.T) {
	inBubble(t, func(w *world) {
		w.start()
		system := w.system
		w.stop()
		late := &bot{w: w, id: "late"}
		system.Opened(late)
		system.Received("late", inboundOf(protocol.Ready{}))
		system.Closed("late", "transport close")
		system.Exited(theFleet, "i")
		late.saw("abort")
		if err := system.Ready(); err == nil {
			t.Error("Ready() = nil after the end, want an error")
		}
	})
}

func TestCommandEventHasTheConfiguredName(t *testing.T) {
	inBubble(t, func(w *world) {
		w.config.Fleets[0].CommandEvent = "cmd"
		w.start()
		b := w.join("1.0.0")
		b.says(protocol.Ready{})
		b.saw("ack 1 ok", "hello true 1", "ack 2 ok", "cmd:ok 1", "cmd:health_check bake")
	})
}

func TestEndOfRunIsBoundedWhateverTheStoreDoes(t *testing.T) {
	inBubble(t, func(w *world) {
		w.start()
		w.holder().says(cacheOf("{}"))
		w.memory.DelayWrites(time.Hour)
		w.system.Received("c1", inboundOf(cacheOf("{}")))
		w.system.Received("c1", inboundOf(protocol.Coma{}))
		began := time.Now()
		w.stop()
		if took := time.Since(began); took > 20*time.Second {
			t.Errorf("Run() took %v to end, want 20 s at most", took)
		}
	})
}

func TestEndOfRunBeforeTheFleetIsLoaded(t *testing.T) {
	inBubble(t, func(w *world) {
		w.memory.DelayWrites(time.Hour)
		w.run()
		w.join("1.0.0")
		w.isReady(false)
		began := time.Now()
		w.stop()
		if took := time.Since(began); took > 10*time.Second {
			t.Errorf("Run() took %v to end, want 10 s at most", took)
		}
	})
}
