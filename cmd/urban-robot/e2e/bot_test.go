package e2e

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"
)

// client is a Socket.IO client that bots stand on, and how it connects.
type client struct {
	kind      string // sync, asyncio, js
	transport string // default, websocket
}

func (c client) String() string { return c.kind + " " + c.transport }

// clients are all that must work. The first three connect as their libraries do by default: polling, then an upgrade.
var clients = []client{
	{"sync", "default"},
	{"asyncio", "default"},
	{"js", "default"},
	{"sync", "websocket"},
	{"asyncio", "websocket"},
	{"js", "websocket"},
}

// kinds are the clients with their default transports.
var kinds = clients[:3]

// variables configure a bot: testdata/clients/README.md lists them.
type variables map[string]string

// bot is a bot process.
type bot struct {
	*transcript
	process *exec.Cmd
	input   io.WriteCloser
	exited  chan struct{}
	read    int // lines up to here have been waited for
}

var bots atomic.Int64 // started, to tell their names apart

// startBot runs a bot of that version against the service until the test ends.
func startBot(t *testing.T, s *service, c client, version string, with variables) *bot {
	t.Helper()
	b := &bot{transcript: newTranscript(fmt.Sprintf("bot %d of %s (%s)", bots.Add(1), version, c)), exited: make(chan struct{})}
	name, arguments := c.command(t)
	b.process = exec.Command(name, arguments...)
	environment := variables{"URL": s.url(), "VERSION": version, "KIND": c.kind, "TRANSPORT": c.transport}
	maps.Copy(environment, with)
	b.process.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + os.Getenv("HOME"), "PYTHONDONTWRITEBYTECODE=1"}
	for _, name := range slices.Sorted(maps.Keys(environment)) {
		b.process.Env = append(b.process.Env, name+"="+environment[name])
	}
	output, err := b.process.StdoutPipe()
	require.NoError(t, err)
	b.process.Stderr = b.process.Stdout
	b.input, err = b.process.StdinPipe()
	require.NoError(t, err)
	require.NoError(t, b.process.Start())
	go func() {
		b.follow(output)
		_ = b.process.Wait() // how a bot ends is its own affair
		close(b.exited)
	}()
	t.Cleanup(func() {
		b.kill()
		if t.Failed() {
			b.dump(t, 60)
		}
	})
	return b
}

// command is how a bot on this client is started.
func (c client) command(t *testing.T) (string, []string) {
	t.Helper()
	if c.kind == "js" {
		directory := filepath.Join("testdata", "clients", "js")
		_, err := os.Stat(filepath.Join(directory, "node_modules", "socket.io-client"))
		require.NoError(t, err, "socket.io-client is missing; run npm ci in cmd/urban-robot/e2e/%s, or make test", directory)
		node, err := exec.LookPath("node")
		require.NoError(t, err, "Node.js is missing; on Debian: apt-get install nodejs npm")
		return node, []string{filepath.Join(directory, "bot.mjs")}
	}
	pythonReady(t)
	return python, []string{filepath.Join("testdata", "clients", "py", "bot.py")}
}

// python is Debian's own interpreter, for which its packages are.
const python = "/usr/bin/python3"

func pythonReady(t *testing.T) {
	t.Helper()
	_, err := os.Stat("/usr/lib/python3/dist-packages/socketio")
	require.NoError(t, err, "python-socketio is missing; on Debian: "+
		"apt-get install python3 python3-socketio python3-aiohttp python3-websocket python3-requests")
}

// kill ends the process as a crash does.
func (b *bot) kill() {
	_ = b.process.Process.Kill() // it may have ended by itself
	<-b.exited
}

// ends waits until the bot has ended by itself.
func (b *bot) ends(t *testing.T) {
	t.Helper()
	for from := len(b.all()); ; {
		b.mu.Lock()
		ended, grown := b.ended, b.grown
		b.mu.Unlock()
		if ended {
			<-b.exited
			return
		}
		select {
		case <-grown:
		case <-t.Context().Done():
			require.FailNowf(t, "bot stays", "%s has not ended since line %d", b.name, from)
		}
	}
}

// order writes a line to the bot's standard input.
func (b *bot) order(t *testing.T, text string) {
	t.Helper()
	_, err := io.WriteString(b.input, text+"\n")
	require.NoError(t, err)
}

// emits orders the bot to send an event.
func (b *bot) emits(t *testing.T, event, data string, acknowledged bool) {
	t.Helper()
	b.order(t, fmt.Sprintf(`{"emit":%q,"data":%s,"ack":%t}`, event, data, acknowledged))
}

// expect waits for the next line that matches, after the one that was waited for last.
func (b *bot) expect(t *testing.T, want pattern) line {
	t.Helper()
	l, next := b.wait(t, b.read, want)
	b.read = next
	return l
}

// hello waits for a hello and returns it.
func (b *bot) hello(t *testing.T) hello {
	t.Helper()
	return decode[hello](t, b.expect(t, got("hello")).Data)
}

// told waits for a command and returns what it says.
func (b *bot) told(t *testing.T, name string) command {
	t.Helper()
	return decode[struct{ D command }](t, b.expect(t, commanded(name)).Data).D
}

// becomesHolder waits for the whole cold start.
func (b *bot) becomesHolder(t *testing.T) hello {
	t.Helper()
	h := b.hello(t)
	require.Truef(t, h.ProcessCommands, "hello of %s: process_commands = false, want true", b.name)
	require.Equal(t, h.Epoch, b.told(t, "ok").Epoch, "ok has another epoch than hello")
	return h
}

// hello is what the test looks at in a hello.
type hello struct {
	Token           string
	ProcessCommands bool `json:"process_commands"`
	Instance        string
	Epoch           uint64
	LeaseMS         int64 `json:"lease_ms"`
	Contract        int
	Error           refusal
}

// refusal is an error, in hello, in an acknowledgement or in rejected.
type refusal struct{ Event, Code, Message, Field string }

// answer is an acknowledgement.
type answer struct {
	OK    bool
	Error refusal
}

// command is what the test looks at in a command's d.
type command struct {
	Epoch     uint64
	Reason    string
	Phase     string
	CacheSync bool `json:"cache_sync"`
	Replay    bool
	Handled   []string
}

func decode[T any](t *testing.T, data json.RawMessage) T {
	t.Helper()
	var value T
	require.NoError(t, json.Unmarshal(data, &value), "decode %s", data)
	return value
}

func got(event string) pattern { return happened("got", event) }

// acknowledged is the answer to an event.
func acknowledged(event string) pattern { return happened("ack", event) }

func happened(kind, event string) pattern {
	return pattern{name: kind + " " + event, is: func(l line) bool { return l.Kind == kind && l.Event == event }}
}

// commanded is a command of that name; "" is any.
func commanded(name string) pattern {
	return pattern{name: "the command " + name, is: func(l line) bool {
		var c struct{ T string }
		return l.Kind == "got" && l.Event == "command" && json.Unmarshal(l.Data, &c) == nil && (name == "" || c.T == name)
	}}
}

// orderOf returns the commands, hellos and caches that the bot was sent, in the order of the wire.
func (b *bot) orderOf(t *testing.T) []string {
	t.Helper()
	var order []string
	for _, l := range b.all() {
		if l.Kind != "wire" {
			continue
		}
		text := strings.TrimLeft(l.Wire, "0123456789-")
		switch {
		case strings.HasPrefix(text, `["cache_sync"`):
			order = append(order, "cache_sync")
		case strings.HasPrefix(text, `["hello"`):
			order = append(order, "hello")
		case strings.HasPrefix(text, `["command"`):
			frame := decode[[2]json.RawMessage](t, json.RawMessage(text))
			order = append(order, decode[struct{ T string }](t, frame[1]).T)
		}
	}
	return order
}

// only returns those of the events that are in keep.
func only(order []string, keep ...string) []string {
	return slices.DeleteFunc(slices.Clone(order), func(name string) bool { return !slices.Contains(keep, name) })
}

// The life of a bot's connection, and of its right to process commands.
var (
	connected    = happened("connect", "")
	disconnected = happened("disconnect", "")
	state        = happened("state", "")
	comatose     = happened("sent", "coma")
)

// staysHolder wants the bot to have been told nothing but to report its health since its last ok, and to be asked again.
func (b *bot) staysHolder(t *testing.T) {
	t.Helper()
	b.read = len(b.all())
	b.told(t, "health_check")
	orders := only(b.orderOf(t), "hello", "ok", "process_commands", "coma", "shutdown")
	require.NotEmpty(t, orders, "orders to %s", b.name)
	require.Equal(t, "ok", orders[len(orders)-1], "the last order to %s", b.name)
}
