// Package socketio is the gateway: it accepts Socket.IO connections, holds them to their limits, decodes what arrives into
// events of package protocol and hands them to a Handler. It knows no fleet, no rule and no actor.
//
// It stands on github.com/zishang520/socket.io with a websocket transport, a parser and guards of its own; transport.go,
// parser.go and gateway.go say which fault of the library each of them is for.
package socketio
