package urbanrobot

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/urban-robot/urban-robot/protocol"
)

func commandFiles(t *testing.T) [][]commandVector {
	t.Helper()
	files, err := filepath.Glob("../../testdata/vectors/command_*.json")
	require.NoError(t, err)
	var all [][]commandVector
	for _, file := range files {
		raw, err := os.ReadFile(file)
		require.NoError(t, err)
		var vectors []commandVector
		require.NoError(t, json.Unmarshal(raw, &vectors), "a command's data is a string: %s", file)
		for i := range vectors {
			vectors[i].Name = strings.TrimSuffix(filepath.Base(file), ".json") + ": " + vectors[i].Name
			if vectors[i].Data == "" {
				vectors[i].Data = "null"
			}
		}
		all = append(all, vectors)
	}
	return all
}

func TestParsePacket(t *testing.T) {
	for text, want := range map[string]packet{
		`2["ready",{}]`:            {kind: packetEvent, event: "ready", data: []byte(`{}`)},
		`2["ready"]`:               {kind: packetEvent, event: "ready"},
		`212["a", {"b": 1} ,2]`:    {kind: packetEvent, ack: "12", event: "a", data: []byte(`{"b": 1}`)},
		`52-3["a",[]]`:             {kind: packetBinaryEvent, ack: "3", event: "a", data: []byte(`[]`), missing: 2},
		`312[{"ok":true}]`:         {kind: packetAck, ack: "12", data: []byte(`[{"ok":true}]`)},
		`0{"sid":"x"}`:             {kind: packetConnect, data: []byte(`{"sid":"x"}`)},
		`1`:                        {kind: packetDisconnect, data: []byte{}},
		`4{"message":"go away"}`:   {kind: packetConnectError, data: []byte(`{"message":"go away"}`)},
		`2["id",9007199254740993]`: {kind: packetEvent, event: "id", data: []byte(`9007199254740993`)},
	} {
		got, err := parsePacket(text)
		require.NoError(t, err, text)
		assert.Equal(t, want, got, text)
	}
	for _, text := range []string{``, `2`, `2{}`, `2[]`, `2[1]`, `2["a"`, `5["a"]`, `5x-["a"]`, `599999999-["a"]`, `2/admin,["a"]`} {
		_, err := parsePacket(text)
		assert.ErrorIs(t, err, errPacket, text)
	}
}

func FuzzParsePacket(f *testing.F) {
	for _, text := range []string{`2["ready",{}]`, `52-3["a",[]]`, `312[{"ok":true}]`, `0{"sid":"x"}`, `1`, `2/admin,["a"]`} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		p, err := parsePacket(text)
		if err != nil || p.kind != packetEvent || p.data == nil || !json.Valid([]byte(p.event)) {
			return
		}
		again, err := parsePacket(string(appendEvent(p.event, p.data, 0, p.ack)[1:]))
		require.NoError(t, err)
		assert.Equal(t, p, again)
	})
}

func TestAckError(t *testing.T) {
	require.NoError(t, ackError([]byte(`[{"ok":true}]`)))
	var refused *protocol.Error
	require.ErrorAs(t, ackError([]byte(`[{"ok":false,"error":{"code":"too_large","message":"cache"}}]`)), &refused)
	assert.Equal(t, protocol.CodeTooLarge, refused.Code)
	for _, data := range []string{``, `[]`, `{}`, `[{"ok":false}]`} {
		assert.Error(t, ackError([]byte(data)), data)
	}
}

// A process that was frozen finds old messages in its socket: they do not renew a lease that has run out.
func TestOldMessagesDoNotRenewTheLease(t *testing.T) {
	lapsed := 0
	g := newGate(func() { lapsed++ })
	g.start(nil)
	g.setLease(time.Minute)
	g.mu.Lock()
	g.heard = time.Now().Add(-time.Minute)
	g.mu.Unlock()
	g.hear(time.Now())
	assert.False(t, g.isOpen())
	assert.False(t, g.stop())
	assert.Equal(t, 1, lapsed)
}

// A message that was in the socket while the process was frozen is no younger than the moment it was first waited for.
func TestTheLeaseIsRenewedFromTheMomentOfWaiting(t *testing.T) {
	g := newGate(func() {})
	g.start(nil)
	g.setLease(time.Minute)
	g.hear(time.Now().Add(-59 * time.Second))
	assert.True(t, g.isOpen())
	g.mu.Lock()
	left := g.lease - time.Since(g.heard)
	g.mu.Unlock()
	assert.LessOrEqual(t, left, time.Second)
}

func TestHandledFitsIntoAnEvent(t *testing.T) {
	g := newGate(func() {})
	g.start([]string{"", strings.Repeat("x", 129), "line\nbreak"})
	assert.Empty(t, g.lately(), "an id that no event can carry is not said")
	for i := range 3000 {
		require.True(t, g.begin(strings.Repeat("i", 100)+string(rune('a'+i%26))+strings.Repeat("j", i/26%20)+string(rune('a'+i/520)), nil))
	}
	text, _ := protocol.EncodeEvent(protocol.Coma{Handled: g.lately()})
	assert.Less(t, len(text), protocol.MaxEventBytes)
	assert.Greater(t, len(text), protocol.MaxEventBytes/2)
}

// The same over a real websocket: cold start, a cache of 3 MiB in one piece, shutdown.
func TestRealWebSocket(t *testing.T) {
	accepted := make(chan *peer, 1)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		assert.Equal(t, "/socket.io/", r.URL.Path)
		assert.Equal(t, "4", r.URL.Query().Get("EIO"))
		conn, err := websocket.Accept(w, r, nil)
		if !assert.NoError(t, err) {
			return
		}
		conn.SetReadLimit(-1)
		p := &peer{t: t, socket: webSocket{conn}, events: make(chan packet, 64)}
		accepted <- p
		p.serve()
	}))
	defer server.Close()
	got := make(chan []byte, 1)
	c, err := New(Options{URL: server.URL, Version: "1.4.0", OnCache: func(cache []byte) { got <- cache }})
	require.NoError(t, err)
	ended := make(chan error, 1)
	go func() { ended <- c.Run(context.Background()) }()

	p := <-accepted
	expect[protocol.Identify](p)
	p.hello(granted(1))
	expect[protocol.Ready](p)
	p.command(protocol.OK{Epoch: 1})
	require.Eventually(t, c.Active, 10*time.Second, time.Millisecond)
	cache := []byte(`"` + strings.Repeat("c", 3<<20) + `"`)
	p.write(`42["cache_sync",` + string(cache) + `]`)
	assert.Len(t, <-got, len(cache))
	p.command(protocol.ShutDown{Reason: protocol.ReasonOperator, Epoch: 1})
	expect[protocol.Shutdown](p)
	require.NoError(t, <-ended)
	assert.False(t, c.Active())
}
