package socketio

import (
	"encoding/json"
	"errors"
	"time"

	"github.com/urban-robot/urban-robot/protocol"
)

// inbound turns a packet into an event or into the reason why it is none.
func (c *client) inbound(p socketPacket) Inbound {
	var in Inbound
	if p.cut {
		in.Name, _, _ = eventName(p.payload)
		in.Err = protocol.Errorf(protocol.CodeTooLarge, "", "the event is larger than %d bytes, the limit of a cache", c.gateway.config.MaxCacheBytes)
	} else {
		in.Name, in.Event, in.Err = c.decode(p)
	}
	if !c.rate.allow(time.Now()) {
		in.Event = nil
		in.Err = protocol.Errorf(protocol.CodeTooMany, "", "more than %d events per second; send less", c.rate.perSecond)
	}
	in.Name = cutText(in.Name, protocol.MaxIDBytes)
	return in
}

func (c *client) decode(p socketPacket) (string, protocol.Event, *protocol.Error) {
	name, argument, err := parseEvent(p.payload)
	switch {
	case errors.Is(err, errArguments):
		return name, nil, protocol.Errorf(protocol.CodeMalformed, "", "the event needs exactly one argument, a JSON object")
	case err != nil:
		return name, nil, protocol.Errorf(protocol.CodeMalformed, "", "the event is %s", err)
	}
	size, limit := len(argument), c.limit(name)
	for _, b := range p.binary {
		size += len(b)
	}
	if size > limit {
		return name, nil, protocol.Errorf(protocol.CodeTooLarge, "", "the event has %d bytes, at most %d are allowed", size, limit)
	}
	if len(p.binary) > 0 && !checkPlaceholders(argument, len(p.binary)) {
		return name, nil, protocol.Errorf(protocol.CodeMalformed, "", "a placeholder stands for an attachment that was not sent")
	}
	if name != protocol.EventCacheSync && argument[0] != '{' {
		return name, nil, protocol.Errorf(protocol.CodeMalformed, "", "the event's argument is no JSON object")
	}
	event, err := protocol.DecodeEvent(name, argument, p.binary)
	if err == nil {
		return name, event, nil
	}
	var refusal *protocol.Error
	if !errors.As(err, &refusal) {
		refusal = protocol.Errorf(protocol.CodeMalformed, "", "the event does not decode")
	}
	return name, nil, refusal
}

// limit returns how many bytes an event of that name may have.
func (c *client) limit(name string) int {
	switch name {
	case protocol.EventCacheSync:
		return c.gateway.config.MaxCacheBytes
	case protocol.EventCacheChunk:
		return protocol.ChunkBytes + protocol.MaxEventBytes
	}
	return protocol.MaxEventBytes
}

// encodeAck returns the JSON text that answers an event.
func encodeAck(refusal *protocol.Error) []byte {
	text, err := json.Marshal(protocol.Ack{OK: refusal == nil, Error: refusal})
	if err != nil {
		panic("socketio: an acknowledgement does not encode: " + err.Error())
	}
	return text
}

// rate allows so many events per second, and ten times as many at once to a client that was silent before. It is used
// under client.reading.
type rate struct {
	perSecond int // negative: no limit
	left      float64
	last      time.Time
}

func (r *rate) allow(now time.Time) bool {
	if r.perSecond < 0 {
		return true
	}
	most := 10 * float64(r.perSecond)
	if r.last.IsZero() {
		r.left = most
	} else {
		r.left = min(most, r.left+now.Sub(r.last).Seconds()*float64(r.perSecond))
	}
	r.last = now
	if r.left < 1 {
		return false
	}
	r.left--
	return true
}
