package socketio

import (
	"context"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestTheGuardLetsInNothingTheLibraryMightTakeAmiss(t *testing.T) {
	t.Parallel()
	b := serve(t, nil)
	for _, test := range []struct {
		name, method, query string
		upgrade             bool
		status              int
		says                string
	}{
		{"no query", "GET", "", false, 400, `"code":0`},
		{"no protocol version", "GET", "transport=polling", false, 400, "EIO=4"},
		{"an old protocol version", "GET", "EIO=3&transport=polling", false, 400, "EIO=4"},
		{"two protocol versions", "GET", "EIO=4&EIO=3&transport=polling", false, 400, "EIO=4"},
		{"an unknown transport", "GET", "EIO=4&transport=carrier-pigeon", false, 400, "transport=polling"},
		{"two transports", "GET", "EIO=4&transport=polling&transport=websocket", false, 400, "transport=polling"},
		{"webtransport", "GET", "EIO=4&transport=webtransport", false, 400, "transport=polling"},
		{"JSONP", "GET", "EIO=4&transport=polling&j=0", false, 400, "JSONP"},
		{"two sessions", "GET", "EIO=4&transport=polling&sid=a&sid=b", false, 400, "sid"},
		{"an unknown session", "GET", "EIO=4&transport=polling&sid=a", false, 400, "Session ID unknown"},
		{"an unknown session's upgrade", "GET", "EIO=4&transport=websocket&sid=a", true, 400, "Session ID unknown"},
		{"websocket without a handshake", "GET", "EIO=4&transport=websocket", false, 400, "go together"},
		{"polling with a websocket handshake", "GET", "EIO=4&transport=polling", true, 400, "go together"},
		{"a POST for a handshake", "POST", "EIO=4&transport=polling", false, 400, "Bad handshake method"},
		{"a DELETE", "DELETE", "EIO=4&transport=polling", false, 405, "GET and POST"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			r, err := http.NewRequestWithContext(t.Context(), test.method, b.server.URL+Path+"?"+test.query, nil)
			require.NoError(t, err)
			if test.upgrade {
				r.Header.Set("Connection", "Upgrade")
				r.Header.Set("Upgrade", "websocket")
				r.Header.Set("Sec-WebSocket-Version", "13")
				r.Header.Set("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ==")
			}
			response, err := http.DefaultClient.Do(r)
			require.NoError(t, err)
			defer func() { _ = response.Body.Close() }()
			body, err := io.ReadAll(response.Body)
			require.NoError(t, err)
			assert.Equal(t, test.status, response.StatusCode)
			assert.Contains(t, string(body), test.says)
		})
	}
	assert.Zero(t, b.gateway.Connections())
}

func TestAPageFromElsewhereIsRefused(t *testing.T) {
	t.Parallel()
	b := serve(t, nil)
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, b.server.URL+Path+"?EIO=4&transport=websocket", nil)
	require.NoError(t, err)
	for key, value := range map[string]string{
		"Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Version": "13",
		"Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==", "Origin": "https://example.org",
	} {
		r.Header.Set(key, value)
	}
	response, err := http.DefaultClient.Do(r)
	require.NoError(t, err)
	_ = response.Body.Close()
	assert.NotEqual(t, http.StatusSwitchingProtocols, response.StatusCode)
	assert.Empty(t, response.Header.Get("Access-Control-Allow-Origin"))
	eventually(t, "the handshake's place", func() bool { return b.gateway.Connections() == 0 })
}

func TestConnectionsAreLimited(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name, says string
		change     func(*Config, *recorder)
	}{
		{"of all", "503", func(c *Config, _ *recorder) { c.MaxConnections = 2 }},
		{"of one address", "429", func(c *Config, _ *recorder) { c.MaxConnectionsPerAddress = 2 }},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			b := serve(t, test.change)
			first := dial(t, b)
			b.pollConnected(t)
			_, err := tryDial(t, b.server.URL)
			require.ErrorContains(t, err, test.says)
			first.hangUp()
			b.reason(first.id)
			eventually(t, "a free place", func() bool { return b.gateway.Connections() == 1 })
			dial(t, b)
		})
	}
}

func TestPollingKeepsItsLimits(t *testing.T) {
	t.Parallel()
	change := func(c *Config, _ *recorder) { c.MaxCacheBytes, c.ConnectTimeout = 64<<10, 200*time.Millisecond }
	t.Run("too large a body", func(t *testing.T) {
		t.Parallel()
		p := serve(t, change).pollConnected(t)
		status, _, err := p.do("POST", strings.Repeat("x", 1<<20))
		require.NoError(t, err)
		assert.Equal(t, http.StatusRequestEntityTooLarge, status)
	})
	t.Run("a body that never ends", func(t *testing.T) {
		t.Parallel()
		b := serve(t, change)
		p := b.pollConnected(t)
		conn := p.startPost(t, "Content-Length: 10")
		_, err := conn.Write([]byte("42"))
		require.NoError(t, err)
		b.reason(b.conn(0).ID())
	})
	t.Run("a body of unknown length", func(t *testing.T) {
		t.Parallel()
		b := serve(t, change)
		p := b.pollConnected(t)
		conn := p.startPost(t, "Transfer-Encoding: chunked")
		answer := make([]byte, 100)
		_, err := io.ReadFull(conn, answer)
		require.NoError(t, err)
		assert.Contains(t, string(answer), "411")
	})
	t.Run("two polls at once", func(t *testing.T) {
		t.Parallel()
		b := serve(t, change)
		p := b.pollConnected(t)
		go func() { _, _, _ = p.do("GET", "") }()
		b.waiting(t)
		status, _, err := p.do("GET", "")
		require.NoError(t, err)
		assert.Equal(t, http.StatusBadRequest, status)
		b.reason(b.conn(0).ID())
	})
	t.Run("an attachment that is no base64", func(t *testing.T) {
		t.Parallel()
		b := serve(t, change)
		p := b.pollConnected(t)
		p.post("451-[\"cache_sync\",{\"_placeholder\":true,\"num\":0}]\x1ebß")
		b.reason(b.conn(0).ID())
	})
	t.Run("one upgrade at a time", func(t *testing.T) {
		t.Parallel()
		b := serve(t, nil)
		p := b.pollConnected(t)
		p.probe()
		_, err := p.tryProbe()
		require.ErrorContains(t, err, "400")
	})
	t.Run("a failed upgrade may be tried again", func(t *testing.T) {
		t.Parallel()
		b := serve(t, nil)
		p := b.pollConnected(t)
		p.probe().hangUp()
		eventually(t, "another upgrade", func() bool {
			ws, err := p.tryProbe()
			if err == nil {
				ws.send("2probe")
				require.Equal(t, "3probe", ws.next())
				ws.send("5")
				ws.send(`42["ready",{}]`)
			}
			return err == nil
		})
		b.events(b.conn(0).ID(), 1)
	})
}

// startPost sends the head of a POST request by hand.
func (p *poller) startPost(t *testing.T, header string) net.Conn {
	t.Helper()
	address, path, _ := strings.Cut(strings.TrimPrefix(p.url, "http://"), "/")
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", address)
	require.NoError(t, err)
	t.Cleanup(func() { _ = conn.Close() })
	require.NoError(t, conn.SetDeadline(time.Now().Add(patience)))
	_, err = conn.Write([]byte("POST /" + path + " HTTP/1.1\r\nHost: x\r\n" + header + "\r\n\r\n"))
	require.NoError(t, err)
	return conn
}

func TestAConfigThatMakesNoSenseIsRefused(t *testing.T) {
	t.Parallel()
	h := newRecorder(t)
	for name, config := range map[string]Config{
		"Handler":                  {},
		"PingInterval":             {Handler: h, PingInterval: -time.Second},
		"MaxCacheBytes":            {Handler: h, MaxCacheBytes: 1},
		"MaxQueuedBytes":           {Handler: h, MaxQueuedBytes: 1},
		"MaxConnections":           {Handler: h, MaxConnections: -1},
		"MaxConnectionsPerAddress": {Handler: h, MaxConnectionsPerAddress: -1},
		"EventRate":                {Handler: h, EventRate: -2},
	} {
		_, err := New(config)
		require.ErrorContains(t, err, "Config."+name+" is ")
	}
}
