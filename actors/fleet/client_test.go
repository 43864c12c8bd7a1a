package fleet

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"github.com/urban-robot/urban-robot/protocol"
)

func testAdmission() Admission {
	return Admission{
		Keys: map[string]protocol.Token{"helium": protocol.NewToken("secret"), "local": {}}, Identify: 10 * time.Second, Leave: 5 * time.Second, Strikes: 3,
		Launched: func(fleet, instance string, secret protocol.Token) bool {
			return fleet == "helium" && instance == "v1-1" && secret.Equal(protocol.NewToken("once"))
		},
	}
}

// heard is an event as it comes from a client, by its name.
func heard(name string) Said {
	said := Said{At: epoch0, Name: name, Ack: 7}
	switch name {
	case protocol.EventIdentify:
		said.Event = protocol.Identify{Version: "1.0.0", Fleet: "local"}
	case protocol.EventReady:
		said.Event = protocol.Ready{}
	case protocol.EventHealthCheck:
		said.Event = protocol.HealthReport{}
	case protocol.EventCacheSync:
		said.Event = protocol.CacheSync{}
	case protocol.EventCacheChunk:
		said.Event = protocol.CacheChunk{}
	case protocol.EventComa:
		said.Event = protocol.Coma{Reason: "own", Epoch: 3, Handled: []string{"9"}}
	case protocol.EventShutdown:
		said.Event = protocol.Shutdown{Reason: "own", Epoch: 3, Handled: []string{"9"}}
	}
	return said
}

// in is a connection in a state.
func in(s State) Connection {
	c := Connection{State: s, Local: true}
	if c.Fleet = "local"; s == StateConnected {
		c.Fleet, c.Due = "", epoch0.Add(10*time.Second)
	}
	return c
}

// sayable is what a client may say in a state, and the state that follows.
func sayable(s State) map[string]State {
	talk := []string{protocol.EventHealthCheck, protocol.EventCacheSync, protocol.EventCacheChunk}
	allowed := map[string]State{}
	for k, next := range legal[s] {
		allowed[k.String()] = next
	}
	if s == StateShuttingDown { // what crosses with the order to shut down is the supervisor's to answer
		talk = append(talk, protocol.EventReady, protocol.EventComa)
	} else if !slices.Contains([]State{StateReady, StateActive, StateComa}, s) { // it changes no state, and is allowed once the client is ready
		return allowed
	}
	for _, name := range talk {
		allowed[name] = s
	}
	return allowed
}

// "An event that is … not allowed in the client's state changes nothing, is logged and counted, and is answered by the failed acknowledgement." Section 1.
func TestWhatAClientMaySay(t *testing.T) {
	t.Parallel()
	events := []string{
		protocol.EventIdentify, protocol.EventReady, protocol.EventHealthCheck, protocol.EventCacheSync, protocol.EventCacheChunk,
		protocol.EventComa, protocol.EventShutdown,
	}
	for _, s := range States() {
		for _, name := range events {
			t.Run(fmt.Sprintf("%s in state %s", name, s), func(t *testing.T) {
				t.Parallel()
				before := in(s)
				after, effects := DecideClient(heard(name), before, testAdmission())
				next, ok := sayable(s)[name]
				switch {
				case s == StateGone:
					assert.Empty(t, effects)
					assert.Equal(t, before, after)
				case ok:
					assert.Equal(t, next, after.State)
					assert.Zero(t, after.Strikes)
					assert.NotEmpty(t, effects)
				default:
					assert.Equal(t, s, after.State)
					assert.Equal(t, 1, after.Strikes)
					assert.Len(t, effects, 1)
					reply := effects[0].(Reply)
					assert.Equal(t, protocol.CodeNotAllowed, reply.Err.Code)
					assert.Equal(t, uint64(7), reply.Ack)
					assert.Equal(t, name, reply.Name)
				}
			})
		}
	}
}

func TestWhatIsPassedOn(t *testing.T) {
	t.Parallel()
	yes := true
	shard, shards := 1, 2
	for _, c := range []struct {
		name  string
		state State
		event protocol.Event
		want  ClientEffect
	}{
		{
			"identify, with all that it says", StateConnected,
			protocol.Identify{
				Version: "1.0.0", Fleet: "local", Instance: "i", Session: &protocol.Session{Epoch: 4, Active: true}, Handled: []string{"1"}, Library: "discord.py",
				Host: "h", PID: 12, ShardID: &shard, NumShards: &shards, Capabilities: []string{"cache_chunks"},
			},
			Pass{Ack: 7, Fact: Identify{
				Release: "1.0.0", Instance: "i", Session: &protocol.Session{Epoch: 4, Active: true}, Handled: []string{"1"}, Library: "discord.py",
				Host: "h", PID: 12, Shard: &shard, Shards: &shards, Capabilities: []string{"cache_chunks"},
			}},
		},
		{"ready", StateIdentified, protocol.Ready{}, Pass{Ack: 7, Fact: Ready{}}},
		{"a report", StateActive, protocol.HealthReport{OK: &yes}, Pass{Ack: 7, Fact: Health{Report: protocol.HealthReport{OK: &yes}}}},
		{"coma", StateActive, protocol.Coma{Reason: "own", Epoch: 3, Handled: []string{"9"}}, Pass{Ack: 7, Fact: Coma{Reason: "own", Epoch: 3, Handled: []string{"9"}}}},
		{"shutdown", StateComa, protocol.Shutdown{Reason: "own", Epoch: 3, Handled: []string{"9"}}, Pass{Ack: 7, Fact: Shutdown{Reason: "own", Epoch: 3, Handled: []string{"9"}}}},
		{"a cache", StateActive, protocol.CacheSync{}, PassCache{Ack: 7, Event: protocol.CacheSync{}}},
		{"a part of a cache", StateActive, protocol.CacheChunk{ID: "x"}, PassCache{Ack: 7, Event: protocol.CacheChunk{ID: "x"}}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			_, effects := DecideClient(Said{At: epoch0, Event: c.event, Name: c.event.EventName(), Ack: 7}, in(c.state), testAdmission())
			assert.Equal(t, []ClientEffect{c.want}, effects)
		})
	}
}

// Authorization stands in identify: a fleet, its key, or the launch secret of a process that we started. Without a key only this machine may join.
func TestAuthorization(t *testing.T) {
	t.Parallel()
	key, wrong, once := protocol.NewToken("secret"), protocol.NewToken("Secret"), protocol.NewToken("once")
	for _, c := range []struct {
		name   string
		event  protocol.Identify
		local  bool
		only   string // the only fleet there is; empty: there are two
		fleet  string
		field  string // of the refusal
		launch bool
	}{
		{name: "the key", event: protocol.Identify{Fleet: "helium", Key: key}, fleet: "helium"},
		{name: "the wrong key", event: protocol.Identify{Fleet: "helium", Key: wrong}, field: "key"},
		{name: "the wrong key from this machine", event: protocol.Identify{Fleet: "helium", Key: wrong}, local: true, field: "key"},
		{name: "no key", event: protocol.Identify{Fleet: "helium"}, local: true, field: "key"},
		{name: "an unknown fleet", event: protocol.Identify{Fleet: "argon", Key: key}, local: true, field: "fleet"},
		{name: "no fleet where there are two", event: protocol.Identify{Key: key}, field: "fleet"},
		{name: "no fleet where there is one", event: protocol.Identify{Key: key}, only: "helium", fleet: "helium"},
		{name: "no key from this machine where there is none", event: protocol.Identify{Fleet: "local"}, local: true, fleet: "local"},
		{name: "no key from elsewhere where there is none", event: protocol.Identify{Fleet: "local"}, field: "key"},
		{name: "any key from elsewhere where there is none", event: protocol.Identify{Fleet: "local", Key: key}, field: "key"},
		{name: "a launch secret", event: protocol.Identify{Fleet: "helium", Instance: "v1-1", Launch: once}, fleet: "helium", launch: true},
		{name: "a launch secret of another instance", event: protocol.Identify{Fleet: "helium", Instance: "v1-2", Launch: once}, field: "launch"},
		{name: "a launch secret beside the key", event: protocol.Identify{Fleet: "helium", Instance: "v1-1", Launch: wrong, Key: key}, field: "launch"},
		{name: "a launch secret for an unknown fleet", event: protocol.Identify{Fleet: "argon", Launch: once}, field: "fleet"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			a := testAdmission()
			if c.only != "" {
				a.Keys = map[string]protocol.Token{c.only: a.Keys[c.only]}
			}
			open, _ := DecideClient(Opened{At: epoch0, Local: c.local}, Connection{}, a)
			after, effects := DecideClient(Said{At: epoch0, Name: protocol.EventIdentify, Event: c.event, Ack: 7}, open, a)
			assert.Equal(t, c.fleet, after.Fleet)
			assert.True(t, after.Due.IsZero(), "nothing is due of the connection")
			if c.field == "" {
				assert.Equal(t, c.launch, effects[0].(Pass).Fact.(Identify).Launched)
				return
			}
			reply := effects[0].(Reply)
			assert.Equal(t, protocol.CodeUnauthorized, reply.Err.Code)
			assert.Equal(t, c.field, reply.Err.Field)
			assert.Equal(t, []ClientEffect{reply, Greet{Err: reply.Err}, Hang{}}, effects)
			_, effects = DecideClient(Said{Name: protocol.EventReady, Event: protocol.Ready{}, Ack: 8}, after, a)
			assert.Equal(t, protocol.CodeNotAllowed, effects[0].(Reply).Err.Code, "it was turned away")
			_, effects = DecideClient(Closed{At: epoch0}, after, a)
			assert.Empty(t, effects, "no fleet ever knew of it")
		})
	}
	t.Run("nobody is launched", func(t *testing.T) {
		t.Parallel()
		a := testAdmission()
		a.Launched = nil
		_, effects := DecideClient(Said{Name: protocol.EventIdentify, Event: protocol.Identify{Fleet: "helium", Instance: "v1-1", Launch: once}}, in(StateConnected), a)
		assert.Equal(t, Hang{}, effects[1], "without an acknowledgement there is only the hello")
	})
}

// "A client that keeps doing it (limit in the config) is disconnected." Section 1.
func TestStrikes(t *testing.T) {
	t.Parallel()
	malformed := protocol.Errorf(protocol.CodeMalformed, "percentage", "percentage: want 0 to 100, got 250")
	for _, c := range []struct {
		name string
		said Said
		code protocol.ErrorCode
	}{
		{"a malformed event", Said{Name: protocol.EventComa, Err: malformed}, protocol.CodeMalformed},
		{"an event of no name", Said{Name: "resume"}, protocol.CodeUnknownEvent},
		{"identify once more", heard(protocol.EventIdentify), protocol.CodeNotAllowed},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			conn := in(StateReady)
			for n := 1; n <= 3; n++ {
				next, effects := DecideClient(c.said, conn, testAdmission())
				assert.Equal(t, n, next.Strikes)
				assert.Equal(t, StateReady, next.State)
				assert.Equal(t, c.code, effects[0].(Reply).Err.Code)
				if n < 3 {
					assert.Len(t, effects, 1)
				} else {
					assert.Equal(t, protocol.CodeTooMany, effects[1].(Reply).Err.Code)
					assert.Equal(t, Hang{}, effects[2])
				}
				conn = next
			}
		})
	}
	t.Run("a malformed report is a failed check, too", func(t *testing.T) {
		t.Parallel()
		said := Said{Name: protocol.EventHealthCheck, Err: malformed}
		_, effects := DecideClient(said, in(StateComa), testAdmission())
		assert.Equal(t, Pass{Fact: Health{Err: malformed}}, effects[0])
		_, effects = DecideClient(said, in(StateIdentified), testAdmission())
		assert.Len(t, effects, 1)
	})
}

// "Deadlines …: each has a named consequence, none waits for ever." Section 3.
func TestConnectionDeadlines(t *testing.T) {
	t.Parallel()
	a := testAdmission()
	open, effects := DecideClient(Opened{At: epoch0}, Connection{}, a)
	assert.Empty(t, effects)
	assert.Equal(t, epoch0.Add(a.Identify), open.Due)
	early, effects := DecideClient(Late{At: epoch0.Add(a.Identify - 1)}, open, a)
	assert.Empty(t, effects)
	assert.Equal(t, open, early)
	late, effects := DecideClient(Late{At: epoch0.Add(a.Identify)}, open, a)
	assert.Equal(t, protocol.CodeTimeout, effects[0].(Reply).Err.Code)
	assert.Equal(t, Hang{}, effects[1])
	assert.True(t, late.Due.IsZero())

	leaving, _ := DecideClient(heard(protocol.EventShutdown), in(StateActive), a)
	assert.Equal(t, epoch0.Add(a.Leave), leaving.Due)
	again := heard(protocol.EventShutdown)
	again.At = epoch0.Add(time.Second)
	leaving, _ = DecideClient(again, leaving, a)
	assert.Equal(t, epoch0.Add(a.Leave), leaving.Due, "to say it again gains no time")
	told, _ := DecideClient(Ordered{At: again.At, Effect: Tell{Command: protocol.ShutDown{}}}, leaving, a)
	assert.Equal(t, leaving, told)
	_, effects = DecideClient(Late{At: leaving.Due}, leaving, a)
	assert.Equal(t, []ClientEffect{Hang{}}, effects)

	gone, effects := DecideClient(Closed{At: epoch0, Said: true, Reason: "bye"}, leaving, a)
	assert.Equal(t, []ClientEffect{Pass{Fact: Disconnect{Said: true, Reason: "bye"}}}, effects)
	assert.Equal(t, StateGone, gone.State)
	for _, late := range []Input{Late{At: leaving.Due}, Ordered{Effect: Hangup{}}, heard(protocol.EventReady)} {
		after, effects := DecideClient(late, gone, a)
		assert.Empty(t, effects, "%T after the end", late)
		assert.Equal(t, gone, after)
	}
}

// Orders and events cross on the wire: "ok is sent only in answer to ready", and never reaches one whose last word was coma.
func TestOrders(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name  string
		state State
		order Effect
		next  State
		sent  bool
	}{
		{"ok for one that is ready", StateReady, Tell{Command: protocol.OK{Epoch: 2}}, StateActive, true},
		{"ok once more", StateActive, Tell{Command: protocol.OK{Epoch: 2}}, StateActive, true},
		{"ok that crosses with coma", StateComa, Tell{Command: protocol.OK{Epoch: 2}}, StateComa, false},
		{"ok that crosses with shutdown", StateShuttingDown, Tell{Command: protocol.OK{Epoch: 2}}, StateShuttingDown, false},
		{"coma for one that is active: it is still to say so", StateActive, Tell{Command: protocol.EnterComa{}}, StateActive, true},
		{"process_commands in coma", StateComa, Tell{Command: protocol.ProcessCommands{Epoch: 3}}, StateComa, true},
		{"a check", StateComa, Tell{Command: protocol.HealthCheck{}}, StateComa, true},
		{"shutdown counts at once", StateActive, Tell{Command: protocol.ShutDown{}}, StateShuttingDown, true},
		{"shutdown before ready", StateIdentified, Tell{Command: protocol.ShutDown{}}, StateShuttingDown, true},
		{"hello", StateIdentified, Say{Hello: protocol.Hello{Epoch: 1}}, StateIdentified, true},
		{"an answer", StateReady, Answer{Ack: 3}, StateReady, true},
		{"a cache", StateComa, DeliverCache{Number: 3}, StateComa, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			after, effects := DecideClient(Ordered{At: epoch0, Effect: c.order}, in(c.state), testAdmission())
			assert.Equal(t, c.next, after.State)
			if c.sent {
				assert.Equal(t, []ClientEffect{Transmit{Effect: c.order}}, effects)
			} else {
				assert.Empty(t, effects)
			}
		})
	}
	for _, abort := range []bool{true, false} {
		_, effects := DecideClient(Ordered{Effect: Hangup{Abort: abort}}, in(StateReady), testAdmission())
		assert.Equal(t, []ClientEffect{Hang{Abort: abort}}, effects)
	}
	after, effects := DecideClient(nil, in(StateReady), testAdmission())
	assert.Equal(t, in(StateReady), after)
	assert.Empty(t, effects)
}
