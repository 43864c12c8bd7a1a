package socketio

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/rs/zerolog"
	"github.com/stretchr/testify/require"

	"github.com/urban-robot/urban-robot/protocol"
)

const patience = 20 * time.Second

// recorder is a Handler that writes down what it is told, and fails the test if calls overlap or come out of order.
type recorder struct {
	tb         testing.TB
	onOpened   func(Conn)
	onReceived func(Conn, Inbound)

	mu       sync.Mutex
	conns    map[string]Conn
	order    []Conn
	received map[string][]Inbound
	closed   map[string]string
	inside   map[string]bool
	forget   bool // count only
	opens    int
	closes   int
}

func newRecorder(tb testing.TB) *recorder {
	return &recorder{
		tb:       tb,
		conns:    map[string]Conn{},
		received: map[string][]Inbound{},
		closed:   map[string]string{},
		inside:   map[string]bool{},
	}
}

func (r *recorder) Opened(c Conn) {
	defer r.enter(c.ID())()
	r.mu.Lock()
	if r.conns[c.ID()] != nil {
		r.tb.Errorf("connection %s opened twice", c.ID())
	}
	r.conns[c.ID()] = c
	r.opens++
	if !r.forget {
		r.order = append(r.order, c)
	}
	r.mu.Unlock()
	if r.onOpened != nil {
		r.onOpened(c)
	}
}

func (r *recorder) Received(id string, in Inbound) {
	defer r.enter(id)()
	r.mu.Lock()
	c := r.conns[id]
	if c == nil {
		r.tb.Errorf("event of connection %s which is not open", id)
	}
	if !r.forget {
		r.received[id] = append(r.received[id], in)
	}
	r.mu.Unlock()
	if r.onReceived != nil {
		r.onReceived(c, in)
	}
}

func (r *recorder) Closed(id, reason string) {
	defer r.enter(id)()
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.conns[id] == nil {
		r.tb.Errorf("connection %s closed without being open", id)
	}
	delete(r.conns, id)
	r.closes++
	if !r.forget {
		r.closed[id] = reason
	}
}

func (r *recorder) enter(id string) func() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.inside[id] {
		r.tb.Errorf("calls for connection %s overlap", id)
	}
	r.inside[id] = true
	return func() {
		r.mu.Lock()
		defer r.mu.Unlock()
		delete(r.inside, id)
	}
}

func (r *recorder) conn(i int) Conn {
	r.tb.Helper()
	var c Conn
	eventually(r.tb, "a connection", func() bool {
		r.mu.Lock()
		defer r.mu.Unlock()
		if len(r.order) > i {
			c = r.order[i]
		}
		return c != nil
	})
	return c
}

func (r *recorder) events(id string, n int) []Inbound {
	r.tb.Helper()
	var events []Inbound
	eventually(r.tb, fmt.Sprintf("%d events", n), func() bool {
		r.mu.Lock()
		defer r.mu.Unlock()
		events = r.received[id]
		return len(events) >= n
	})
	return events
}

func (r *recorder) reason(id string) string {
	r.tb.Helper()
	var reason string
	eventually(r.tb, "the end of the connection", func() bool {
		r.mu.Lock()
		defer r.mu.Unlock()
		reason = r.closed[id]
		return reason != ""
	})
	return reason
}

func eventually(tb testing.TB, what string, happened func() bool) {
	tb.Helper()
	deadline := time.Now().Add(patience)
	for !happened() {
		if time.Now().After(deadline) {
			tb.Fatalf("%s did not come within %s", what, patience)
		}
		time.Sleep(time.Millisecond)
	}
}

type bench struct {
	*recorder
	gateway *Gateway
	server  *httptest.Server
	log     *logBuffer
}

type logBuffer struct {
	mu   sync.Mutex
	text strings.Builder
}

func (b *logBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.Write(p)
}

func (b *logBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.String()
}

func serve(tb testing.TB, change func(*Config, *recorder)) *bench {
	tb.Helper()
	b := &bench{recorder: newRecorder(tb), log: &logBuffer{}}
	config := Config{Handler: b.recorder, Log: zerolog.New(b.log).Level(zerolog.DebugLevel), EventRate: -1}
	if change != nil {
		change(&config, b.recorder)
	}
	g, err := New(config)
	require.NoError(tb, err)
	b.gateway = g
	b.server = httptest.NewUnstartedServer(nil)
	b.server.Config = NewServer(g.Handler(), config.Log)
	b.server.Start()
	tb.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		if err := g.Shutdown(ctx); err != nil {
			tb.Logf("Shutdown() = %v", err)
		}
		b.server.CloseClientConnections()
		b.server.Close()
	})
	return b
}

// peer is a client that speaks the protocol by itself, over a websocket.
type peer struct {
	tb   testing.TB
	conn *websocket.Conn
	sid  string // of the Engine.IO session
	id   string // of the Socket.IO connection
}

func dial(tb testing.TB, b *bench) *peer {
	tb.Helper()
	p, err := tryDial(tb, b.server.URL)
	require.NoError(tb, err)
	return p
}

func tryDial(tb testing.TB, url string) (*peer, error) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	conn, response, err := websocket.Dial(ctx, url+Path+"?EIO=4&transport=websocket", nil)
	if response != nil && response.Body != nil {
		_ = response.Body.Close()
	}
	if err != nil {
		return nil, err
	}
	conn.SetReadLimit(64 << 20)
	p := &peer{tb: tb, conn: conn}
	// The CONNECT goes out before the handshake's answer is read: it must not be lost.
	if err := conn.Write(ctx, websocket.MessageText, []byte("40")); err != nil {
		return nil, err
	}
	for _, prefix := range []string{"0", "40"} {
		_, data, err := conn.Read(ctx)
		if err != nil {
			return nil, fmt.Errorf("waiting for %q: %w", prefix, err)
		}
		text, ok := strings.CutPrefix(string(data), prefix)
		if !ok {
			return nil, fmt.Errorf("got %q, want %q", data, prefix)
		}
		var hello struct{ Sid string }
		if err := json.Unmarshal([]byte(text), &hello); err != nil {
			return nil, err
		}
		p.sid, p.id = p.id, hello.Sid // the first is the session, the second the connection
	}
	return p, nil
}

func (p *peer) send(text string) {
	p.tb.Helper()
	require.NoError(p.tb, p.trySend(websocket.MessageText, []byte(text)))
}

func (p *peer) sendBinary(data []byte) {
	p.tb.Helper()
	require.NoError(p.tb, p.trySend(websocket.MessageBinary, data))
}

func (p *peer) trySend(kind websocket.MessageType, data []byte) error {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	return p.conn.Write(ctx, kind, data)
}

// next returns the next message that is no ping.
func (p *peer) next() string {
	p.tb.Helper()
	text, err := p.tryNext()
	require.NoError(p.tb, err)
	return text
}

func (p *peer) tryNext() (string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	for {
		_, data, err := p.conn.Read(ctx)
		if err != nil {
			return "", err
		}
		if string(data) != "2" {
			return string(data), nil
		}
		if err := p.trySend(websocket.MessageText, []byte("3")); err != nil {
			return "", err
		}
	}
}

// drain reads until the end and returns the messages and the error that ended it.
func (p *peer) drain() ([]string, error) {
	var all []string
	for {
		text, err := p.tryNext()
		if err != nil {
			return all, err
		}
		all = append(all, text)
	}
}

func (p *peer) hangUp() { _ = p.conn.CloseNow() }

// poller is a client that polls.
type poller struct {
	tb  testing.TB
	url string
}

func (b *bench) poll(tb testing.TB) *poller {
	tb.Helper()
	p := &poller{tb: tb, url: b.server.URL + Path + "?EIO=4&transport=polling"}
	open := p.get()
	require.True(tb, strings.HasPrefix(open, "0{"), open)
	var hello struct{ Sid string }
	require.NoError(tb, json.Unmarshal([]byte(open[1:]), &hello))
	p.url += "&sid=" + hello.Sid
	return p
}

func (b *bench) pollConnected(tb testing.TB) *poller {
	tb.Helper()
	p := b.poll(tb)
	p.post("40")
	require.True(tb, strings.HasPrefix(p.get(), "40{"))
	return p
}

func (p *poller) do(method, body string) (int, string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, method, p.url, strings.NewReader(body))
	if err != nil {
		return 0, "", err
	}
	response, err := http.DefaultClient.Do(r)
	if err != nil {
		return 0, "", err
	}
	defer func() { _ = response.Body.Close() }()
	data, err := io.ReadAll(response.Body)
	return response.StatusCode, string(data), err
}

func (p *poller) get() string {
	p.tb.Helper()
	for {
		status, body, err := p.do(http.MethodGet, "")
		require.NoError(p.tb, err)
		require.Equal(p.tb, http.StatusOK, status, body)
		if body != "2" {
			return body
		}
		p.post("3")
	}
}

func (p *poller) post(body string) {
	p.tb.Helper()
	status, answer, err := p.do(http.MethodPost, body)
	require.NoError(p.tb, err)
	require.Equal(p.tb, http.StatusOK, status, answer)
	require.Equal(p.tb, "ok", answer)
}

func frame(event, data string) Frame { return NewFrame(event, []byte(data)) }

var errRefused = protocol.Errorf(protocol.CodeNotAllowed, "version", "no")

// polled is a poller that splits what it gets into messages.
type polled struct {
	*poller
	left []string
}

func (p *polled) send(text string) { p.tb.Helper(); p.post(text) }

func (p *polled) sendBinary(data []byte) {
	p.tb.Helper()
	p.post("b" + base64.StdEncoding.EncodeToString(data))
}

func (p *polled) next() string {
	p.tb.Helper()
	for len(p.left) == 0 {
		for part := range strings.SplitSeq(p.get(), "\x1e") {
			if part == "2" {
				p.post("3")
				continue
			}
			if data, ok := strings.CutPrefix(part, "b"); ok {
				decoded, err := base64.StdEncoding.DecodeString(data)
				require.NoError(p.tb, err)
				part = string(decoded)
			}
			p.left = append(p.left, part)
		}
	}
	first := p.left[0]
	p.left = p.left[1:]
	return first
}

// upgrade changes to a websocket as clients do.
func (p *poller) upgrade() *peer {
	p.tb.Helper()
	ws := p.probe()
	ws.send("2probe")
	require.Equal(p.tb, "3probe", ws.next())
	ws.send("5")
	return ws
}

// probe opens a websocket beside the polling.
func (p *poller) probe() *peer {
	p.tb.Helper()
	ws, err := p.tryProbe()
	require.NoError(p.tb, err)
	return ws
}

func (p *poller) tryProbe() (*peer, error) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	url := strings.Replace(p.url, "transport=polling", "transport=websocket", 1)
	conn, response, err := websocket.Dial(ctx, url, nil)
	if response != nil && response.Body != nil {
		_ = response.Body.Close()
	}
	if err != nil {
		return nil, err
	}
	conn.SetReadLimit(64 << 20)
	return &peer{tb: p.tb, conn: conn}, nil
}

// abandon starts a GET and gives it up with ctx.
func (p *poller) abandon(ctx context.Context) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, p.url, nil)
	require.NoError(p.tb, err)
	response, err := http.DefaultClient.Do(r)
	if err == nil {
		_ = response.Body.Close()
	}
	require.Error(p.tb, err)
}

// waiting returns when a client waits in a poll.
func (b *bench) waiting(tb testing.TB) {
	tb.Helper()
	eventually(tb, "a poll", func() bool {
		for _, c := range b.gateway.all() {
			if t, ok := c.currentWire().(*pollingTransport); ok && t.polling.Load() {
				return true
			}
		}
		return false
	})
}
