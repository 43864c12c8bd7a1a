package actors

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/urban-robot/urban-robot/protocol"
	"github.com/urban-robot/urban-robot/protocol/socketio"
)

// bot is a bot process with its connection: it records what it is sent.
type bot struct {
	w    *world
	id   string
	peer socketio.Peer

	mu      sync.Mutex
	got     []string
	caches  [][]byte      // each cache that came, whole
	parts   []func(error) // of cache_chunk events not acknowledged yet
	slow    bool          // parts are acknowledged by hand, see take
	closed  bool
	joiner  protocol.Joiner
	acks    uint64
	onSend  func(socketio.Frame) // nil: nothing
	version string
}

// ID implements socketio.Conn.
func (b *bot) ID() string { return b.id }

// Peer implements socketio.Conn.
func (b *bot) Peer() socketio.Peer { return b.peer }

// Send implements socketio.Conn.
func (b *bot) Send(f socketio.Frame) {
	if b.onSend != nil {
		b.onSend(f)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closed {
		return
	}
	if f.Event() == protocol.EventCacheSync {
		data, _ := f.Data()
		b.caches = append(b.caches, data)
	}
	b.got = append(b.got, summary(b.w.t, f))
}

// Ack implements socketio.Conn.
func (b *bot) Ack(number uint64, err *protocol.Error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closed {
		return
	}
	answer := "ok"
	if err != nil {
		answer = string(err.Code)
	}
	b.got = append(b.got, fmt.Sprintf("ack %d %s", number, answer))
}

// SendAcked implements socketio.Conn.
func (b *bot) SendAcked(f socketio.Frame, done func(error)) {
	b.mu.Lock()
	if b.closed {
		b.mu.Unlock()
		done(socketio.ErrClosed)
		return
	}
	b.got = append(b.got, summary(b.w.t, f))
	data, attachments := f.Data()
	event, err := protocol.DecodeEvent(f.Event(), data, attachments)
	if err != nil {
		b.w.t.Errorf("a part is sent that cannot be read: %v", err)
	}
	cache, whole, wrong := b.joiner.Add(event.(protocol.CacheChunk))
	if wrong != nil {
		b.w.t.Errorf("a part is sent out of order: %v", wrong)
	}
	if whole {
		b.caches = append(b.caches, cache.JSON)
	}
	if b.slow {
		b.parts = append(b.parts, done)
		b.mu.Unlock()
		return
	}
	b.mu.Unlock()
	done(nil)
}

// Close implements socketio.Conn. As the gateway does, it tells that the connection is closed, once.
func (b *bot) Close(abort bool) {
	b.mu.Lock()
	if b.closed {
		b.mu.Unlock()
		return
	}
	b.closed = true
	how, reason := "close", "server namespace disconnect"
	if abort {
		how, reason = "abort", "forced close"
	}
	b.got = append(b.got, how)
	parts := b.parts
	b.parts = nil
	b.mu.Unlock()
	for _, done := range parts {
		done(socketio.ErrClosed)
	}
	if system := b.w.system; system != nil {
		system.Closed(b.id, reason)
	}
}

func (b *bot) identify(version string, change ...func(*protocol.Identify)) {
	e := protocol.Identify{Version: version, Key: protocol.NewToken(theKey), Instance: "i-" + version, Library: "discord.py"}
	for _, f := range change {
		f(&e)
	}
	b.version = version
	b.says(e)
}

// says sends an event with a request for an acknowledgement, and returns once all has settled that follows from it.
func (b *bot) says(e protocol.Event) {
	b.acks++
	b.w.system.Received(b.id, socketio.Inbound{Name: e.EventName(), Event: e, Ack: b.acks})
	b.w.settle()
}

// tells is says without a request for an acknowledgement.
func (b *bot) tells(e protocol.Event) {
	b.w.system.Received(b.id, socketio.Inbound{Name: e.EventName(), Event: e})
	b.w.settle()
}

// healthy answers a health check.
func (b *bot) healthy() { b.says(report(true)) }

// goes closes the connection from the client's side.
func (b *bot) goes() {
	b.mu.Lock()
	b.closed = true
	b.mu.Unlock()
	b.w.system.Closed(b.id, "transport close")
	b.w.settle()
}

// saw fails unless the bot was sent exactly this since the last saw.
func (b *bot) saw(want ...string) {
	b.w.t.Helper()
	b.w.settle()
	b.mu.Lock()
	got := b.got
	b.got = nil
	b.mu.Unlock()
	if !slices.Equal(got, want) {
		b.w.t.Errorf("%s %s was sent %q, want %q", b.id, b.version, got, want)
	}
}

// forgets what it was sent so far.
func (b *bot) forgets() *bot {
	b.w.settle()
	b.mu.Lock()
	defer b.mu.Unlock()
	b.got = nil
	return b
}

// sort puts what it was sent in an order for saw.
func (b *bot) sort() {
	b.mu.Lock()
	defer b.mu.Unlock()
	slices.Sort(b.got)
}

// takes acknowledges the oldest n parts.
func (b *bot) takes(n int) {
	b.mu.Lock()
	taken := b.parts[:n]
	b.parts = b.parts[n:]
	b.mu.Unlock()
	for _, done := range taken {
		done(nil)
	}
	b.w.settle()
}

func (b *bot) lastCache() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.caches) == 0 {
		return ""
	}
	return string(b.caches[len(b.caches)-1])
}

func (b *bot) isClosed() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.closed
}

func chunks(e *protocol.Identify) { e.Capabilities = []string{protocol.CapabilityCacheChunks} }

func session(epoch uint64) func(*protocol.Identify) {
	return func(e *protocol.Identify) { e.Session = &protocol.Session{Epoch: epoch, Active: true, Ready: true} }
}

func report(ok bool) protocol.HealthReport {
	return protocol.HealthReport{OK: &ok, Cogs: map[string]protocol.Cog{"modules.utilities": {OK: ok, Error: "cog-content"}}}
}

// summary is a frame in a few words.
func summary(t testing.TB, f socketio.Frame) string {
	data, attachments := f.Data()
	switch f.Event() {
	case protocol.EventHello:
		return helloSummary(t, data)
	case protocol.EventRejected:
		return "rejected " + field(data, "event") + " " + field(data, "code")
	case protocol.EventCacheSync:
		size := len(data)
		for _, a := range attachments {
			size += len(a)
		}
		return fmt.Sprintf("cache_sync %d", size)
	case protocol.EventCacheChunk:
		event, err := protocol.DecodeEvent(f.Event(), data, attachments)
		if err != nil {
			t.Errorf("DecodeEvent() = %v, want nil", err)
			return "cache_chunk ?"
		}
		c := event.(protocol.CacheChunk)
		return fmt.Sprintf("cache_chunk %s %d/%d", c.ID, c.Part, c.Parts)
	default:
		return commandSummary(t, f.Event(), data)
	}
}

func helloSummary(t testing.TB, data []byte) string {
	hello, err := protocol.DecodeHello(data)
	switch {
	case err != nil:
		t.Errorf("DecodeHello() = %v, want nil", err)
		return "hello ?"
	case hello.Error != nil:
		return "hello " + string(hello.Error.Code)
	case hello.Token.Reveal() != theToken:
		t.Errorf("hello has another token than the fleet's")
	}
	if hello.ProcessCommands {
		return fmt.Sprintf("hello true %d", hello.Epoch)
	}
	return fmt.Sprintf("hello false %d", hello.Epoch)
}

func commandSummary(t testing.TB, name string, data []byte) string {
	command, err := protocol.DecodeCommand(data)
	if err != nil {
		t.Errorf("DecodeCommand() = %v, want nil", err)
		return name + " ?"
	}
	text := command.CommandName()
	if name != protocol.EventCommand {
		text = name + ":" + text
	}
	switch c := command.(type) {
	case protocol.OK:
		return fmt.Sprintf("%s %d", text, c.Epoch)
	case protocol.HealthCheck:
		return text + " " + string(c.Phase)
	case protocol.ProcessCommands:
		return fmt.Sprintf("%s %d %s", text, c.Epoch, strings.Join(c.Handled, ","))
	case protocol.EnterComa:
		return text + " " + string(c.Reason)
	case protocol.ShutDown:
		return text + " " + string(c.Reason)
	}
	return text
}

func inboundOf(e protocol.Event) socketio.Inbound {
	return socketio.Inbound{Name: e.EventName(), Event: e}
}

// field reads a string of a JSON object whose values are all strings.
func field(data []byte, name string) string {
	_, rest, _ := strings.Cut(string(data), `"`+name+`":"`)
	value, _, _ := strings.Cut(rest, `"`)
	return value
}
