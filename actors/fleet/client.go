package fleet

import (
	"time"

	"github.com/urban-robot/urban-robot/protocol"
)

// Connection is what the rules know of one connection by itself, before and beside its fleet: whether what is said on it is
// legal, and whether it comes in time. The zero Connection is not open yet.
type Connection struct {
	State   State
	Fleet   string    // after an accepted identify
	Local   bool      // it comes from this machine
	Due     time.Time // identify is due, or the client's leaving; zero: nothing
	Strikes int       // rejected events
}

// Admission says who is let in, and how patient a connection's rules are.
type Admission struct {
	Keys     map[string]protocol.Token                                // by fleet; an empty key lets in only clients of this machine
	Launched func(fleet, instance string, secret protocol.Token) bool // whether this is the launch secret of that instance; nil: nobody is launched
	Identify time.Duration                                            // from the connection to identify
	Leave    time.Duration                                            // from shutdown, said or told, to the end of the connection
	Strikes  int                                                      // rejected events until the client is disconnected
}

// Input is something that happens to a connection. The set is closed: Opened, Said, Ordered, Closed and Late.
type Input interface{ input() }

// Opened is the first input of a connection.
type Opened struct {
	At    time.Time
	Local bool // it comes from this machine
}

// Said is an event from the client, or the reason why what came is none.
type Said struct {
	At    time.Time
	Name  string
	Event protocol.Event  // nil if Err is set
	Err   *protocol.Error // why it is none
	Ack   uint64
}

// Ordered is an effect that the fleet's rules address to this client: Say, Tell, Answer, DeliverCache or Hangup.
type Ordered struct {
	At     time.Time
	Effect Effect
}

// Closed is the last input of a connection.
type Closed struct {
	At     time.Time
	Said   bool // the client itself ended it in due form
	Reason string
}

// Late says that Connection.Due has come.
type Late struct{ At time.Time }

// ClientEffect is something a connection's rules want done, in the order returned. The set is closed: Pass, Reply, Transmit
// and Hang.
type ClientEffect interface{ clientEffect() }

// Pass hands a fact to the fleet's supervisor.
type Pass struct {
	Ack  uint64
	Fact Fact
}

// PassCache hands over a cache, which the rules do not look into.
type PassCache struct {
	Ack   uint64
	Event protocol.Event // CacheSync or CacheChunk
}

// Reply answers an event here and now: the acknowledgement, or the event rejected where none was asked for.
type Reply struct {
	Name string
	Ack  uint64
	Err  *protocol.Error // nil: accepted
}

// Transmit sends what the fleet's rules ordered.
type Transmit struct{ Effect Effect }

// Hang closes the connection: after what was sent has left, or with Abort at once.
type Hang struct{ Abort bool }

// Greet sends a hello that refuses, before there is a fleet to do so.
type Greet struct{ Err *protocol.Error }

func (Opened) input()  {}
func (Said) input()    {}
func (Ordered) input() {}
func (Closed) input()  {}
func (Late) input()    {}

func (Pass) clientEffect()      {}
func (PassCache) clientEffect() {}
func (Reply) clientEffect()     {}
func (Transmit) clientEffect()  {}
func (Hang) clientEffect()      {}
func (Greet) clientEffect()     {}

// DecideClient answers an input: the connection as it is afterwards and what is to be done, in this order.
func DecideClient(in Input, c Connection, a Admission) (Connection, []ClientEffect) {
	switch in := in.(type) {
	case Opened:
		return Connection{State: StateConnected, Local: in.Local, Due: in.At.Add(a.Identify)}, nil
	case Said:
		return said(in, c, a)
	case Ordered:
		return ordered(in, c, a)
	case Closed:
		return closed(in, c)
	case Late:
		return late(in, c)
	}
	return c, nil
}

// said judges an event: rejected, or passed on.
func said(in Said, c Connection, a Admission) (Connection, []ClientEffect) {
	if c.State == StateGone {
		return c, nil
	}
	if in.Err != nil {
		return rejected(in, c, a, in.Err)
	}
	if c.State == StateConnected {
		return introduced(in, c, a)
	}
	if c.Fleet == "" { // it was turned away, and goes
		return c, []ClientEffect{Reply{Name: in.Name, Ack: in.Ack, Err: protocol.Errorf(protocol.CodeNotAllowed, "", "this connection is not let in")}}
	}
	switch event := in.Event.(type) {
	case protocol.Identify:
		return strike(in, c, a, protocol.Errorf(protocol.CodeNotAllowed, "", "identify was accepted before; send it once for each connection"))
	case protocol.Ready:
		return step(in, c, a, KindReady, Ready{})
	case protocol.Coma:
		return step(in, c, a, KindComa, Coma{Reason: event.Reason, Epoch: event.Epoch, Handled: event.Handled})
	case protocol.Shutdown:
		c = c.leaves(in.At, a)
		return step(in, c, a, KindShutdown, Shutdown{Reason: event.Reason, Epoch: event.Epoch, Handled: event.Handled})
	case protocol.HealthReport:
		if c.State == StateIdentified {
			return strike(in, c, a, notYet(in.Name, c.State))
		}
		return c, []ClientEffect{Pass{Ack: in.Ack, Fact: Health{Report: event}}}
	case protocol.CacheSync, protocol.CacheChunk:
		if c.State == StateIdentified {
			return strike(in, c, a, notYet(in.Name, c.State))
		}
		return c, []ClientEffect{PassCache{Ack: in.Ack, Event: event}}
	}
	return strike(in, c, a, protocol.Errorf(protocol.CodeUnknownEvent, "", "no event has this name"))
}

// introduced judges the first event of a connection.
func introduced(in Said, c Connection, a Admission) (Connection, []ClientEffect) {
	switch event := in.Event.(type) {
	case protocol.Identify:
		name, err := authorize(event, c, a)
		if err != nil {
			return turnedAway(in, c, err)
		}
		c.State, _ = Next(c.State, KindIdentify)
		c.Fleet, c.Due = name, time.Time{}
		fact := identifyFact(event)
		fact.Launched = !event.Launch.IsZero()
		return c, []ClientEffect{Pass{Ack: in.Ack, Fact: fact}}
	case protocol.Shutdown:
		c.State, _ = Next(c.State, KindShutdown)
		return c, []ClientEffect{Reply{Name: in.Name, Ack: in.Ack}, Hang{}}
	}
	return strike(in, c, a, protocol.Errorf(protocol.CodeNotAllowed, "", "identify first"))
}

// authorize finds the fleet that a client may join.
func authorize(event protocol.Identify, c Connection, a Admission) (string, *protocol.Error) {
	name := event.Fleet
	if name == "" {
		if len(a.Keys) != 1 {
			return "", protocol.Errorf(protocol.CodeUnauthorized, "fleet", "there are %d fleets here; name yours", len(a.Keys))
		}
		for only := range a.Keys {
			name = only
		}
	}
	key, known := a.Keys[name]
	switch {
	case known && !event.Launch.IsZero():
		if a.Launched == nil || !a.Launched(name, event.Instance, event.Launch) {
			return "", protocol.Errorf(protocol.CodeUnauthorized, "launch", "this is not the launch secret of this instance; leave it out and send the key")
		}
	case !known:
		return "", protocol.Errorf(protocol.CodeUnauthorized, "fleet", "there is no fleet of this name here, or the key is not its key")
	case key.IsZero() && !c.Local:
		return "", protocol.Errorf(protocol.CodeUnauthorized, "key", "this fleet has no key, so only clients on the same machine may join; give it one")
	case !key.IsZero() && event.Key.IsZero():
		return "", protocol.Errorf(protocol.CodeUnauthorized, "key", "send the fleet's key")
	case !key.IsZero() && !key.Equal(event.Key):
		return "", protocol.Errorf(protocol.CodeUnauthorized, "key", "there is no fleet of this name here, or the key is not its key")
	}
	return name, nil
}

func identifyFact(e protocol.Identify) Identify {
	return Identify{
		Instance: e.Instance, Release: Release(e.Version), Session: e.Session, Handled: e.Handled, Shard: e.ShardID, Shards: e.NumShards,
		Capabilities: e.Capabilities, Library: e.Library, Host: e.Host, PID: e.PID,
	}
}

// turnedAway answers a failed authorization: hello with the error and without a token, then the end.
func turnedAway(in Said, c Connection, err *protocol.Error) (Connection, []ClientEffect) {
	c.State, _ = Next(c.State, KindShutdown)
	c.Due = time.Time{}
	effects := []ClientEffect{Greet{Err: err}, Hang{}}
	if in.Ack != 0 {
		effects = append([]ClientEffect{Reply{Name: in.Name, Ack: in.Ack, Err: err}}, effects...)
	}
	return c, effects
}

// step passes an event on if it is legal. One that crossed with the order to shut down is void and harms nobody.
func step(in Said, c Connection, a Admission, k Kind, fact Fact) (Connection, []ClientEffect) {
	next, legal := Next(c.State, k)
	switch {
	case legal:
		c.State = next
		return c, []ClientEffect{Pass{Ack: in.Ack, Fact: fact}}
	case c.State == StateShuttingDown:
		return c, []ClientEffect{Pass{Ack: in.Ack, Fact: fact}}
	}
	return strike(in, c, a, notYet(in.Name, c.State))
}

func notYet(name string, s State) *protocol.Error {
	return protocol.Errorf(protocol.CodeNotAllowed, "", "%s is not allowed in state %s; send ready first", name, s)
}

// rejected answers what is not an event. A malformed health report is a failed check, too, and a malformed first identify
// is worth nothing less than hello with the error.
func rejected(in Said, c Connection, a Admission, err *protocol.Error) (Connection, []ClientEffect) {
	next, effects := strike(in, c, a, err)
	if in.Name == protocol.EventHealthCheck && c.State != StateConnected && c.State != StateIdentified {
		effects = append([]ClientEffect{Pass{Fact: Health{Err: err}}}, effects...)
	}
	return next, effects
}

// strike answers an event that is rejected, and ends the connection of a client that keeps sending such.
func strike(in Said, c Connection, a Admission, err *protocol.Error) (Connection, []ClientEffect) {
	c.Strikes++
	effects := []ClientEffect{Reply{Name: in.Name, Ack: in.Ack, Err: err}}
	if c.Strikes < a.Strikes {
		return c, effects
	}
	enough := protocol.Errorf(protocol.CodeTooMany, "", "%d events were rejected; the connection is closed", c.Strikes)
	return c, append(effects, Reply{Name: in.Name, Err: enough}, Hang{})
}

// ordered carries out what the fleet's rules want, as far as it is still legal on this connection: an ok that crossed with
// the client's own coma never reaches it.
func ordered(in Ordered, c Connection, a Admission) (Connection, []ClientEffect) {
	if c.State == StateGone {
		return c, nil
	}
	switch effect := in.Effect.(type) {
	case Tell:
		switch effect.Command.(type) {
		case protocol.OK:
			next, legal := Next(c.State, KindOK)
			if !legal {
				return c, nil
			}
			c.State = next
		case protocol.ShutDown:
			c = c.leaves(in.At, a)
			c.State, _ = Next(c.State, KindShutdown)
		}
	case Hangup:
		return c, []ClientEffect{Hang{Abort: effect.Abort}}
	}
	return c, []ClientEffect{Transmit{Effect: in.Effect}}
}

// leaves has the time begin within which the connection has to end. To say so again gains no time.
func (c Connection) leaves(at time.Time, a Admission) Connection {
	if c.State != StateShuttingDown || c.Due.IsZero() {
		c.Due = at.Add(a.Leave)
	}
	return c
}

// closed tells the fleet that the connection is gone.
func closed(in Closed, c Connection) (Connection, []ClientEffect) {
	joined := c.Fleet != ""
	c.State, c.Due = StateGone, time.Time{}
	if !joined {
		return c, nil
	}
	return c, []ClientEffect{Pass{Fact: Disconnect{Said: in.Said, Reason: in.Reason}}}
}

// late ends a connection that did not identify, or did not leave, in time.
func late(in Late, c Connection) (Connection, []ClientEffect) {
	if c.State == StateGone || !due(c.Due, in.At) {
		return c, nil
	}
	c.Due = time.Time{}
	if c.State == StateConnected {
		err := protocol.Errorf(protocol.CodeTimeout, "", "identify did not come in time")
		return c, []ClientEffect{Reply{Name: protocol.EventIdentify, Err: err}, Hang{}}
	}
	return c, []ClientEffect{Hang{}}
}
