package socketio

import (
	"errors"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/rs/zerolog"
	"github.com/zishang520/socket.io/servers/engine/v3"

	"github.com/urban-robot/urban-robot/protocol"
)

// ErrClosed is what SendAcked reports when the connection closed before the client acknowledged.
var ErrClosed = errors.New("connection closed")

// The reasons Closed is given, beside those the library finds itself ("transport close", "ping timeout", …).
const (
	reasonTransport = "transport close"
	reasonParse     = "parse error"
	reasonServer    = "server namespace disconnect"
	reasonForced    = "forced close"
	reasonShutdown  = "server shutting down"
)

// wire is the transport a client is connected by at the moment, beyond what the library knows of it.
type wire interface {
	sender
	// end says goodbye after the last byte and gives the peer a moment to close; orderly means that it will not be back.
	end(orderly bool)
	// abort closes at once, so that as little as possible of what was sent before can still arrive.
	abort()
}

// client is one connection from its handshake to its end; it outlives the change from polling to websocket. The library
// may tell of an end twice, never, or before the beginning, so what the Handler hears hangs on this struct alone.
type client struct {
	gateway   *Gateway
	peer      Peer
	out       outbox
	upgrading atomic.Bool   // a second transport is being probed
	opened    chan struct{} // closed once the handler was told, or never will be
	gone      chan struct{} // closed once the connection has ended
	reading   sync.Mutex    // held while a message is decoded: a client may send by two transports at once
	session   atomic.Pointer[engine.Socket]
	counted   bool // it is, or was, among the gateway's clients; under the gateway's lock

	mu       sync.Mutex
	id       string
	wire     wire
	state    state
	closing  bool   // Close was called: events no longer count
	reason   string // why we ended it ourselves; empty: we did not
	calls    []call // for the handler, in order
	calling  bool   // a goroutine is working through calls
	asked    map[uint64]uint64
	lastAsk  uint64
	awaited  map[uint64]func(error)
	lastSent uint64
	rate     rate
}

type state int

const (
	stateNew state = iota + 1
	stateOpen
	stateEnded
)

func newClient(g *Gateway, peer Peer) *client {
	c := &client{
		gateway: g,
		peer:    peer,
		opened:  make(chan struct{}),
		gone:    make(chan struct{}),
		state:   stateNew,
	}
	c.out.limit = g.config.MaxQueuedBytes
	c.rate.perSecond = g.config.EventRate
	return c
}

// ID implements Conn.
func (c *client) ID() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.id
}

// Peer implements Conn.
func (c *client) Peer() Peer { return c.peer }

// Send implements Conn.
func (c *client) Send(f Frame) {
	it := f.item()
	c.trace("sent event", f.name, it.size)
	c.queue(it)
}

// SendAcked implements Conn.
func (c *client) SendAcked(f Frame, done func(error)) {
	c.mu.Lock()
	if c.state != stateOpen {
		c.mu.Unlock()
		done(ErrClosed)
		return
	}
	c.lastSent++
	number := c.lastSent
	if c.awaited == nil {
		c.awaited = make(map[uint64]func(error))
	}
	c.awaited[number] = done
	c.mu.Unlock()
	it := f.itemAcked(number)
	c.trace("sent event", f.name, it.size)
	c.queue(it)
}

// Ack implements Conn.
func (c *client) Ack(number uint64, refusal *protocol.Error) {
	c.mu.Lock()
	theirs, ok := c.asked[number]
	delete(c.asked, number)
	c.mu.Unlock()
	if !ok {
		return
	}
	text := append([]byte{engineMessage, packetAck}, strconv.FormatUint(theirs, 10)...)
	text = append(text, '[')
	text = append(text, encodeAck(refusal)...)
	c.queue(newItem(append(text, ']'), nil))
}

// Close implements Conn.
func (c *client) Close(abort bool) {
	if abort {
		c.abort(reasonForced)
		return
	}
	if c.startClosing(reasonServer) {
		go c.finish(c.out.seal(newItem([]byte{engineMessage, packetDisconnect}, nil)), true)
	}
}

// leave closes the connection so that the client comes back by itself: without the DISCONNECT of an orderly Close.
func (c *client) leave() {
	if c.startClosing(reasonShutdown) {
		go c.finish(c.out.seal(), false)
	}
}

func (c *client) startClosing(reason string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closing || c.state == stateEnded {
		return false
	}
	c.closing = true
	c.reasonIs(reason)
	return true
}

// finish waits until what was queued has landed and says goodbye.
func (c *client) finish(landed <-chan struct{}, orderly bool) {
	c.await(landed)
	if w := c.currentWire(); w != nil {
		w.end(orderly)
	}
}

// await waits until everything queued is sent, for at most FlushTimeout.
func (c *client) await(landed <-chan struct{}) {
	timer := time.NewTimer(c.gateway.config.FlushTimeout)
	defer timer.Stop()
	select {
	case <-landed:
	case <-c.gone:
	case <-timer.C:
		c.log().Debug().Int("bytes", c.out.queued()).Msg("connection closed with data unsent")
	}
}

// abort ends the connection at once.
func (c *client) abort(reason string) {
	c.mu.Lock()
	c.closing = true
	c.reasonIs(reason)
	c.mu.Unlock()
	c.out.discard()
	if w := c.currentWire(); w != nil {
		w.abort()
	}
}

// violated notes that the client broke the protocol; the library closes the connection.
func (c *client) violated(err error) {
	c.mu.Lock()
	c.closing = true
	c.reasonIs(reasonParse)
	c.mu.Unlock()
	c.log().Warn().AnErr("err", err).Msg("client broke the protocol")
}

// reasonIs keeps the first reason; c.mu is held.
func (c *client) reasonIs(reason string) {
	if c.reason == "" {
		c.reason = reason
	}
}

// queue hands an item to the transport; a client that takes nothing while its queue fills up is cut off.
func (c *client) queue(it item) {
	if c.out.push(it) {
		return
	}
	c.log().Warn().Int("bytes", c.out.queued()).Int("limit", c.out.limit).Msg("client took too little of what was sent to it")
	c.abort(reasonForced)
}

func (c *client) setWire(w wire) {
	c.mu.Lock()
	c.wire = w
	c.mu.Unlock()
	c.out.attach(w)
}

func (c *client) currentWire() wire {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.wire
}

func (c *client) isOpen() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.state == stateOpen
}

func (c *client) log() *zerolog.Logger {
	log := c.gateway.config.Log.With().Str("client", c.ID()).Stringer("address", c.peer.Address).Logger()
	return &log
}

func (c *client) trace(message, event string, size int) {
	if e := c.gateway.config.Log.Trace(); e != nil {
		e.Str("client", c.ID()).Str("event", event).Int("bytes", size).Msg(message)
	}
}
