package actors

import (
	"strings"

	"github.com/asynkron/protoactor-go/actor"
	"github.com/rs/zerolog"

	"github.com/urban-robot/urban-robot/protocol/socketio"
)

// clients makes a client for each connection of this node. All that the gateway has to say goes through its mailbox, so that
// a client hears of its connection in the order of the wire.
type clients struct {
	log     zerolog.Logger
	props   func(socketio.Conn) *actor.Props
	members map[string]member // by the connection's id
	leaving bool              // the whole node stops
}

type member struct {
	pid  *actor.PID
	conn socketio.Conn
}

func newClients(log zerolog.Logger, props func(socketio.Conn) *actor.Props) *clients {
	return &clients{log: log, props: props, members: map[string]member{}}
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
		a.terminated(ctx, msg)
	case *actor.Stopping:
		a.leaving = true
	}
}

func (a *clients) opened(ctx actor.Context, msg opened) {
	id := msg.conn.ID()
	pid, err := ctx.SpawnNamed(a.props(msg.conn), id)
	if err != nil {
		a.log.Error().AnErr("err", err).Str("client", id).Msg("client not started")
		msg.conn.Close(true)
		return
	}
	a.members[id] = member{pid: pid, conn: msg.conn}
}

func (a *clients) forward(ctx actor.Context, id string, msg any) {
	if m, ok := a.members[id]; ok {
		ctx.Send(m.pid, msg)
	}
}

// terminated cuts the connection of a client that has ended; for one that ended because its connection did, this is nothing.
// When the whole node stops, the connections are left to the gateway, which sends what is queued first.
func (a *clients) terminated(ctx actor.Context, msg *actor.Terminated) {
	id := strings.TrimPrefix(msg.Who.GetId(), ctx.Self().GetId()+"/")
	if m, ok := a.members[id]; ok && !a.leaving {
		m.conn.Close(true)
	}
	delete(a.members, id)
}
