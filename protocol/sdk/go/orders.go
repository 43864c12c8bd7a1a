package urbanrobot

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/urban-robot/urban-robot/protocol"
)

// greet answers hello: it logs in to Discord the first time, and says ready every time.
func (c *Client) greet(ctx context.Context, token protocol.Token) {
	c.mu.Lock()
	login := c.login
	if login == loginPending && !c.leaving {
		c.login = loginRunning
	}
	c.mu.Unlock()
	switch login {
	case loginPending:
		c.running.Go(func() { c.logIn(ctx, token) })
	case loginDone:
		c.sendReady()
	case loginRunning: // says ready when it is done
	}
}

// logIn runs beside the line, since it may take long.
func (c *Client) logIn(ctx context.Context, token protocol.Token) {
	err := c.options.Login(ctx, token)
	switch {
	case ctx.Err() != nil:
		return
	case errors.Is(err, ErrTokenRejected):
		c.depart(string(protocol.ReasonTokenRejected), err)
		return
	case err != nil:
		c.depart("login: "+err.Error(), err)
		return
	}
	c.mu.Lock()
	c.login = loginDone
	c.mu.Unlock()
	c.orders.put(func(context.Context) { c.sendReady() })
}

func (c *Client) sendReady() {
	if l := c.readyLink(); l != nil {
		l.emit(protocol.EventReady, []byte("{}"), nil, c.logRefusal(protocol.EventReady))
	}
}

// takeOver answers process_commands.
func (c *Client) takeOver(ctx context.Context, l *link) {
	if err := c.options.Validate(ctx); err != nil {
		c.options.Logger.Error("could not take over", "err", err)
		c.mu.Lock()
		c.grant = nil
		c.mu.Unlock()
		c.say(ctx, l, protocol.Coma{Reason: clip("discord: " + err.Error())})
		return
	}
	c.sendReady()
}

// activate answers ok, if it is the go-ahead for what was granted: a bare ok wakes nobody.
func (c *Client) activate(epoch uint64) {
	c.mu.Lock()
	if c.grant == nil || c.grant.Epoch != epoch {
		c.mu.Unlock()
		return
	}
	c.used = c.grant
	if c.gate.isOpen() {
		c.mu.Unlock()
		return
	}
	grant := *c.grant
	c.epoch = epoch
	due := c.gate.start(grant.Handled)
	c.mu.Unlock()
	c.options.Logger.Info("began to process", "epoch", epoch, "replay", grant.Replay)
	c.options.OnActive(Activation{Epoch: epoch, Handled: grant.Handled, Replay: grant.Replay})
	if !grant.Replay {
		return
	}
	c.running.Go(func() {
		for _, e := range due {
			c.Handle(e.id, e.work)
		}
	})
}

// leaseRanOut tells the bot, and the server if it can hear it.
func (c *Client) leaseRanOut(context.Context) {
	c.mu.Lock()
	epoch, l := c.epoch, c.link
	tell := l != nil && c.greeted && c.grant != nil && c.grant == c.used
	if tell || !c.greeted {
		c.grant = nil // unless a hello has granted anew since
	}
	c.mu.Unlock()
	c.stopped(protocol.ReasonFenced)
	if tell {
		l.emit(protocol.EventComa, encode(protocol.Coma{
			Reason: string(protocol.ReasonFenced), Epoch: epoch, Handled: c.gate.lately(),
		}), nil, c.logRefusal(protocol.EventComa))
	}
}

func (c *Client) stopped(reason protocol.Reason) {
	c.options.Logger.Info("stopped processing", "reason", string(reason))
	c.options.OnComa(reason)
}

// rest obeys the command coma; the gate is closed already.
func (c *Client) rest(ctx context.Context, l *link, command protocol.EnterComa, was bool) {
	c.windDown(ctx, l, command.Reason, command.CacheSync, command.DrainMS, was)
	c.say(ctx, l, protocol.Coma{Reason: string(command.Reason), Epoch: command.Epoch, Handled: c.gate.lately()})
}

// quit obeys the command shutdown, or leaves for a reason of the bot's own; the gate is closed already. l is nil if there is
// no connection. It ends Run.
func (c *Client) quit(ctx context.Context, l *link, command protocol.ShutDown, was bool, result error) {
	c.windDown(ctx, l, command.Reason, command.CacheSync, command.DrainMS, was)
	if l != nil {
		c.say(ctx, l, protocol.Shutdown{
			Reason: clip(string(command.Reason)), Epoch: command.Epoch, Handled: c.gate.lately(),
		})
	}
	c.options.Logger.Info("shut down", "reason", string(command.Reason))
	c.options.OnShutdown(command.Reason)
	if l != nil {
		l.leave()
	}
	c.result = result
	close(c.over)
	c.stop()
}

// windDown waits for what has begun, and hands the cache over.
func (c *Client) windDown(ctx context.Context, l *link, reason protocol.Reason, cache bool, drainMS int64, was bool) {
	if was {
		c.stopped(reason)
		c.gate.drain(time.Duration(drainMS) * time.Millisecond)
	}
	if cache && l != nil {
		c.sendCache(ctx, l)
	}
}

// report answers a health check.
func (c *Client) report(ctx context.Context, l *link, check protocol.HealthCheck) {
	within, cancel := context.WithTimeout(ctx, time.Duration(check.DeadlineMS)*time.Millisecond)
	defer cancel()
	r := c.options.Health(within, check.Phase)
	r.CheckID = check.CheckID
	l.emit(protocol.EventHealthCheck, encode(r), nil, c.logRefusal(protocol.EventHealthCheck))
}

// say sends an event and waits until the server has acknowledged it or is gone.
func (c *Client) say(ctx context.Context, l *link, e protocol.Event) {
	within, cancel := context.WithTimeout(ctx, answerTimeout)
	defer cancel()
	c.logRefusal(e.EventName())(l.call(within, e.EventName(), encode(e), nil))
}

func encode(e protocol.Event) []byte {
	data, _ := protocol.EncodeEvent(e)
	return data
}

// clip keeps a text within the limit of a string.
func clip(s string) string { return strings.ToValidUTF8(s[:min(len(s), protocol.MaxStringBytes)], "") }
