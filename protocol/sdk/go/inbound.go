package urbanrobot

import (
	"context"
	"encoding/json"
	"time"

	"github.com/urban-robot/urban-robot/protocol"
)

// received does what must happen before anything else is read, and puts the rest in line. It is called by the link's reader.
func (c *Client) received(l *link, p packet) {
	switch p.event {
	case protocol.EventHello:
		h, err := protocol.DecodeHello(p.data)
		if err != nil {
			c.options.Logger.Error("hello not understood", "err", err)
			return
		}
		c.hello(l, h)
	case protocol.EventCommand:
		command, err := protocol.DecodeCommand(p.data)
		if err != nil {
			c.options.Logger.Warn("command not understood", "err", err)
			return
		}
		c.command(l, command)
	case protocol.EventCacheSync, protocol.EventCacheChunk:
		c.receivedCache(p)
	case protocol.EventRejected:
		var r protocol.Rejected
		if err := json.Unmarshal(p.data, &r); err == nil {
			c.options.Logger.Warn("event rejected", "event", r.Event, "code", string(r.Code), "message", r.Message)
		}
	}
}

// hello is an order: to go on, or to stop.
func (c *Client) hello(l *link, h protocol.Hello) {
	if h.Error != nil {
		c.options.Logger.Error("hello refused", "err", h.Error)
		c.mu.Lock()
		c.refusal = h.Error
		c.mu.Unlock()
		if h.Error.Code != protocol.CodeQuarantined {
			l.close(h.Error)
		}
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if h.Epoch < c.newest {
		c.options.Logger.Error("hello has an old epoch and grants nothing", "epoch", h.Epoch, "newest", c.newest)
		h.ProcessCommands = false
	}
	if !h.ProcessCommands || h.Epoch != c.epoch {
		c.pause(protocol.ReasonFenced)
	}
	c.grant = nil
	if h.ProcessCommands && !c.leaving {
		c.grant = &protocol.ProcessCommands{Epoch: h.Epoch}
	}
	c.newest, c.instance, c.greeted = max(c.newest, h.Epoch), h.Instance, true
	l.greeted()
	c.gate.setLease(time.Duration(h.LeaseMS) * time.Millisecond)
	c.orders.put(func(ctx context.Context) { c.greet(ctx, h.Token) })
}

// command obeys one command. A stop takes effect before it returns.
func (c *Client) command(l *link, command protocol.Command) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if epoch, has := epochOf(command); has {
		if epoch < c.newest && c.refusal == nil {
			c.options.Logger.Warn("command ignored", "command", command.CommandName(), "epoch", epoch, "newest", c.newest)
			return
		}
		c.newest = max(c.newest, epoch)
	}
	if c.leaving {
		return // the goodbye is on its way
	}
	switch command := command.(type) {
	case protocol.OK:
		c.orders.put(func(context.Context) { c.activate(command.Epoch) })
	case protocol.ProcessCommands:
		c.pause(protocol.ReasonHandover) // whoever is granted anew waits for ok
		c.grant = &command
		c.orders.put(func(ctx context.Context) { c.takeOver(ctx, l) })
	case protocol.EnterComa:
		was := c.gate.stop()
		c.grant = nil
		c.orders.put(func(ctx context.Context) { c.rest(ctx, l, command, was) })
	case protocol.ShutDown:
		was := c.gate.stop()
		c.grant, c.leaving = nil, true
		c.orders.put(func(ctx context.Context) { c.quit(ctx, l, command, was, nil) })
	case protocol.HealthCheck:
		c.orders.put(func(ctx context.Context) { c.running.Go(func() { c.report(ctx, l, command) }) })
	case protocol.SendCache:
		c.orders.put(func(ctx context.Context) { c.sendCache(ctx, l) })
	}
}

// pause closes the gate where no command asked for it. It is called with the client locked.
func (c *Client) pause(reason protocol.Reason) {
	if c.gate.stop() {
		c.orders.put(func(context.Context) { c.stopped(reason) })
	}
}

func epochOf(command protocol.Command) (epoch uint64, has bool) {
	switch command := command.(type) {
	case protocol.OK:
		return command.Epoch, true
	case protocol.ProcessCommands:
		return command.Epoch, true
	case protocol.EnterComa:
		return command.Epoch, true
	case protocol.ShutDown:
		return command.Epoch, true
	}
	return 0, false
}

// receivedCache puts a cache in line once it is whole.
func (c *Client) receivedCache(p packet) {
	event, err := protocol.DecodeEvent(p.event, p.data, p.attachments)
	if err != nil {
		c.options.Logger.Warn("cache not understood", "err", err)
		return
	}
	var cache protocol.Cache
	switch event := event.(type) {
	case protocol.CacheSync:
		cache = event.Cache
	case protocol.CacheChunk:
		whole, done, wrong := c.chunks.Add(event)
		if wrong != nil {
			c.options.Logger.Warn("cache dropped", "err", wrong)
		}
		if !done {
			return
		}
		cache = whole
	}
	data, _, ok := cache.Whole()
	if !ok {
		c.options.Logger.Warn("cache dropped", "err", "JSON with binary inside is not for a client in Go")
		return
	}
	c.orders.put(func(context.Context) { c.options.OnCache(data) })
}
