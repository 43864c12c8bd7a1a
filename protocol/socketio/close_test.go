package socketio

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/rs/zerolog"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/urban-robot/urban-robot/protocol"
)

func TestTheNewestCacheReplacesAnUnsentOne(t *testing.T) {
	t.Parallel()
	b := serve(t, nil)
	p := &polled{poller: b.pollConnected(t)}
	c := b.conn(0) // nothing is sent while it does not poll
	c.Send(frame("command", "1"))
	c.Send(frame("cache_sync", `"old"`).Conflate())
	c.Send(frame("cache_sync", `"kept"`))
	c.Send(frame("command", "2"))
	c.Send(frame("cache_sync", `"newer"`).Conflate())
	c.Send(frame("cache_sync", `"newest"`).Conflate())
	c.Send(frame("command", "3"))
	for _, want := range []string{
		`42["command",1]`, `42["cache_sync","newest"]`, `42["cache_sync","kept"]`, `42["command",2]`, `42["command",3]`,
	} {
		require.Equal(t, want, p.next())
	}
}

func TestAClientThatNeverReadsIsCutOff(t *testing.T) {
	t.Parallel()
	t.Run("by the bytes queued for it", func(t *testing.T) {
		t.Parallel()
		b := serve(t, func(c *Config, _ *recorder) { c.MaxCacheBytes, c.MaxQueuedBytes = 1<<20, 8<<20 })
		good, bad := dial(t, b), dial(t, b)
		c := b.conn(1)
		f := frame("cache_sync", `"`+strings.Repeat("x", 1<<20)+`"`)
		for range 64 {
			c.Send(f)
		}
		assert.Equal(t, reasonForced, b.reason(bad.id))
		b.conn(0).Send(frame("command", "1"))
		assert.Equal(t, `42["command",1]`, good.next())
	})
	t.Run("by the time a write takes", func(t *testing.T) {
		t.Parallel()
		b := serve(t, func(c *Config, _ *recorder) { c.WriteTimeout = 100 * time.Millisecond })
		bad := dial(t, b)
		b.conn(0).Send(frame("cache_sync", `"`+strings.Repeat("x", 15<<20)+`"`))
		b.reason(bad.id)
		assert.Contains(t, b.log.String(), "client stopped reading")
	})
	t.Run("but not one that reads slowly", func(t *testing.T) {
		t.Parallel()
		b := serve(t, func(c *Config, _ *recorder) { c.WriteTimeout = 300 * time.Millisecond })
		p := dial(t, b)
		b.conn(0).Send(frame("cache_sync", `"`+strings.Repeat("x", 15<<20)+`"`))
		ctx, cancel := context.WithTimeout(t.Context(), patience)
		defer cancel()
		_, r, err := p.conn.Reader(ctx)
		require.NoError(t, err)
		buffer, total := make([]byte, 1<<20), 0
		for err == nil {
			time.Sleep(20 * time.Millisecond)
			var n int
			for n < len(buffer) && err == nil {
				var m int
				m, err = r.Read(buffer[n:])
				n += m
			}
			total += n
		}
		assert.Equal(t, 15<<20+len(`42["cache_sync",""]`), total)
	})
}

func TestWhatWasQueuedArrivesBeforeAnOrderlyClose(t *testing.T) {
	t.Parallel()
	eachTransport(t, func(t *testing.T, b *bench, connect func() link) {
		p := connect()
		c := b.conn(0)
		for i := range 10 {
			c.Send(frame("command", fmt.Sprint(i)))
		}
		c.Close(false)
		c.Send(frame("command", `"too late"`))
		for i := range 10 {
			require.Equal(t, fmt.Sprintf(`42["command",%d]`, i), p.next())
		}
		require.Equal(t, "41", p.next(), "the client must know that it shall not come back")
		if ws, ok := p.(*peer); ok {
			_, err := ws.tryNext()
			require.Equal(t, websocket.StatusNormalClosure, websocket.CloseStatus(err), err)
		}
		assert.Equal(t, reasonServer, b.reason(c.ID()))
	})
}

func TestShutdownFlushesAndLetsClientsComeBack(t *testing.T) {
	t.Parallel()
	eachTransport(t, func(t *testing.T, b *bench, connect func() link) {
		p := connect()
		c := b.conn(0)
		for i := range 10 {
			c.Send(frame("command", fmt.Sprint(i)))
		}
		down := make(chan error, 1)
		go func() { down <- b.gateway.Shutdown(t.Context()) }()
		for i := range 10 {
			require.Equal(t, fmt.Sprintf(`42["command",%d]`, i), p.next())
		}
		switch p := p.(type) {
		case *peer:
			_, err := p.tryNext()
			require.Equal(t, websocket.StatusGoingAway, websocket.CloseStatus(err), err)
		case *polled:
			status, body, err := p.do("GET", "")
			require.NoError(t, err)
			require.NotEqual(t, 200, status, body)
		}
		require.NoError(t, <-down)
		assert.Equal(t, reasonShutdown, b.reason(c.ID()))
		_, err := tryDial(t, b.server.URL)
		require.ErrorContains(t, err, "503")
	})
}

func TestNothingArrivesAfterAnAbort(t *testing.T) {
	t.Parallel()
	b := serve(t, nil)
	p := dial(t, b)
	c := b.conn(0)
	f := frame("cache_sync", `"`+strings.Repeat("x", 1<<20)+`"`)
	for range 20 {
		c.Send(f)
	}
	c.Close(true)
	assert.Equal(t, reasonForced, b.reason(c.ID()))
	got, err := p.drain()
	require.ErrorContains(t, err, "reset")
	assert.Less(t, len(got), 20)
}

func TestAnAbortCutsOffAWaitingPoll(t *testing.T) {
	t.Parallel()
	b := serve(t, nil)
	p := b.pollConnected(t)
	c := b.conn(0)
	got := make(chan bool, 1)
	go func() {
		status, _, err := p.do("GET", "")
		got <- err == nil && status == 200 // net/http asks once more by itself, of a session that is gone by then
	}()
	b.waiting(t)
	c.Close(true)
	assert.Equal(t, reasonForced, b.reason(c.ID()))
	require.False(t, <-got)
}

func TestAPanicCostsOneConnection(t *testing.T) {
	t.Parallel()
	b := serve(t, func(_ *Config, r *recorder) {
		r.onReceived = func(c Conn, in Inbound) {
			if in.Name == protocol.EventShutdown {
				panic("as the test wants it")
			}
			answer(c, in)
		}
	})
	good, bad := dial(t, b), dial(t, b)
	bad.send(`42["shutdown",{}]`)
	assert.Equal(t, reasonForced, b.reason(bad.id))
	good.send(`421["ready",{}]`)
	assert.Equal(t, `431[{"ok":true}]`, good.next())
	assert.Contains(t, b.log.String(), "as the test wants it")
	assert.Contains(t, b.log.String(), "close_test.go")
}

func TestAClientLeaves(t *testing.T) {
	t.Parallel()
	t.Run("by a DISCONNECT right behind an event, which still counts", func(t *testing.T) {
		t.Parallel()
		b := serve(t, nil)
		p := dial(t, b)
		p.send(`42["coma",{}]`)
		p.send(`41`)
		assert.Equal(t, ReasonClient, b.reason(p.id))
		assert.Equal(t, protocol.Coma{}, b.events(p.id, 1)[0].Event)
		_, err := p.drain()
		require.Error(t, err)
		eventually(t, "the end", func() bool { return b.gateway.Connections() == 0 })
	})
	t.Run("by closing its connection", func(t *testing.T) {
		t.Parallel()
		b := serve(t, nil)
		p := dial(t, b)
		p.hangUp()
		assert.Equal(t, reasonTransport, b.reason(p.id))
	})
	t.Run("by not answering pings", func(t *testing.T) {
		t.Parallel()
		b := serve(t, func(c *Config, _ *recorder) { c.PingInterval, c.PingTimeout = 20*time.Millisecond, 50*time.Millisecond })
		mute := dial(t, b)
		alive := dial(t, b)
		go func() { _, _ = alive.drain() }()
		assert.Equal(t, "ping timeout", b.reason(mute.id))
		b.mu.Lock()
		defer b.mu.Unlock()
		assert.Contains(t, b.conns, alive.id)
	})
	t.Run("by cutting off its poll", func(t *testing.T) {
		t.Parallel()
		b := serve(t, nil)
		p := b.pollConnected(t)
		ctx, cancel := context.WithCancel(t.Context())
		go func() {
			b.waiting(t)
			cancel()
		}()
		p.abandon(ctx)
		b.reason(b.conn(0).ID())
	})
	t.Run("before it was there", func(t *testing.T) {
		t.Parallel()
		b := serve(t, func(c *Config, _ *recorder) { c.ConnectTimeout = 50 * time.Millisecond })
		b.poll(t)
		eventually(t, "the end", func() bool { return b.gateway.Connections() == 0 })
		assert.Zero(t, b.opens)
	})
}

func TestSecretsAreNotLogged(t *testing.T) {
	t.Parallel()
	b := serve(t, func(c *Config, _ *recorder) { c.Log = c.Log.Level(zerolog.TraceLevel) })
	p := dial(t, b)
	p.send(`42["identify",{"version":"1","key":"s3cr3t-key","launch":"s3cr3t-launch"}]`)
	b.conn(0).Send(frame("hello", `{"token":"s3cr3t-token"}`))
	p.next()
	b.events(p.id, 1)
	assert.Contains(t, b.log.String(), "received event")
	assert.Contains(t, b.log.String(), "sent event")
	assert.NotContains(t, b.log.String(), "s3cr3t")
	assert.NotContains(t, b.log.String(), p.sid)
}
