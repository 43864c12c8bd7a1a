package actors

import (
	"github.com/asynkron/protoactor-go/actor"
	"github.com/rs/zerolog"

	"github.com/urban-robot/urban-robot/protocol/socketio"
)

// clients makes a client for each connection of this node. All that the gateway has to say goes through its mailbox, so that
// a client hears of its connection in the order of the wire.
type clients struct {
	log     zerolog.Logger
	props   func(socketio.Conn) *actor.Props
	byID    map[string]*actor.PID
	sockets map[string]socketio.Conn // by the client's PID
}

func newClients(log zerolog.Logger, props func(socketio.Conn) *actor.Props) *clients {
	return &clients{log: log, props: props, byID: map[string]*actor.PID{}, sockets: map[string]socketio.Conn{}}
}

// Receive implements actor.Actor.
func (a *clients) Receive(ctx actor.Context) {
	switch msg := ctx.Message().(type) {
	case opened:
		a.opened(ctx, msg)
	case received:
		a.forward(ctx, msg.id, msg)
	case closed:
		a.forward(ctx, msg.id, msg)
	case *actor.Terminated:
		a.terminated(msg)
	}
}

func (a *clients) opened(ctx actor.Context, msg opened) {
	pid, err := ctx.SpawnNamed(a.props(msg.conn), msg.conn.ID())
	if err != nil {
		a.log.Error().Err(err).Str("client", msg.conn.ID()).Msg("client not started")
		msg.conn.Close(true)
		return
	}
	a.byID[msg.conn.ID()], a.sockets[pid.Id] = pid, msg.conn
}

func (a *clients) forward(ctx actor.Context, id string, msg any) {
	if pid, ok := a.byID[id]; ok {
		ctx.Send(pid, msg)
	}
}

// terminated cuts the connection of a client that has ended; for one that ended because its connection did, this is nothing.
func (a *clients) terminated(msg *actor.Terminated) {
	conn, ok := a.sockets[msg.Who.Id]
	if !ok {
		return
	}
	conn.Close(true)
	delete(a.sockets, msg.Who.Id)
	delete(a.byID, conn.ID())
}
