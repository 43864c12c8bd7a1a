package actors

import (
	"net/netip"
	"testing"
	"time"

	"github.com/urban-robot/urban-robot/protocol"
	"github.com/urban-robot/urban-robot/protocol/socketio"
)

func TestUnauthorized(t *testing.T) {
	far := socketio.Peer{Address: netip.MustParseAddr("192.0.2.1")}
	near := socketio.Peer{Address: netip.MustParseAddr("::1")}
	key := func(text string) func(*protocol.Identify) {
		return func(e *protocol.Identify) { e.Key = protocol.NewToken(text) }
	}
	fleetNamed := func(name string) func(*protocol.Identify) {
		return func(e *protocol.Identify) { e.Fleet = name }
	}
	in, out := []string{"ack 1 ok", "hello true 1"}, []string{"ack 1 unauthorized", "hello unauthorized", "close"}
	for _, c := range []struct {
		name   string
		open   bool // the fleet has no key
		fleets int
		peer   socketio.Peer
		change func(*protocol.Identify)
		want   []string
	}{
		{name: "the right key from afar", peer: far, change: key(theKey), want: in},
		{name: "the fleet by its name", peer: far, change: fleetNamed(theFleet), want: in},
		{name: "an unknown fleet", peer: near, change: fleetNamed("neon"), want: out},
		{name: "no key", peer: near, change: key(""), want: out},
		{name: "a wrong key", peer: near, change: key(theKey + "x"), want: out},
		{name: "no key where there is none, from this machine", open: true, peer: near, change: key(""), want: in},
		{name: "no key where there is none, from afar", open: true, peer: far, change: key(""), want: out},
		{name: "no name where there are two fleets", fleets: 2, peer: near, change: fleetNamed(""), want: out},
		{name: "a name where there are two fleets", fleets: 2, peer: near, change: fleetNamed(theFleet), want: in},
	} {
		t.Run(c.name, func(t *testing.T) {
			inBubble(t, func(w *world) {
				if c.open {
					w.config.Fleets[0].Key = protocol.Token{}
				}
				if c.fleets == 2 {
					second := w.config.Fleets[0]
					second.Name = "argon"
					w.config.Fleets = append(w.config.Fleets, second)
				}
				w.start()
				b := w.connectFrom(c.peer)
				b.identify("1.0.0", c.change)
				b.saw(c.want...)
				refused := 0
				if c.want[0] == out[0] {
					refused = 1
				}
				w.logged(refused, "client turned away", `"reason":"unauthorized"`, `"client":"c1"`)
				w.logged(refused, `"level":"warn"`)
			})
		})
	}
}

func TestUnauthorizedWithoutAcknowledgement(t *testing.T) {
	inBubble(t, func(w *world) {
		w.start()
		b := w.connect()
		b.tells(protocol.Identify{Version: "1.0.0"})
		b.saw("hello unauthorized", "close")
		w.logged(1, "client turned away")
	})
}

func TestStrikes(t *testing.T) {
	inBubble(t, func(w *world) {
		w.config.Strikes = 3
		w.start()
		b := w.connect()
		bad := socketio.Inbound{Name: "dance", Err: protocol.Errorf(protocol.CodeUnknownEvent, "", "want another"), Ack: 1}
		w.system.Received(b.id, bad)
		bad.Ack = 0
		w.system.Received(b.id, bad)
		b.saw("ack 1 unknown_event", "rejected dance unknown_event")
		b.tells(protocol.Ready{})
		b.saw("rejected ready not_allowed", "rejected ready too_many", "close")
		w.logged(4, "event rejected")
	})
}

func TestClientThatDoesNotIdentify(t *testing.T) {
	inBubble(t, func(w *world) {
		w.start()
		b := w.connect()
		w.pass(9 * time.Second)
		b.saw()
		w.pass(time.Second)
		b.saw("rejected identify timeout", "close")
		w.pass(time.Hour)
		b.saw()
	})
}

func TestClientThatDoesNotLeave(t *testing.T) {
	inBubble(t, func(w *world) {
		w.start()
		b := w.holder()
		b.says(protocol.Shutdown{})
		b.saw("ack 4 ok")
		w.pass(9 * time.Second)
		b.saw()
		w.pass(time.Second)
		b.saw("close")
	})
}

func TestClientThatLeavesBeforeItIdentifies(t *testing.T) {
	inBubble(t, func(w *world) {
		w.start()
		b := w.connect()
		b.says(protocol.Shutdown{})
		b.saw("ack 1 ok", "close")
	})
}

func TestSecondConnectionOfOneInstanceReplacesTheFirst(t *testing.T) {
	inBubble(t, func(w *world) {
		w.start()
		first := w.holder()
		second := w.join("1.0.0", session(1))
		first.saw("abort")
		second.saw("ack 1 ok", "hello true 1")
	})
}

func TestConfigIsChecked(t *testing.T) {
	for name, change := range map[string]func(*Config){
		"no fleet":          func(c *Config) { c.Fleets = nil },
		"no store":          func(c *Config) { c.Store = nil },
		"a fleet nameless":  func(c *Config) { c.Fleets[0].Name = "" },
		"two of one name":   func(c *Config) { c.Fleets = append(c.Fleets, c.Fleets[0]) },
		"a fleet seatless":  func(c *Config) { c.Fleets[0].Policy.Shards = 0 },
		"a fleet lane-less": func(c *Config) { c.Fleets[0].Policy.Login.Concurrency = 0 },
	} {
		w := newWorld(t)
		w.config.Store = w.memory
		change(&w.config)
		if _, err := New(w.config); err == nil {
			t.Errorf("New() with %s = nil, want an error", name)
		}
	}
}
