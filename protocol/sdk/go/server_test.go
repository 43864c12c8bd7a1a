package urbanrobot

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/urban-robot/urban-robot/protocol"
)

// message is one websocket message.
type message struct {
	data   []byte
	binary bool
}

// pipe is a socket without a network, for tests in virtual time. Unlike a network's, its end comes before what was sent.
type pipe struct {
	in, out chan message
	once    *sync.Once
	closed  chan struct{}
}

func (p pipe) read() ([]byte, bool, error) {
	select {
	case m := <-p.in:
		return m.data, m.binary, nil
	case <-p.closed:
		return nil, false, errClosed
	}
}

func (p pipe) write(data []byte, binary bool) error {
	select {
	case p.out <- message{slices.Clone(data), binary}:
		return nil
	case <-p.closed:
		return errClosed
	}
}

func (p pipe) close() { p.once.Do(func() { close(p.closed) }) }

// peer is the server's side of one connection.
type peer struct {
	t      *testing.T
	socket socket
	events chan packet
	mu     sync.Mutex
	mute   string // the event that is not acknowledged
	late   []string
}

const pingInterval = 10 * time.Second

// serve does the handshake and reads until the connection ends; every acknowledgement is given unless the peer is mute on the event.
func (p *peer) serve() {
	p.write(`0{"sid":"s","upgrades":[],"pingInterval":10000,"pingTimeout":20000,"maxPayload":1000000}`)
	var waiting *packet
	for {
		data, binary, err := p.socket.read()
		if err != nil {
			close(p.events)
			return
		}
		switch {
		case !binary && string(data) == "40":
			p.write(`40{"sid":"t"}`)
			continue
		case !binary && (data[0] != engineMessage || string(data) == "41"):
			continue
		}
		waiting, err = join(waiting, data, binary)
		if !assert.NoError(p.t, err) { //nolint:testifylint // not the goroutine of the test
			return
		}
		if waiting.missing > 0 {
			continue
		}
		p.arrived(*waiting)
		waiting = nil
	}
}

func (p *peer) arrived(packet packet) {
	if packet.kind == packetAck {
		return
	}
	p.mu.Lock()
	mute := p.mute == packet.event
	if mute {
		p.late = append(p.late, packet.ack)
	}
	p.mu.Unlock()
	if !mute {
		p.ack(packet.ack)
	}
	p.events <- packet
}

func (p *peer) ack(number string) { p.write("43" + number + `[{"ok":true}]`) }

func (p *peer) setMute(event string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.mute = event
}

// ackOldest gives the oldest acknowledgement that is owed.
func (p *peer) ackOldest() {
	p.mu.Lock()
	number := p.late[0]
	p.late = p.late[1:]
	p.mu.Unlock()
	p.ack(number)
}

func (p *peer) write(text string) { _ = p.socket.write([]byte(text), false) }

func (p *peer) hello(h protocol.Hello) {
	p.write(`42["hello",` + string(protocol.EncodeHello(h)) + `]`)
}

func (p *peer) command(c protocol.Command) {
	p.write(`42["command",` + string(protocol.EncodeCommand(c)) + `]`)
}

// next returns the next event.
func (p *peer) next() packet {
	p.t.Helper()
	select {
	case e, ok := <-p.events:
		require.True(p.t, ok, "the connection ended")
		return e
	case <-time.After(10 * time.Minute):
		require.Fail(p.t, "no event came")
		return packet{}
	}
}

// expect returns the next event, decoded, which must be of that kind.
func expect[E protocol.Event](p *peer) E {
	p.t.Helper()
	got := p.next()
	e, err := protocol.DecodeEvent(got.event, got.data, got.attachments)
	require.NoError(p.t, err, "%s", got.data)
	require.IsType(p.t, *new(E), e)
	return e.(E)
}

// quiet fails if the client says anything for that long.
func (p *peer) quiet(d time.Duration) {
	p.t.Helper()
	select {
	case e, ok := <-p.events:
		if ok {
			assert.Fail(p.t, "unexpected event", "%s %s", e.event, e.data)
		}
	case <-time.After(d):
	}
}

// world is a client, the connections it makes, and what it was told.
type world struct {
	*Client
	t      *testing.T
	dials  chan *peer
	ended  chan error
	cancel context.CancelFunc

	mu   sync.Mutex
	said []string // what the client's functions were called with
}

func (w *world) note(format string, args ...any) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.said = append(w.said, fmt.Sprintf(format, args...))
}

// told returns what was noted, and forgets it.
func (w *world) told() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	all := strings.Join(w.said, ", ")
	w.said = nil
	return all
}

// start runs a client inside a bubble. Functions that o does not set note their calls.
func start(t *testing.T, o Options) *world {
	t.Helper()
	w := &world{t: t, dials: make(chan *peer, 16), ended: make(chan error, 1)}
	o.URL, o.Version = "http://urban-robot.test", "1.4.0"
	if o.Login == nil {
		o.Login = func(_ context.Context, token protocol.Token) error {
			w.note("login %s", token.Reveal())
			return nil
		}
	}
	o.OnActive = func(a Activation) { w.note("active %d", a.Epoch) }
	o.OnComa = func(reason protocol.Reason) { w.note("coma %s", reason) }
	o.OnShutdown = func(reason protocol.Reason) { w.note("shutdown %s", reason) }
	if o.OnCache == nil {
		o.OnCache = func(cache []byte) { w.note("cache %s", cache) }
	}
	c, err := New(o)
	require.NoError(t, err)
	c.dial = w.dial
	w.Client = c
	ctx, cancel := context.WithCancel(t.Context())
	w.cancel = cancel
	go func() { w.ended <- c.Run(ctx) }()
	return w
}

func (w *world) dial(ctx context.Context, _ string) (socket, error) {
	up, down := make(chan message, 64), make(chan message, 64)
	once, closed := new(sync.Once), make(chan struct{})
	p := &peer{t: w.t, socket: pipe{up, down, once, closed}, events: make(chan packet, 64)}
	go p.serve()
	select {
	case w.dials <- p:
	case <-ctx.Done():
		p.socket.close()
	}
	return pipe{down, up, once, closed}, nil
}

// accept returns the next connection.
func (w *world) accept() *peer {
	w.t.Helper()
	select {
	case p := <-w.dials:
		return p
	case <-time.After(10 * time.Minute):
		require.Fail(w.t, "no connection came")
		return nil
	}
}

// finish ends the client and checks that Run returned nil.
func (w *world) finish() {
	w.t.Helper()
	w.cancel()
	require.NoError(w.t, <-w.ended)
}

func granted(epoch uint64) protocol.Hello {
	return protocol.Hello{
		Token: protocol.NewToken("discord"), ProcessCommands: true, Instance: "bot-7", Epoch: epoch, LeaseMS: 30_000,
	}
}

func standby(epoch uint64) protocol.Hello {
	h := granted(epoch)
	h.ProcessCommands = false
	return h
}

// activate takes a client through a cold start.
func (w *world) activateAt(epoch uint64) *peer {
	w.t.Helper()
	p := w.accept()
	expect[protocol.Identify](p)
	p.hello(granted(epoch))
	expect[protocol.Ready](p)
	p.command(protocol.OK{Epoch: epoch})
	w.settle()
	require.True(w.t, w.Active())
	return p
}

// settle lets a millisecond pass, in which all that can happen at once happens.
func (*world) settle() { time.Sleep(time.Millisecond) }

// pings keeps the lease alive until the connection ends.
func (p *peer) pings(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-time.After(pingInterval):
			p.write("2")
		}
	}
}

var errTest = errors.New("no such guild")
