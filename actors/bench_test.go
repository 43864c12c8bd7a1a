package actors

import (
	"fmt"
	"log/slog"
	"net/netip"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/asynkron/protoactor-go/actor"
	"github.com/rs/zerolog"

	"github.com/urban-robot/urban-robot/protocol"
	"github.com/urban-robot/urban-robot/protocol/socketio"
)

// sink is a connection that only counts what it is sent.
type sink struct {
	id   string
	acks chan struct{}
	sent *atomic.Int64 // frames, all sinks' together
}

func (s *sink) ID() string { return s.id }

func (s *sink) Peer() socketio.Peer { return socketio.Peer{Address: netip.MustParseAddr("127.0.0.1")} }

func (s *sink) Send(socketio.Frame) { s.sent.Add(1) }

func (s *sink) Ack(uint64, *protocol.Error) { s.acks <- struct{}{} }

func (s *sink) SendAcked(_ socketio.Frame, done func(error)) {
	s.sent.Add(1)
	done(nil)
}

func (s *sink) Close(bool) {}

// benchWorld is a System with so many clients that are logged in; the first holds the seat.
type benchWorld struct {
	*world
	sinks []*sink
	sent  atomic.Int64
	last  int
}

func newBenchWorld(b *testing.B, clients int) *benchWorld {
	w := &benchWorld{world: newWorld(b)}
	w.policy().Health.Interval = time.Hour
	w.config.Store, w.config.Log = w.memory, zerolog.Nop()
	w.run()
	b.Cleanup(w.stop)
	for w.system.Ready() != nil {
		time.Sleep(time.Millisecond)
	}
	for range clients {
		w.sinks = append(w.sinks, w.visit())
	}
	return w
}

// visit connects a client up to its ready.
func (w *benchWorld) visit() *sink {
	w.last++
	s := &sink{id: fmt.Sprint("b", w.last), acks: make(chan struct{}, 16), sent: &w.sent}
	w.system.Opened(s)
	w.call(s, protocol.Identify{
		Version: "1.0.0", Key: protocol.NewToken(theKey), Instance: s.id, Session: &protocol.Session{Ready: true},
	})
	w.call(s, protocol.Ready{})
	return s
}

// call sends an event and waits for its acknowledgement.
func (w *benchWorld) call(s *sink, e protocol.Event) {
	w.system.Received(s.id, socketio.Inbound{Name: e.EventName(), Event: e, Ack: 1})
	<-s.acks
}

// bareTell measures one message to an actor that does nothing but answer, over a channel, in the same way.
func bareTell(b *testing.B) time.Duration {
	b.Helper()
	system := actor.NewActorSystem(actor.WithLoggerFactory(nopLog))
	defer system.Shutdown()
	answers := make(chan struct{}, 1)
	pid := system.Root.Spawn(actor.PropsFromFunc(func(ctx actor.Context) {
		if _, ok := ctx.Message().(tick); ok {
			answers <- struct{}{}
		}
	}))
	const tells = 100_000
	began := time.Now()
	for range tells {
		system.Root.Send(pid, tick{})
		<-answers
	}
	took := time.Since(began) / tells
	_ = system.Root.PoisonFuture(pid).Wait()
	return took
}

func compare(b *testing.B, bare time.Duration, each int) {
	b.Helper()
	b.ReportMetric(float64(b.Elapsed())/float64(b.N)/float64(bare)/float64(each), "tells/op")
	b.ReportMetric(float64(bare), "ns/tell")
}

// A health report through clients, client and supervisor, and its acknowledgement back.
func BenchmarkHealthReport(b *testing.B) {
	for _, clients := range []int{1, 10_000} {
		b.Run(fmt.Sprint(clients), func(b *testing.B) {
			bare := bareTell(b)
			w := newBenchWorld(b, clients)
			ok := true
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				w.call(w.sinks[i%clients], protocol.HealthReport{OK: &ok, Cogs: map[string]protocol.Cog{"modules.utilities": {OK: true}}})
			}
			compare(b, bare, 1)
		})
	}
}

// A whole visit: connection, identify, ready, their acknowledgements, hello, the answer to ready, disconnect.
func BenchmarkVisit(b *testing.B) {
	for _, clients := range []int{1, 10_000} {
		b.Run(fmt.Sprint(clients), func(b *testing.B) {
			bare := bareTell(b)
			w := newBenchWorld(b, clients)
			b.ReportAllocs()
			for b.Loop() {
				w.system.Closed(w.visit().id, "transport close")
			}
			compare(b, bare, 1)
		})
	}
}

// A cache from the holder to 1,000 others, stored in between.
func BenchmarkCacheFanOut(b *testing.B) {
	for _, size := range []int{64 << 10, 1 << 20} {
		b.Run(fmt.Sprint(size>>10, "KiB"), func(b *testing.B) {
			const clients = 1001
			bare := bareTell(b)
			w := newBenchWorld(b, clients)
			cache := cacheOf(`"` + strings.Repeat("x", size-2) + `"`)
			b.ReportAllocs()
			for b.Loop() {
				before := w.sent.Load()
				w.call(w.sinks[0], cache)
				for w.sent.Load() < before+clients-1 {
					time.Sleep(10 * time.Microsecond)
				}
			}
			compare(b, bare, clients-1)
		})
	}
}

func nopLog(*actor.ActorSystem) *slog.Logger { return systemLog(zerolog.Nop()) }
