package actors

import (
	"strings"

	"github.com/asynkron/protoactor-go/actor"

	"github.com/urban-robot/urban-robot/actors/fleet"
	"github.com/urban-robot/urban-robot/protocol"
	"github.com/urban-robot/urban-robot/protocol/socketio"
)

// oneEventLimit is the largest cache that python-socketio's asyncio client takes in one event: aiohttp closes its websocket
// on a message above 4 MiB, and the event's frame and namespace need some of that.
const oneEventLimit = 4<<20 - 1<<10

// parcel is a cache, encoded once for all who get it. Its frames are shared and never change.
type parcel struct {
	number uint64
	size   int
	whole  socketio.Frame
	parts  []socketio.Frame // nil: it fits one event, or cannot be cut
}

func newParcel(number uint64, id string, c protocol.Cache) parcel {
	p := parcel{number: number, size: c.Size()}
	p.whole = socketio.NewFrame(protocol.EventCacheSync, c.JSON, c.Attachments...).Conflate()
	if p.size <= protocol.ChunkThreshold {
		return p
	}
	for _, chunk := range protocol.SplitCache(id, c) {
		data, attachments := protocol.EncodeEvent(chunk)
		p.parts = append(p.parts, socketio.NewFrame(protocol.EventCacheChunk, data, attachments...))
	}
	return p
}

// shipment is a parcel on its way to one client in parts. The zero shipment is none.
type shipment struct {
	parcel  parcel
	sent    int // parts handed to the connection
	taken   int // parts acknowledged
	pending *parcel
	after   []socketio.Frame // what may only follow the last part
}

func (s shipment) busy() bool { return s.taken < len(s.parcel.parts) }

// ship sends a cache: in parts to those who can take them, else in one event, and not at all to those whom that would break.
func (a *client) ship(ctx actor.Context, p parcel) {
	switch {
	case p.parts != nil && a.chunks:
		if a.out.busy() && a.out.sent-a.out.taken > 0 {
			a.out.pending = &p // the newer one takes over once the parts under way are acknowledged
			return
		}
		a.out.parcel, a.out.sent, a.out.taken, a.out.pending = p, 0, 0, nil
		a.sendParts(ctx)
	case p.size > oneEventLimit && a.fragile:
		a.log.Warn().Int("bytes", p.size).Uint64("cache", p.number).Str("detail", "its library drops a message above 4 MiB; it needs the capability cache_chunks").Msg("cache not delivered")
	default:
		a.conn.Send(p.whole)
	}
}

// sendParts keeps the window full.
func (a *client) sendParts(ctx actor.Context) {
	root, self, number := ctx.ActorSystem().Root, ctx.Self(), a.out.parcel.number
	for a.out.sent < len(a.out.parcel.parts) && a.out.sent-a.out.taken < protocol.ChunkWindow && a.out.pending == nil {
		a.conn.SendAcked(a.out.parcel.parts[a.out.sent], func(err error) {
			root.Send(self, partAcknowledged{number: number, err: err})
		})
		a.out.sent++
	}
}

// shipped takes note of an acknowledged part, and sends what had to wait after the last.
func (a *client) shipped(ctx actor.Context, msg partAcknowledged) {
	if msg.err != nil || msg.number != a.out.parcel.number {
		return // the connection has gone, or the part is of a cache that was dropped for a newer one
	}
	a.out.taken++
	if a.out.pending != nil && a.out.sent == a.out.taken {
		next := *a.out.pending
		a.out.parcel, a.out.sent, a.out.taken, a.out.pending = next, 0, 0, nil
	}
	a.sendParts(ctx)
	if a.out.busy() {
		return
	}
	for _, frame := range a.out.after {
		a.conn.Send(frame)
	}
	a.out = shipment{}
}

// cacheArrived hands a cache to the fleet once it is whole. A part is acknowledged when it is taken, the last one when the
// cache is stored.
func (a *client) cacheArrived(effect fleet.PassCache) {
	switch event := effect.Event.(type) {
	case protocol.CacheSync:
		a.fleets.Tell(a.state.Fleet, cacheSaid{client: a.id, ack: effect.Ack, cache: event.Cache})
	case protocol.CacheChunk:
		cache, done, err := a.in.Add(event)
		if !done {
			a.reply(protocol.EventCacheChunk, effect.Ack, err)
			return
		}
		a.fleets.Tell(a.state.Fleet, cacheSaid{client: a.id, ack: effect.Ack, cache: cache})
	}
}

// fragile reports whether a client is one of python-socketio on aiohttp, by what it says of itself or by its HTTP library.
func fragile(e fleet.Identify, peer socketio.Peer) bool {
	return strings.Contains(strings.ToLower(peer.UserAgent), "aiohttp") || strings.Contains(strings.ToLower(e.Library), "asyncio")
}
