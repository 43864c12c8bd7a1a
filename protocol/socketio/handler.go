package socketio

import (
	"net/netip"

	"github.com/urban-robot/urban-robot/protocol"
)

// Handler receives what happens on the connections of a Gateway. Calls for one connection never overlap and come in the
// order of the wire: Opened first, Closed last and exactly once, after which nothing follows. A Handler must not block: it
// posts to a mailbox and returns. A panic in it costs that one connection, nobody else.
type Handler interface {
	// Opened tells of a new connection. It is unauthenticated until the handler has judged its identify.
	Opened(c Conn)
	// Received hands over one event, or the reason why it is none.
	Received(id string, in Inbound)
	// Closed tells that the connection is gone; reason is Socket.IO's, such as "transport close".
	Closed(id, reason string)
}

// Inbound is one event of a client.
type Inbound struct {
	Name  string          // the event's name as sent, cut to protocol.MaxIDBytes
	Event protocol.Event  // nil if Err is set
	Err   *protocol.Error // why the event is not one: malformed, too large, unknown
	Ack   uint64          // not 0: the client asked for an acknowledgement, answer with Conn.Ack
}

// Conn is one client's connection. All methods may be called from any goroutine, never block on the network, and do
// nothing once the connection is closed. What is sent arrives in the order of the calls, or the connection is closed.
type Conn interface {
	// ID is unique among all connections of all time, and safe in logs.
	ID() string
	// Peer says where the connection comes from.
	Peer() Peer
	// Send queues a frame. A frame made with Conflate set replaces an unsent one of the same kind.
	Send(f Frame)
	// Ack answers the event that carried this acknowledgement number; err nil means {"ok":true}.
	Ack(number uint64, err *protocol.Error)
	// SendAcked queues a frame and calls done once: nil when the client has acknowledged it, an error when the connection
	// closed first. done must not block.
	SendAcked(f Frame, done func(error))
	// Close sends what is queued and a DISCONNECT, waits for it at most the gateway's flush deadline, and closes: Socket.IO's
	// clients do not come back by themselves after that. With abort it closes at once and drops what is queued, so that
	// nothing sent before can still arrive later; clients come back from that.
	Close(abort bool)
}

// Peer says where a connection comes from.
type Peer struct {
	Address   netip.Addr
	UserAgent string // of the handshake request, cut to protocol.MaxIDBytes
}

// ReasonClient is what Closed is told when the client itself ended the connection in due form, with a DISCONNECT packet.
const ReasonClient = "client namespace disconnect"
