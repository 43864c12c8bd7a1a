package actors

import (
	"fmt"
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
		a.stop()
	case received:
		in := msg.in
		a.apply(ctx, fleet.Said{At: time.Now(), Name: in.Name, Event: in.Event, Err: in.Err, Ack: in.Ack})
	case closed:
		a.log.Debug().Str("reason", msg.reason).Msg("client disconnected")
		a.apply(ctx, fleet.Closed{At: time.Now(), Said: msg.reason == socketio.ReasonClient, Reason: msg.reason})
		ctx.Stop(ctx.Self())
	case ordered:
		a.apply(ctx, fleet.Ordered{At: time.Now(), Effect: msg.effect})
	case delivered:
		a.ship(ctx, msg.parcel)
	case partAcknowledged:
		a.acknowledged(ctx, msg)
	case wake:
		a.alarm.stop()
		a.apply(ctx, fleet.Late{At: time.Now()})
	}
}

// stop ends the client. Its fleet hears of that if the connection has not told it: the client failed, or the node stops.
func (a *client) stop() {
	a.alarm.stop()
	if a.state.Fleet != "" && a.state.State != fleet.StateGone {
		a.fleets.Tell(a.state.Fleet, said{client: a.id, fact: fleet.Disconnect{Reason: "client stopped"}})
	}
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
		a.cacheArrived(ctx, effect)
	case fleet.Reply:
		a.judged(effect)
	case fleet.Greet:
		a.greet(effect.Err)
	case fleet.Transmit:
		a.transmit(effect.Effect)
	case fleet.Hang:
		a.conn.Close(effect.Abort)
	default:
		panic(fmt.Sprintf("actors: nobody performs %T", effect))
	}
}

// joins takes note of what the client can do.
func (a *client) joins(fact fleet.Identify) {
	a.chunks = slices.Contains(fact.Capabilities, protocol.CapabilityCacheChunks)
	a.fragile = fragile(fact, a.conn.Peer())
	a.in.Max = a.known[a.state.Fleet].Policy.CacheBytes
	a.log = a.log.With().Str("fleet", a.state.Fleet).Logger()
}

// judged answers an event here and now.
func (a *client) judged(effect fleet.Reply) {
	if effect.Err == nil || effect.Err.Code == protocol.CodeUnauthorized { // greet says so
		a.reply(effect.Name, effect.Ack, effect.Err)
		return
	}
	a.refuse(effect.Name, effect.Ack, effect.Err)
}

// refuse logs that an event was rejected, and answers it.
func (a *client) refuse(name string, ack uint64, err *protocol.Error) {
	a.log.Warn().Str("event", name).Str("reason", string(err.Code)).Str("field", err.Field).Str("detail", err.Message).Msg("event rejected")
	a.reply(name, ack, err)
}

// reply acknowledges an event, or rejects it.
func (a *client) reply(name string, ack uint64, err *protocol.Error) {
	switch {
	case ack != 0:
		a.conn.Ack(ack, err)
	case err != nil:
		a.conn.Send(socketio.NewFrame(protocol.EventRejected, protocol.EncodeRejected(protocol.Rejected{
			Event: name, Code: err.Code, Field: err.Field, Message: err.Message,
		})))
	}
}

// greet turns a client away before it has a fleet. Its identify, the only event that leads here, has been answered by then, and
// this is the one line on both.
func (a *client) greet(err *protocol.Error) {
	a.log.Warn().Str("event", protocol.EventIdentify).Str("reason", string(err.Code)).Str("field", err.Field).Str("detail", err.Message).Msg("client turned away")
	a.conn.Send(socketio.NewFrame(protocol.EventHello, protocol.EncodeHello(protocol.Hello{Error: err})))
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
		if _, grant := effect.Command.(protocol.ProcessCommands); a.out.left > 0 && (grant || len(a.out.after) > 0) {
			a.out.after = append(a.out.after, frame) // the cache comes before the seat
			return
		}
		a.conn.Send(frame)
	case fleet.Answer:
		a.answer(effect)
	default:
		panic(fmt.Sprintf("actors: %T is not for a client", effect))
	}
}

// answer passes on how the fleet answers an event. A refused identify and a missing answer stand in the fleet's own trail, and
// so in the log already.
func (a *client) answer(effect fleet.Answer) {
	if effect.Err == nil || effect.Event == protocol.EventIdentify || effect.Err.Code == protocol.CodeTimeout {
		a.reply(effect.Event, effect.Ack, effect.Err)
		return
	}
	a.refuse(effect.Event, effect.Ack, effect.Err)
}
