// Package urbanrobot is the client side of the contract (protocol/CONTRACT.md) for bots in Go, whatever Discord library they
// use: it connects, identifies, reconnects, obeys, stops by itself when its lease runs out, and hands the cache on. The bot
// gives it functions and asks it, for each Discord event, whether to process it.
//
//	c, err := urbanrobot.New(urbanrobot.Options{
//		URL: "http://127.0.0.1:8080", Version: version,
//		Login: func(ctx context.Context, token protocol.Token) error { … return when Discord has sent READY … },
//	})
//	…
//	onMessage := func(m *Message) { c.Handle(m.ID, func() { … answer it … }) }
//	err = c.Run(ctx)
//
// The files, from the wire upwards:
//
//	socket.go    a websocket, or what stands for one in a test
//	packet.go    Engine.IO v4 and Socket.IO v5 packets
//	link.go      one connection: handshake, pings, events, acknowledgements
//	client.go    Run: connect, identify, come back, leave
//	inbound.go   what the server says: what must happen at once, and what is put in line
//	orders.go    what is done in line: login, ready, ok, coma, shutdown
//	gate.go      whether to process, lease, handled ids, what is kept for a replay
//	cache.go     the cache, whole and in chunks
package urbanrobot
