package actors

import (
	"errors"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/asynkron/protoactor-go/actor"
	"github.com/rs/zerolog"

	"github.com/urban-robot/urban-robot/protocol"
	"github.com/urban-robot/urban-robot/protocol/socketio"
)

func TestClientThatPanicsCostsItsOwnConnection(t *testing.T) {
	inBubble(t, func(w *world) {
		w.start()
		holder := w.holder()
		other := w.standby()
		holder.onSend = func(socketio.Frame) { panic(cacheOf("secret-cache-content")) }
		holder.tells(protocol.HealthReport{CheckID: "not asked for"})
		holder.says(protocol.Ready{}) // ok makes it panic
		holder.saw("ack 4 ok", "abort")
		if other.isClosed() {
			t.Error("another client is cut off, too")
		}
		w.logged(1, "actor panicked", "protocol.CacheSync", "panic_test.go", `"message_type":"actors.ordered"`)
		w.logged(1, "seat lost")
		w.logged(1, `"from":"active","to":"gone"`, "client stopped")
		w.pass(32 * time.Second)
		other.saw("process_commands 2 ")
	})
}

func TestClientThatPanicsAtOnce(t *testing.T) {
	inBubble(t, func(w *world) {
		w.start()
		b := w.connect()
		b.onSend = func(socketio.Frame) { panic(errors.New("boom")) }
		b.tells(protocol.Ready{}) // rejected
		b.saw("abort")
		w.logged(1, "actor panicked", "boom")
		w.isReady(true)
	})
}

func TestParentOfClientsThatPanicsCostsAllConnections(t *testing.T) {
	inBubble(t, func(w *world) {
		w.start()
		holder := w.holder()
		for range 2 * restarts {
			w.system.Opened(nil)
		}
		holder.saw("abort")
		w.logged(1, "seat lost")
		w.isReady(true)
		back := w.join("1.0.0", session(1))
		back.saw("ack 1 ok", "hello true 1")
	})
}

func TestSupervisorThatPanicsRestartsFromTheStore(t *testing.T) {
	inBubble(t, func(w *world) {
		failing := w.brittle()
		w.start()
		holder := w.holder()
		other := w.standby()
		failing.apply.panics()
		unlucky := w.join("1.0.0", instance("unlucky"))
		failing.apply.works()
		for _, b := range []*bot{holder, other, unlucky} {
			b.saw("abort")
		}
		w.logged(1, "actor panicked", "the store is broken", "faults_test.go", `"component":"fleet"`)
		w.isReady(true)
		back := w.join("1.0.0", session(1))
		back.saw("ack 1 ok", "hello true 1")
		back.says(protocol.Ready{})
		back.saw("ack 2 ok", "ok 1", "health_check bake")
		w.logged(1, "holder adopted")
		w.stop()
		if s := w.seat(); s.Epoch != 1 || s.Instance != "i-1.0.0" {
			t.Errorf("stored seat = %+v, want epoch 1 of i-1.0.0", s)
		}
	})
}

func TestPanicOutsideIsOneOfItsActor(t *testing.T) {
	inBubble(t, func(w *world) {
		failing := w.brittle()
		w.start()
		holder := w.holder()
		failing.save.panics()
		holder.says(cacheOf(`"secret-cache-content"`))
		holder.saw("abort")
		w.logged(1, "actor panicked", "the store is broken", "faults_test.go")
		w.isReady(true)
	})
}

func TestProofOfDeathSurvivesAPanic(t *testing.T) {
	inBubble(t, func(w *world) {
		failing := w.brittle()
		w.policy().Lease = 0
		w.start()
		holder := w.holder()
		holder.goes()
		failing.apply.fails(errDisk)
		w.join("1.0.0", instance("other"))
		w.system.Exited(theFleet, "i-1.0.0")
		w.isReady(false)
		failing.apply.set(func() error {
			failing.apply.works()
			panic("the store is broken")
		})
		w.pass(time.Second)
		w.isReady(true)
		w.logged(1, "seat vacated", "process exited")
	})
}

func TestSupervisorThatPanicsAgainAndAgainStaysDown(t *testing.T) {
	inBubble(t, func(w *world) {
		failing := w.brittle()
		w.start()
		failing.apply.panics()
		for range restarts {
			w.join("1.0.0").saw("abort")
		}
		w.isReady(true)
		w.join("1.0.0").saw("abort")
		w.isReady(false)
		failing.apply.works()
		w.join("1.0.0").saw("abort")
		w.pass(time.Hour)
		w.join("1.0.0").saw("abort")
		w.isReady(false)
		w.logged(1, "fleet given up", `"level":"error"`)
		w.logged(restarts+1, "actor panicked")
	})
}

func TestPanicsFarApartAreForgiven(t *testing.T) {
	inBubble(t, func(w *world) {
		failing := w.brittle()
		w.start()
		failing.apply.panics()
		for range 3 * restarts {
			w.join("1.0.0").saw("abort")
			w.pass(restartWindow / 5)
		}
		w.isReady(true)
	})
}

func TestActorSystemsLogHasTypesOnly(t *testing.T) {
	out := &lockedLog{}
	log := systemLog(zerolog.New(out).Level(zerolog.TraceLevel))
	secret := cacheSaid{client: "c", cache: protocol.Cache{JSON: []byte("secret-cache-content")}}
	log.Info("[DeadLetter]", slog.Any("message", secret))
	log.With(slog.Any("with", secret)).WithGroup("group").Warn("[DeadLetter]", slog.Any("message", secret), slog.Any("pid", actor.NewPID("here", "clients/c1")),
		slog.Any("err", errors.New("boom")), slog.Int("n", 7), slog.Group("g", slog.String("s", "secret-cache-content")))
	if len(out.lines) != 1 {
		t.Fatalf("the log has %d lines, want 1: %q", len(out.lines), out.lines)
	}
	line := out.lines[0]
	for _, want := range []string{`"message":"[DeadLetter]"`, `"group.message_type":"actors.cacheSaid"`, "clients/c1", "boom", "7"} {
		if !strings.Contains(line, want) {
			t.Errorf("the line is %s, want %s in it", line, want)
		}
	}
	if strings.Contains(line, "secret") {
		t.Errorf("the line is %s, want no content in it", line)
	}
}
