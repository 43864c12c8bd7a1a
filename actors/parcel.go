package actors

import (
	"strings"
	"time"

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

// shipment is a cache on its way to one client in parts. The zero shipment is none.
type shipment struct {
	number uint64           // of the cache; a newer one takes its place at once
	parts  []socketio.Frame // not handed to the connection yet
	left   int              // parts not acknowledged yet
	flying int              // parts handed to the connection and not acknowledged, older caches' too
	after  []socketio.Frame // what may only follow the last part
}

// ship sends a cache: in parts to those who can take them, else in one event, and not at all to those whom that would break.
// What is still to be sent of an older one is dropped.
func (a *client) ship(ctx actor.Context, p parcel) {
	switch {
	case p.parts != nil && a.chunks:
		a.out.number, a.out.parts, a.out.left = p.number, p.parts, len(p.parts)
	case p.size > oneEventLimit && a.fragile:
		a.log.Warn().Int("bytes", p.size).Uint64("cache", p.number).
			Str("detail", "its library drops a message above 4 MiB; it needs the capability cache_chunks").Msg("cache not delivered")
		return
	default:
		a.conn.Send(p.whole)
		a.out.number, a.out.parts, a.out.left = p.number, nil, 0
	}
	a.sendParts(ctx)
}

// sendParts keeps the window full, and sends what had to wait once the cache has arrived.
func (a *client) sendParts(ctx actor.Context) {
	root, self, number := ctx.ActorSystem().Root, ctx.Self(), a.out.number
	for len(a.out.parts) > 0 && a.out.flying < protocol.ChunkWindow {
		part := a.out.parts[0]
		a.out.parts = a.out.parts[1:]
		a.out.flying++
		a.conn.SendAcked(part, func(err error) { root.Send(self, partAcknowledged{number: number, err: err}) })
	}
	if a.out.left > 0 {
		return
	}
	for _, frame := range a.out.after {
		a.conn.Send(frame)
	}
	a.out.parts, a.out.after = nil, nil
}

// acknowledged takes note that a part has arrived. An error says that the connection has gone, and soon the client does.
func (a *client) acknowledged(ctx actor.Context, msg partAcknowledged) {
	if msg.err != nil {
		return
	}
	a.out.flying--
	if msg.number == a.out.number {
		a.out.left--
	}
	a.sendParts(ctx)
}

// cacheArrived hands a cache to the fleet once it is whole. A part is acknowledged when it is taken, the last one when the
// cache is stored.
func (a *client) cacheArrived(ctx actor.Context, effect fleet.PassCache) {
	switch event := effect.Event.(type) {
	case protocol.CacheSync:
		a.fleets.Tell(a.state.Fleet, cacheSaid{client: a.id, ack: effect.Ack, cache: event.Cache})
	case protocol.CacheChunk:
		switch cache, done, err := a.in.Add(event); {
		case err != nil:
			a.apply(ctx, fleet.Said{At: time.Now(), Name: protocol.EventCacheChunk, Err: err, Ack: effect.Ack})
		case done:
			a.fleets.Tell(a.state.Fleet, cacheSaid{client: a.id, ack: effect.Ack, cache: cache})
		default:
			a.reply(protocol.EventCacheChunk, effect.Ack, nil)
		}
	}
}

// fragile reports whether a client is one of python-socketio on aiohttp, by what it says of itself or by its HTTP library.
func fragile(e fleet.Identify, peer socketio.Peer) bool {
	return strings.Contains(strings.ToLower(peer.UserAgent), "aiohttp") || strings.Contains(strings.ToLower(e.Library), "asyncio")
}
