package socketio

import (
	"runtime/debug"
	"time"
)

// call is one call of the Handler.
type call struct {
	kind   callKind
	in     Inbound
	reason string
}

type callKind int

const (
	callOpened callKind = iota + 1
	callReceived
	callClosed
)

// awaitOpen waits until the handler knows of the connection, or the connection has ended.
func (c *client) awaitOpen() {
	timer := time.NewTimer(c.gateway.config.ConnectTimeout)
	defer timer.Stop()
	select {
	case <-c.opened:
	case <-c.gone:
	case <-timer.C:
	}
}

// open tells the handler of the connection and reports whether there is still one.
func (c *client) open(id string) bool {
	c.mu.Lock()
	if c.state != stateNew {
		c.mu.Unlock()
		return false
	}
	c.state, c.id = stateOpen, id
	c.callLocked(call{kind: callOpened})
	close(c.opened)
	return true
}

// ended is called with each end that anybody notices; the first counts.
func (c *client) ended(reason string) {
	c.mu.Lock()
	if c.state == stateEnded {
		c.mu.Unlock()
		return
	}
	wasOpen := c.state == stateOpen
	c.state = stateEnded
	if c.reason != "" {
		reason = c.reason
	}
	awaited := c.awaited
	c.awaited, c.asked = nil, nil
	close(c.gone)
	if wasOpen {
		c.callLocked(call{kind: callClosed, reason: reason})
	} else {
		c.mu.Unlock()
	}
	c.out.discard()
	for _, done := range awaited {
		c.guard(func() { done(ErrClosed) })
	}
}

// disconnected is called when the client has left the namespace. The connection is of no more use then.
func (c *client) disconnected(reason string) {
	c.ended(reason)
	session := c.session.Load()
	if w := c.currentWire(); w != nil && session != nil && (*session).ReadyState() == "open" {
		go w.end(true)
	}
}

// received handles one event or acknowledgement of an open connection.
func (c *client) received(p socketPacket) {
	if p.kind == packetAck || p.kind == packetBinaryAck {
		c.acknowledged(p.number)
		return
	}
	in := c.inbound(p)
	c.trace("received event", in.Name, len(p.payload))
	c.mu.Lock()
	if c.state != stateOpen || c.closing {
		c.mu.Unlock()
		return
	}
	if p.numbered {
		if len(c.asked) >= maxUnanswered {
			c.mu.Unlock()
			c.log().Warn().Int("limit", maxUnanswered).Msg("client asked for too many acknowledgements")
			c.abort(reasonForced)
			return
		}
		if c.asked == nil {
			c.asked = make(map[uint64]uint64)
		}
		c.lastAsk++
		c.asked[c.lastAsk] = p.number
		in.Ack = c.lastAsk
	}
	c.callLocked(call{kind: callReceived, in: in})
}

func (c *client) acknowledged(number uint64) {
	c.mu.Lock()
	done := c.awaited[number]
	delete(c.awaited, number)
	c.mu.Unlock()
	if done != nil {
		c.guard(func() { done(nil) })
	}
}

// callLocked is entered with c.mu held and leaves without it. It puts a call of the handler in line and, unless another
// goroutine is at it, works through the line: so calls neither overlap nor change their order, and a handler may call any
// method of Conn without waiting for itself.
func (c *client) callLocked(next call) {
	c.calls = append(c.calls, next)
	if c.calling {
		c.mu.Unlock()
		return
	}
	c.calling = true
	for len(c.calls) > 0 {
		first := c.calls[0]
		c.calls = c.calls[1:]
		c.mu.Unlock()
		c.guard(func() { c.call(first) })
		c.mu.Lock()
	}
	c.calls, c.calling = nil, false
	c.mu.Unlock()
}

func (c *client) call(next call) {
	h := c.gateway.config.Handler
	switch next.kind {
	case callOpened:
		h.Opened(c)
	case callReceived:
		h.Received(c.id, next.in)
	case callClosed:
		h.Closed(c.id, next.reason)
	}
}

// guard keeps a panic, the handler's above all, from anybody but this client.
func (c *client) guard(f func()) {
	defer func() {
		if r := recover(); r != nil {
			c.log().Error().Interface("panic", r).Bytes("stack", debug.Stack()).Msg("panicked over a client")
			c.abort(reasonForced)
		}
	}()
	f()
}
