package actors

import (
	"slices"
	"time"

	"github.com/asynkron/protoactor-go/actor"
	"github.com/rs/zerolog"

	"github.com/urban-robot/urban-robot/actors/fleet"
	"github.com/urban-robot/urban-robot/protocol"
	"github.com/urban-robot/urban-robot/protocol/socketio"
)

// client is one connection of a bot process: it lets the rules judge what arrives and sends what its fleet orders.
type client struct {
	conn      socketio.Conn
	id        fleet.ClientID
	fleets    FleetRegistry
	known     map[string]FleetConfig // by name
	admission fleet.Admission
	log       zerolog.Logger

	state   fleet.Connection
	chunks  bool // it takes caches in parts
	fragile bool // it breaks on a large message
	alarm   alarm
	in      protocol.Joiner // a cache that comes in parts
	out     shipment        // a cache that goes out in parts
}

// Receive implements actor.Actor.
func (a *client) Receive(ctx actor.Context) {
	switch msg := ctx.Message().(type) {
	case *actor.Started:
		a.log.Debug().Stringer("address", a.conn.Peer().Address).Msg("client connected")
		a.apply(ctx, fleet.Opened{At: time.Now(), Local: a.conn.Peer().Address.IsLoopback()})
	case *actor.Stopping:
		a.apply(ctx, fleet.Closed{At: time.Now(), Reason: "stopped"})
		a.alarm.stop()
	case received:
		a.received(ctx, msg.in)
	case closed:
		a.apply(ctx, fleet.Closed{At: time.Now(), Said: msg.reason == socketio.ReasonClient, Reason: msg.reason})
		ctx.Stop(ctx.Self())
	case ordered:
		a.apply(ctx, fleet.Ordered{At: time.Now(), Effect: msg.effect})
	case delivered:
		a.ship(ctx, msg.parcel)
	case partAcknowledged:
		a.shipped(ctx, msg)
	case wake:
		a.apply(ctx, fleet.Late{At: time.Now()})
	}
}

func (a *client) received(ctx actor.Context, in socketio.Inbound) {
	a.apply(ctx, fleet.Said{At: time.Now(), Name: in.Name, Event: in.Event, Err: in.Err, Ack: in.Ack})
}

// apply lets the rules decide, then does what they say.
func (a *client) apply(ctx actor.Context, in fleet.Input) {
	next, effects := fleet.DecideClient(in, a.state, a.admission)
	a.state = next
	for _, effect := range effects {
		a.perform(ctx, effect)
	}
	a.alarm.set(ctx.Self(), a.state.Due, wake{})
}

func (a *client) perform(ctx actor.Context, effect fleet.ClientEffect) {
	switch effect := effect.(type) {
	case fleet.Pass:
		if joins, ok := effect.Fact.(fleet.Identify); ok {
			a.joins(joins)
		}
		a.fleets.Tell(a.state.Fleet, said{sender: ctx.Self(), client: a.id, ack: effect.Ack, fact: effect.Fact})
	case fleet.PassCache:
		a.cacheArrived(effect)
	case fleet.Reply:
		a.reply(effect.Name, effect.Ack, effect.Err)
	case fleet.Greet:
		a.log.Warn().Str("event", protocol.EventIdentify).Str("reason", string(effect.Err.Code)).Str("detail", effect.Err.Message).Msg("client turned away")
		a.conn.Send(socketio.NewFrame(protocol.EventHello, protocol.EncodeHello(protocol.Hello{Error: effect.Err})))
	case fleet.Transmit:
		a.transmit(effect.Effect)
	case fleet.Hang:
		a.conn.Close(effect.Abort)
	}
}

// joins takes note of what the client can do.
func (a *client) joins(fact fleet.Identify) {
	a.chunks = slices.Contains(fact.Capabilities, protocol.CapabilityCacheChunks)
	a.fragile = fragile(fact, a.conn.Peer())
	a.in.Max = a.known[a.state.Fleet].Policy.CacheBytes
}

// reply acknowledges an event, or rejects it.
func (a *client) reply(name string, ack uint64, err *protocol.Error) {
	if err != nil {
		a.log.Warn().Str("event", name).Str("reason", string(err.Code)).Str("field", err.Field).Str("detail", err.Message).Msg("event rejected")
	}
	switch {
	case ack != 0:
		a.conn.Ack(ack, err)
	case err != nil:
		a.conn.Send(socketio.NewFrame(protocol.EventRejected, protocol.EncodeRejected(protocol.Rejected{
			Event: name, Code: err.Code, Field: err.Field, Message: err.Message,
		})))
	}
}

// transmit sends what the fleet's rules ordered.
func (a *client) transmit(effect fleet.Effect) {
	switch effect := effect.(type) {
	case fleet.Say:
		if effect.Hello.Error == nil {
			effect.Hello.Token = a.known[a.state.Fleet].Token
		}
		a.conn.Send(socketio.NewFrame(protocol.EventHello, protocol.EncodeHello(effect.Hello)))
	case fleet.Tell:
		frame := socketio.NewFrame(a.known[a.state.Fleet].commandEvent(), protocol.EncodeCommand(effect.Command))
		if _, grant := effect.Command.(protocol.ProcessCommands); a.out.busy() && (grant || len(a.out.after) > 0) {
			a.out.after = append(a.out.after, frame) // the cache comes before the seat
			return
		}
		a.conn.Send(frame)
	case fleet.Answer:
		a.reply(effect.Event, effect.Ack, effect.Err)
	}
}
