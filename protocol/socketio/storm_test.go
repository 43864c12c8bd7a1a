package socketio

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/zishang520/socket.io/servers/engine/v3"
)

// rawPeer is a websocket client with nothing to spare, for storms and benchmarks.
type rawPeer struct {
	conn net.Conn
	in   *bufio.Reader
}

func dialRaw(address string, size int) (*rawPeer, error) {
	conn, err := net.Dial("tcp", address)
	if err != nil {
		return nil, err
	}
	p := &rawPeer{conn: conn, in: bufio.NewReaderSize(conn, size)}
	_ = conn.SetDeadline(time.Now().Add(patience))
	_, err = fmt.Fprintf(conn, "GET %s?EIO=4&transport=websocket HTTP/1.1\r\nHost: %s\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"+
		"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n", Path, address)
	return p, err
}

// handshake reads the answer to the request.
func (p *rawPeer) handshake() error {
	line, err := p.in.ReadString('\n')
	if err == nil && !strings.Contains(line, "101") {
		err = fmt.Errorf("got %q", line)
	}
	for err == nil && line != "\r\n" {
		line, err = p.in.ReadString('\n')
	}
	return err
}

func (p *rawPeer) send(text string) error {
	head := []byte{0x81}
	if len(text) < 126 {
		head = append(head, 0x80|byte(len(text)))
	} else {
		head = binary.BigEndian.AppendUint16(append(head, 0x80|126), uint16(len(text)))
	}
	_, err := p.conn.Write(append(append(head, 0, 0, 0, 0), text...)) // a mask of zeros changes nothing
	return err
}

// next reads a message's head and returns its size.
func (p *rawPeer) next() (int, error) {
	var head [8]byte
	if _, err := io.ReadFull(p.in, head[:2]); err != nil {
		return 0, err
	}
	switch size := int(head[1]); size {
	case 126:
		_, err := io.ReadFull(p.in, head[:2])
		return int(binary.BigEndian.Uint16(head[:])), err
	case 127:
		_, err := io.ReadFull(p.in, head[:])
		return int(binary.BigEndian.Uint64(head[:])), err
	default:
		return size, nil
	}
}

// message reads a message, pings excepted.
func (p *rawPeer) message() ([]byte, error) {
	for {
		size, err := p.next()
		if err != nil {
			return nil, err
		}
		data := make([]byte, size)
		if _, err = io.ReadFull(p.in, data); err != nil || !bytes.Equal(data, []byte("2")) {
			return data, err
		}
	}
}

// connect goes from the request to the answered CONNECT.
func (p *rawPeer) connect() error {
	if err := p.handshake(); err != nil {
		return err
	}
	if err := p.send("40"); err != nil {
		return err
	}
	for _, want := range []string{"0{", "40{"} {
		data, err := p.message()
		if err != nil {
			return fmt.Errorf("waiting for %q: %w", want, err)
		}
		if !bytes.HasPrefix(data, []byte(want)) {
			return fmt.Errorf("got %q, want %q", data, want)
		}
	}
	return nil
}

// vanish cuts the connection with a reset, so that no port waits to be free again.
func (p *rawPeer) vanish() { reset(p.conn) }

// storm is one client's short life; it ends at one of six points.
func storm(address string, i int) error {
	p, err := dialRaw(address, 512)
	if err != nil {
		return err
	}
	defer p.vanish()
	point := i % 6
	if point == 0 {
		return nil
	}
	if point == 1 {
		return p.handshake()
	}
	if point == 2 {
		if err := p.handshake(); err != nil {
			return err
		}
		return p.send("40")
	}
	if err := p.connect(); err != nil {
		return err
	}
	switch point {
	case 3:
		return nil
	case 4:
		return p.send("41")
	default:
		if err := p.send(`420["ready",{}]`); err != nil {
			return err
		}
		_, err := p.message()
		return err
	}
}

// rage lets so many storms pass, 64 at a time.
func rage(t *testing.T, address string, clients int) {
	t.Helper()
	var next atomic.Int64
	var group sync.WaitGroup
	for range 64 {
		group.Go(func() {
			for i := next.Add(1); i <= int64(clients); i = next.Add(1) {
				if err := storm(address, int(i)); err != nil {
					t.Errorf("client %d: %v", i, err)
					return
				}
			}
		})
	}
	group.Wait()
}

// The contract of Handler: Opened first, Closed last and exactly once. Section 1: a CONNECT is answered.
func TestAStormOfConnectsLeavesNothingBehind(t *testing.T) {
	clients := 10_000
	if testing.Short() {
		clients = 1_000
	}
	for _, procs := range []int{runtime.GOMAXPROCS(0), 8} {
		t.Run(fmt.Sprintf("GOMAXPROCS=%d", procs), func(t *testing.T) {
			defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(procs))
			b := serve(t, nil)
			b.forget = true
			b.onReceived = answer
			address := b.server.Listener.Addr().String()
			require.NoError(t, storm(address, 5))
			before := runtime.NumGoroutine()
			rage(t, address, clients)
			eventually(t, "the end of the last connection", func() bool {
				return b.gateway.Connections() == 0 && b.gateway.engine.ClientsCount() == 0
			})
			assert.Zero(t, b.gateway.engine.Clients().Len(), "sessions")
			eventually(t, "the end of the last socket", func() bool { return b.gateway.server.Sockets().Sockets().Len() == 0 })
			b.mu.Lock()
			assert.Equal(t, b.opens, b.closes)
			assert.Empty(t, b.conns)
			assert.GreaterOrEqual(t, b.opens, clients/2)
			t.Logf("%d clients, %d opened", clients, b.opens)
			b.mu.Unlock()
			eventually(t, "the end of the last goroutine", func() bool { return runtime.NumGoroutine() <= before+5 })
		})
	}
}

// No way is known in which the library keeps an end to itself; if there is one, the reaper notices.
func TestTheReaperEndsWhatTheLibraryForgot(t *testing.T) {
	t.Parallel()
	b := serve(t, nil)
	peer := Peer{}
	require.Nil(t, b.gateway.admit(peer.Address))
	c := newClient(b.gateway, peer)
	b.gateway.add(c)
	require.True(t, c.open("forgotten"))
	session := engine.MakeSocket()
	session.SetReadyState("closed")
	c.session.Store(&session)
	b.gateway.reap()
	assert.Equal(t, reasonTransport, b.reason("forgotten"))
	assert.Zero(t, b.gateway.Connections())
}
