// Package socketio is the gateway: it accepts Socket.IO connections, holds them to their limits, decodes what arrives into
// events of package protocol and hands them to a Handler. It knows no fleet, no rule and no actor.
//
// It stands on github.com/zishang520/socket.io, through whose public API these parts of it are replaced or fenced in:
//
//	guard.go      what may reach the library at all: versions, transports, sizes, numbers of connections
//	transport.go  why the transports are ours; websocket.go and polling.go are they
//	outbox.go     the one queue of a client: bounded in bytes, kept over an upgrade, newest cache only
//	parser.go     why the parser is ours; packet.go reads the wire
//	client.go     one connection: what it can be told to do
//	calls.go      one connection: what the Handler hears of it, in order, and of its end exactly once
//	inbound.go    what a client sent as an event, or why it is none
//	gateway.go    all connections, from the library's listeners to Shutdown
//
// A message is read, checked, decoded and handed to the Handler on one goroutine, so a client is read no faster than it is
// handled. A Frame is encoded once and shared by all the connections it is sent to, down to the system call.
package socketio
