package actors

import (
	"fmt"
	"net/netip"
	"strings"
	"sync"
	"time"

	"github.com/urban-robot/urban-robot/protocol"
	"github.com/urban-robot/urban-robot/protocol/socketio"
)

// robot is a bot process.
type robot struct {
	crew              *crew
	instance, release string
	temper            temper

	mu     sync.Mutex
	conn   *line // nil: it is not connected
	epoch  uint64
	active bool
	ready  bool
}

// line is one connection of a robot.
type line struct {
	r  *robot
	id string
}

func (r *robot) String() string { return r.instance }

func (r *robot) isActive() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.active
}

// later has the robot connect then, if it still lives.
func (r *robot) later(after time.Duration) { time.AfterFunc(after, r.connects) }

// connects opens a connection and identifies with what its process was started with.
func (r *robot) connects() {
	system := r.crew.system.Load()
	r.crew.mu.Lock()
	lives := r.crew.robots[r.instance] == r
	r.crew.last++
	number := r.crew.last
	r.crew.mu.Unlock()
	r.mu.Lock()
	if !lives || r.temper.silent || r.conn != nil {
		r.mu.Unlock()
		return
	}
	l := &line{r: r, id: fmt.Sprintf("%s-robot-%d", r.crew.name, number)}
	r.conn = l
	e := protocol.Identify{Version: "whatever", Fleet: r.crew.name}
	for _, variable := range r.crew.Environ(r.instance) {
		switch name, value, _ := strings.Cut(variable, "="); name {
		case envInstance:
			e.Instance = value
		case envLaunch:
			e.Launch = protocol.NewToken(value)
		}
	}
	if r.epoch > 0 || r.ready {
		e.Session = &protocol.Session{Epoch: r.epoch, Active: r.active, Ready: r.ready}
	}
	r.mu.Unlock()
	system.Opened(l)
	system.Received(l.id, inboundOf(e))
}

// loses loses the connection.
func (r *robot) loses() {
	r.mu.Lock()
	l := r.conn
	r.conn = nil
	r.mu.Unlock()
	if l != nil {
		r.crew.system.Load().Closed(l.id, "transport close")
	}
}

// ends is the end of the process, by itself.
func (r *robot) ends(code int) {
	r.mu.Lock()
	r.active = false
	r.mu.Unlock()
	r.crew.Exit(r.instance, code, "", "it ends")
}

// rejected is what a bot does whose token Discord rejects.
func (r *robot) rejected() {
	r.mu.Lock()
	r.active = false
	l := r.conn
	r.mu.Unlock()
	l.say(protocol.Shutdown{Reason: string(protocol.ReasonTokenRejected)})
	r.crew.w.pass(time.Second)
	r.ends(1)
}

// ID implements socketio.Conn.
func (l *line) ID() string { return l.id }

// Peer implements socketio.Conn.
func (l *line) Peer() socketio.Peer {
	return socketio.Peer{Address: netip.MustParseAddr("127.0.0.1")}
}

// Ack implements socketio.Conn.
func (l *line) Ack(uint64, *protocol.Error) {}

// SendAcked implements socketio.Conn.
func (l *line) SendAcked(_ socketio.Frame, done func(error)) { done(nil) }

// Close implements socketio.Conn.
func (l *line) Close(bool) {
	l.r.mu.Lock()
	ours := l.r.conn == l
	if ours {
		l.r.conn = nil
	}
	l.r.mu.Unlock()
	if ours {
		l.r.crew.system.Load().Closed(l.id, "forced close")
		l.r.later(5 * time.Second)
	}
}

// Send implements socketio.Conn: what a bot does about it.
func (l *line) Send(f socketio.Frame) {
	data, _ := f.Data()
	switch f.Event() {
	case protocol.EventHello:
		if hello, err := protocol.DecodeHello(data); err == nil && hello.Error == nil {
			l.greeted(hello)
		}
	case protocol.EventCommand:
		if command, err := protocol.DecodeCommand(data); err == nil {
			l.commanded(command)
		}
	}
}

func (l *line) say(e protocol.Event) { l.r.crew.system.Load().Received(l.id, inboundOf(e)) }

func (l *line) greeted(h protocol.Hello) {
	l.r.mu.Lock()
	if !h.ProcessCommands {
		l.r.active = false
	}
	l.r.ready = !l.r.temper.unready
	l.r.mu.Unlock()
	if !l.r.temper.unready {
		l.say(protocol.Ready{})
	}
}

func (l *line) commanded(command protocol.Command) {
	r := l.r
	switch c := command.(type) {
	case protocol.OK:
		r.mu.Lock()
		r.epoch, r.active = c.Epoch, true
		r.mu.Unlock()
		if others := r.crew.active(); len(others) > 1 {
			r.crew.w.t.Errorf("active are %v, want one at most", others)
		}
		if r.temper.crashes {
			time.AfterFunc(time.Second, func() { r.ends(1) })
		}
	case protocol.HealthCheck:
		e := report(!r.temper.sick)
		if p := r.temper.percent; p > 0 {
			e = protocol.HealthReport{Percentage: &p}
		}
		e.CheckID = c.CheckID
		l.say(e)
	case protocol.ProcessCommands:
		l.say(protocol.Ready{})
	case protocol.EnterComa:
		r.mu.Lock()
		r.active = false
		r.mu.Unlock()
		l.say(protocol.Coma{Epoch: c.Epoch})
	case protocol.ShutDown:
		if !r.temper.deaf {
			l.say(protocol.Shutdown{Epoch: c.Epoch})
			r.ends(0)
		}
	}
}
