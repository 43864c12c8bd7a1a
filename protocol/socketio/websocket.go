package socketio

import (
	"bytes"
	"crypto/tls"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gorilla/websocket"
	"github.com/zishang520/socket.io/parsers/engine/v3/packet"
	"github.com/zishang520/socket.io/servers/engine/v3/transports"
	"github.com/zishang520/socket.io/v3/pkg/types"
)

// websocketTransport reads with the websocket library and writes frames itself: unmasked and unfragmented they are a few
// bytes of head before a payload that all clients share.
type websocketTransport struct {
	transports.Transport

	client *client
	conn   *websocket.Conn
	net    net.Conn
	probe  bool        // it was opened beside a polling transport
	active atomic.Bool // the client's outbox is sent through it

	writing sync.Mutex
}

func newWebsocket(ctx *types.HttpContext, c *client, probe bool) *websocketTransport {
	conn := ctx.Websocket.Conn
	t := &websocketTransport{
		Transport: transports.MakeTransport(),
		client:    c,
		conn:      conn,
		net:       conn.NetConn(),
		probe:     probe,
	}
	t.Prototype(t)
	t.Construct(ctx)
	t.SetWritable(true)
	conn.SetReadLimit(4 * int64(c.gateway.config.maxMessage()))
	conn.SetPingHandler(func(data string) error { return t.control(websocket.PongMessage, []byte(data)) })
	conn.SetCloseHandler(func(code int, _ string) error {
		return t.control(websocket.CloseMessage, websocket.FormatCloseMessage(code, ""))
	})
	return t
}

// Name implements transports.Transport.
func (t *websocketTransport) Name() string { return transports.WEBSOCKET }

// HandlesUpgrades implements transports.Transport.
func (t *websocketTransport) HandlesUpgrades() bool { return true }

// Send implements transports.Transport. It never blocks, but for the answer to a probe, on the goroutine that reads it.
func (t *websocketTransport) Send(packets []*packet.Packet) {
	for _, p := range packets {
		it := encodePacket(p)
		if t.probe && !t.active.Load() {
			if t.write([]item{it}) != nil {
				t.cut()
			}
			continue
		}
		t.client.queue(it)
	}
	t.Emit("drain")
}

// DoClose implements transports.Transport. Without done the connection is already lost or given up; with it the library
// closes in good order.
func (t *websocketTransport) DoClose(done types.Callable) {
	if done == nil {
		_ = t.net.Close()
		return
	}
	landed := t.client.out.seal()
	go func() {
		t.client.await(landed)
		t.end(true)
		done()
	}()
}

// start begins to read. The gateway calls it when the library has put up all its listeners: a CONNECT that the client sent
// along with its handshake would be lost before.
func (t *websocketTransport) start() {
	if !t.probe {
		t.activate()
	}
	go t.read()
}

// activate makes this the client's transport.
func (t *websocketTransport) activate() {
	t.active.Store(true)
	t.client.setWire(t)
}

func (t *websocketTransport) owner() *client { return t.client }

// wake implements sender.
func (t *websocketTransport) wake() { go t.drain() }

// drain sends what the outbox holds.
func (t *websocketTransport) drain() {
	for {
		batch := t.client.out.take(t, maxBatchBytes)
		if len(batch) == 0 {
			return
		}
		err := t.write(batch)
		t.client.out.landed(t)
		if err != nil {
			if errors.Is(err, os.ErrDeadlineExceeded) {
				t.client.log().Warn().Dur("limit", t.client.gateway.config.WriteTimeout).Msg("client stopped reading")
			}
			t.abort()
			return
		}
	}
}

// end implements wire.
func (t *websocketTransport) end(orderly bool) {
	code := websocket.CloseGoingAway
	if orderly {
		code = websocket.CloseNormalClosure
	}
	_ = t.control(websocket.CloseMessage, websocket.FormatCloseMessage(code, ""))
	// Closing now could reset the connection while the last bytes are still on their way, if the client has sent something
	// that was not read. So only this side is closed, and the other read until it is closed too.
	if half, ok := t.net.(interface{ CloseWrite() error }); ok {
		_ = half.CloseWrite()
	}
	_ = t.net.SetReadDeadline(time.Now().Add(lingerTimeout))
}

// abort implements wire.
func (t *websocketTransport) abort() {
	reset(t.net)
	go t.OnClose()
}

// reset closes a connection without sending what the kernel still holds of it.
func reset(conn net.Conn) {
	if secure, ok := conn.(*tls.Conn); ok {
		conn = secure.NetConn()
	}
	if tcp, ok := conn.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0)
	}
	_ = conn.Close()
}

// cut closes the connection; the reader notices and tells.
func (t *websocketTransport) cut() { _ = t.net.Close() }

func (t *websocketTransport) read() {
	defer func() {
		t.cut()
		if t.probe && !t.active.Load() {
			t.client.upgrading.Store(false)
		}
		t.OnClose()
	}()
	for {
		kind, r, err := t.conn.NextReader()
		if err != nil {
			t.lost(err)
			return
		}
		m, err := t.readMessage(kind, r)
		if err != nil {
			t.lost(err)
			return
		}
		if !deliver(t, m) {
			return
		}
	}
}

// readMessage keeps at most the limit of a message and reads over the rest, so that its sender can be told.
func (t *websocketTransport) readMessage(kind int, r io.Reader) (*message, error) {
	limit := int64(t.client.gateway.config.maxMessage())
	var buffer bytes.Buffer
	n, err := buffer.ReadFrom(io.LimitReader(r, limit+1))
	if err != nil {
		return nil, err
	}
	m := &message{client: t.client, data: buffer.Bytes(), binary: kind == websocket.BinaryMessage}
	if n > limit {
		m.cut = true
		_, err = io.Copy(io.Discard, r)
		return m, err
	}
	if len(m.data) > overhead && cap(m.data) > len(m.data)+len(m.data)/4 {
		m.data = bytes.Clone(m.data) // a cache is kept for long: not with up to as much room again behind it
	}
	return m, nil
}

func (t *websocketTransport) lost(err error) {
	if errors.Is(err, websocket.ErrReadLimit) {
		t.client.log().Warn().Int("limit", 4*t.client.gateway.config.maxMessage()).Msg("client sent too large a message")
	}
}

// write sends a batch in as few system calls and copies as possible.
func (t *websocketTransport) write(batch []item) error {
	frames := len(batch)
	for _, it := range batch {
		frames += len(it.binary)
	}
	heads := make([]byte, 0, 10*frames)
	buffers := make(net.Buffers, 0, 2*frames)
	add := func(opcode byte, data []byte) {
		start := len(heads)
		heads = appendHead(heads, opcode, len(data))
		buffers = append(buffers, heads[start:], data)
	}
	for _, it := range batch {
		add(websocket.TextMessage, it.text)
		for _, b := range it.binary {
			add(websocket.BinaryMessage, b)
		}
	}
	t.writing.Lock()
	defer t.writing.Unlock()
	return t.writeBuffers(buffers)
}

// writeBuffers gives a deadline to progress, not to the whole: a large cache over a slow line takes its time.
func (t *websocketTransport) writeBuffers(buffers net.Buffers) error {
	_, isTCP := t.net.(*net.TCPConn)
	for len(buffers) > 0 {
		if err := t.net.SetWriteDeadline(time.Now().Add(t.client.gateway.config.WriteTimeout)); err != nil {
			return err
		}
		if isTCP {
			n, err := buffers.WriteTo(t.net)
			if err != nil && (n == 0 || !errors.Is(err, os.ErrDeadlineExceeded)) {
				return err
			}
			continue
		}
		piece := buffers[0][:min(len(buffers[0]), overhead)]
		if _, err := t.net.Write(piece); err != nil {
			return err
		}
		if buffers[0] = buffers[0][len(piece):]; len(buffers[0]) == 0 {
			buffers = buffers[1:]
		}
	}
	return nil
}

// control sends a control frame between two messages.
func (t *websocketTransport) control(opcode byte, data []byte) error {
	t.writing.Lock()
	defer t.writing.Unlock()
	return t.writeBuffers(net.Buffers{append(appendHead(nil, opcode, len(data)), data...)})
}

// appendHead appends the head of a final, unmasked frame (RFC 6455, section 5.2).
func appendHead(to []byte, opcode byte, size int) []byte {
	to = append(to, 0x80|opcode)
	switch {
	case size < 126:
		return append(to, byte(size&0x7f))
	case size < 1<<16:
		return binary.BigEndian.AppendUint16(append(to, 126), uint16(size&0xffff))
	}
	return binary.BigEndian.AppendUint64(append(to, 127), uint64(size))
}
