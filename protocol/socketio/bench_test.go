package socketio

import (
	"fmt"
	"io"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rs/zerolog"
)

// answerer acknowledges and remembers its connections.
type answerer struct{ conns sync.Map }

func (a *answerer) Opened(c Conn) { a.conns.Store(c.ID(), c) }

func (a *answerer) Received(id string, in Inbound) {
	if c, ok := a.conns.Load(id); ok {
		c.(Conn).Ack(in.Ack, in.Err)
	}
}

func (a *answerer) Closed(id, _ string) { a.conns.Delete(id) }

func serveBench(b *testing.B) (*answerer, string) {
	b.Helper()
	h := &answerer{}
	g, err := New(Config{Handler: h, EventRate: -1, PingInterval: time.Minute})
	if err != nil {
		b.Fatal(err)
	}
	server := httptest.NewUnstartedServer(nil)
	server.Config = NewServer(g.Handler(), zerolog.Nop())
	server.Start()
	b.Cleanup(func() {
		server.CloseClientConnections()
		server.Close()
	})
	return h, server.Listener.Addr().String()
}

func connectRaw(b *testing.B, address string) *rawPeer {
	b.Helper()
	p, err := dialRaw(address, 16<<10)
	if err == nil {
		err = p.connect()
	}
	if err != nil {
		b.Fatal(err)
	}
	_ = p.conn.SetDeadline(time.Time{})
	return p
}

func roundTrip(p *rawPeer) error {
	if err := p.send(`420["ready",{"guilds":12}]`); err != nil {
		return err
	}
	_, err := p.message()
	return err
}

func BenchmarkConnectToFirstAck(b *testing.B) {
	_, address := serveBench(b)
	b.SetParallelism(16)
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			p, err := dialRaw(address, 512)
			if err == nil {
				err = p.connect()
			}
			if err == nil {
				err = roundTrip(p)
			}
			if err != nil {
				b.Error(err)
				return
			}
			p.vanish()
		}
	})
}

func BenchmarkEventRoundTrip(b *testing.B) {
	_, address := serveBench(b)
	b.SetParallelism(50)
	b.RunParallel(func(pb *testing.PB) {
		p := connectRaw(b, address)
		defer p.vanish()
		const window = 16
		flying := 0
		for pb.Next() {
			err := p.send(`420["ready",{"guilds":12}]`)
			if flying++; err == nil && flying == window {
				_, err = p.message()
				flying--
			}
			if err != nil {
				b.Error(err)
				return
			}
		}
	})
}

func BenchmarkBroadcast(b *testing.B) {
	const clients = 1000
	for _, size := range []int{64 << 10, 1 << 20} {
		b.Run(fmt.Sprintf("%dKiB to %d", size>>10, clients), func(b *testing.B) {
			h, address := serveBench(b)
			arrived := crowd(b, address, clients, size)
			data := []byte(`"` + strings.Repeat("x", size) + `"`)
			b.SetBytes(int64(size) * clients)
			for b.Loop() {
				h.broadcast(NewFrame("cache_sync", data).Conflate())
				for range clients {
					if err := <-arrived; err != nil {
						b.Fatal(err)
					}
				}
			}
		})
	}
}

// crowd connects clients that report each message of at least that size.
func crowd(b *testing.B, address string, clients, size int) <-chan error {
	b.Helper()
	arrived := make(chan error, clients)
	for range clients {
		p := connectRaw(b, address)
		b.Cleanup(p.vanish)
		go p.count(size, arrived)
	}
	return arrived
}

func (a *answerer) broadcast(f Frame) {
	a.conns.Range(func(_, c any) bool {
		c.(Conn).Send(f)
		return true
	})
}

// count reports each message of at least that size, until an error.
func (p *rawPeer) count(size int, arrived chan<- error) {
	for {
		n, err := p.next()
		if err == nil {
			_, err = io.CopyN(io.Discard, p.in, int64(n))
		}
		if err != nil {
			arrived <- err
			return
		}
		if n >= size {
			arrived <- nil
		}
	}
}
