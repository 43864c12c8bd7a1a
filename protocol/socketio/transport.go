package socketio

import (
	"context"

	"github.com/zishang520/socket.io/parsers/engine/v3/packet"
	"github.com/zishang520/socket.io/servers/engine/v3/transports"
	"github.com/zishang520/socket.io/v3/pkg/types"
)

// The library's own transports lose what arrives before it is ready to listen, queue without limit for a client that does
// not read, wait for ever in a write, copy each frame for each client and close without flushing. These replace them
// through its transport constructors. They always report to be writable, so that the library's buffer stays empty and the
// client's outbox is the only queue.

// handshake goes with a request through the library to the transport it makes.
type handshake struct {
	client *client             // of an upgrade; otherwise set by the transport's constructor
	socket *websocketTransport // set by the constructor
	gw     *Gateway
	peer   Peer
	probe  bool // the client already has a transport
}

type handshakeKey struct{}

func handshakeOf(ctx context.Context) *handshake {
	h, _ := ctx.Value(handshakeKey{}).(*handshake)
	return h
}

// pollingBuilder and websocketBuilder are the library's way to our transports.
type (
	pollingBuilder   struct{ transports.PollingBuilder }
	websocketBuilder struct{ transports.WebSocketBuilder }
)

// New implements transports.TransportCtor.
func (*pollingBuilder) New(ctx *types.HttpContext) transports.Transport {
	h := handshakeOf(ctx.Context())
	h.client = newClient(h.gw, h.peer)
	return newPolling(ctx, h.client)
}

// UpgradesTo implements transports.TransportCtor.
func (*pollingBuilder) UpgradesTo() []string { return []string{transports.WEBSOCKET} }

// New implements transports.TransportCtor.
func (*websocketBuilder) New(ctx *types.HttpContext) transports.Transport {
	h := handshakeOf(ctx.Context())
	if !h.probe {
		h.client = newClient(h.gw, h.peer)
	}
	h.socket = newWebsocket(ctx, h.client, h.probe)
	return h.socket
}

// owned is a transport of ours.
type owned interface{ owner() *client }

// encodePacket returns what the library wants to send as an item. All of it is short: OPEN, PING, NOOP, and the CONNECT
// and DISCONNECT of the namespace.
func encodePacket(p *packet.Packet) item {
	var kind byte
	switch p.Type {
	case packet.OPEN:
		kind = '0'
	case packet.CLOSE:
		kind = engineClose
	case packet.PING:
		kind = enginePing
	case packet.PONG:
		kind = enginePong
	case packet.MESSAGE:
		kind = engineMessage
	case packet.UPGRADE:
		kind = engineUpgrade
	case packet.NOOP, packet.ERROR:
		kind = engineNoop
	}
	text := []byte{kind}
	if data, ok := p.Data.(interface{ Bytes() []byte }); ok {
		text = append(text, data.Bytes()...)
	} else if data, ok := p.Data.(interface {
		Len() int
		Read([]byte) (int, error)
	}); ok && p.Data != nil {
		rest := make([]byte, data.Len())
		n, err := data.Read(rest)
		if err == nil {
			text = append(text, rest[:n]...)
		}
	}
	it := newItem(text, nil)
	it.urgent = p.Type == packet.PING || p.Type == packet.PONG
	return it
}

// deliver hands one Engine.IO message to the library, which hands it to our decoder, all on this goroutine. It reports
// whether the transport shall read on.
func deliver(t transports.Transport, m *message) bool {
	if m.binary {
		deliverMessage(t, m)
		return true
	}
	if len(m.data) == 0 {
		t.OnPacket(&packet.Packet{Type: packet.ERROR})
		return false
	}
	kind := m.data[0]
	m.data = m.data[1:]
	switch kind {
	case engineMessage:
		deliverMessage(t, m)
	case engineClose:
		return false
	case enginePing:
		t.OnPacket(&packet.Packet{Type: packet.PING, Data: shortText(m)})
	case enginePong:
		t.OnPacket(&packet.Packet{Type: packet.PONG, Data: shortText(m)})
	case engineUpgrade:
		t.OnPacket(&packet.Packet{Type: packet.UPGRADE, Data: shortText(m)})
	case engineNoop:
	default:
		t.OnPacket(&packet.Packet{Type: packet.ERROR})
		return false
	}
	return true
}

func deliverMessage(t transports.Transport, m *message) {
	m.client.reading.Lock()
	defer m.client.reading.Unlock()
	t.OnPacket(&packet.Packet{Type: packet.MESSAGE, Data: m})
}

// shortText is the data of a control packet: "probe" or nothing.
func shortText(m *message) types.BufferInterface {
	return types.NewStringBufferString(string(m.data[:min(len(m.data), 16)]))
}
