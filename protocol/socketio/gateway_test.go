package socketio

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"github.com/coder/websocket"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/urban-robot/urban-robot/protocol"
)

// link is a connected test client of either transport.
type link interface {
	send(text string)
	sendBinary(data []byte)
	next() string
}

// eachTransport runs a test for each way to be connected.
func eachTransport(t *testing.T, test func(t *testing.T, b *bench, connect func() link)) {
	t.Helper()
	t.Run("websocket", func(t *testing.T) {
		t.Parallel()
		b := serve(t, nil)
		test(t, b, func() link { return dial(t, b) })
	})
	t.Run("polling", func(t *testing.T) {
		t.Parallel()
		b := serve(t, nil)
		test(t, b, func() link { return &polled{poller: b.pollConnected(t)} })
	})
	t.Run("polling, then websocket", func(t *testing.T) {
		t.Parallel()
		b := serve(t, nil)
		test(t, b, func() link { return b.pollConnected(t).upgrade() })
	})
}

func answer(c Conn, in Inbound) {
	if in.Ack != 0 {
		c.Ack(in.Ack, in.Err)
		c.Ack(in.Ack, errRefused) // once is enough
	}
}

func TestEventsArriveInOrderAndAreAcknowledgedOnce(t *testing.T) {
	t.Parallel()
	eachTransport(t, func(t *testing.T, b *bench, connect func() link) {
		b.onReceived = answer
		p := connect()
		c := b.conn(0)
		const n = 50
		for i := range n {
			p.send(fmt.Sprintf(`42%d["ready",{"guilds":%d}]`, i, i))
		}
		for i := range n {
			require.Equal(t, fmt.Sprintf(`43%d[{"ok":true}]`, i), p.next())
		}
		for i, in := range b.events(c.ID(), n) {
			require.Equal(t, protocol.Ready{Guilds: i}, in.Event)
		}
		assert.True(t, c.Peer().Address.IsLoopback())
		assert.NotEmpty(t, c.Peer().UserAgent)
	})
}

func TestFramesArriveInTheOrderOfTheCalls(t *testing.T) {
	t.Parallel()
	eachTransport(t, func(t *testing.T, b *bench, connect func() link) {
		p := connect()
		c := b.conn(0)
		const n = 200
		go func() {
			for i := range n {
				c.Send(frame("command", fmt.Sprint(i)))
			}
		}()
		for i := range n {
			require.Equal(t, fmt.Sprintf(`42["command",%d]`, i), p.next())
		}
	})
}

func TestAnUpgradeNeitherLosesNorReordersAFrame(t *testing.T) {
	t.Parallel()
	b := serve(t, nil)
	const n, clients = 500, 20
	for i := range clients {
		p := &polled{poller: b.pollConnected(t)}
		c := b.conn(i)
		go func() {
			for i := range n {
				c.Send(frame("command", fmt.Sprint(i)))
			}
		}()
		for i := range 20 {
			require.Equal(t, fmt.Sprintf(`42["command",%d]`, i), p.next())
		}
		ws := p.upgrade()
		next := func() string {
			if len(p.left) > 0 {
				return p.next()
			}
			return ws.next()
		}
		for i := 20; i < n; i++ {
			require.Equal(t, fmt.Sprintf(`42["command",%d]`, i), next())
		}
	}
}

func TestSendAckedReportsTheAcknowledgement(t *testing.T) {
	t.Parallel()
	eachTransport(t, func(t *testing.T, b *bench, connect func() link) {
		p := connect()
		c := b.conn(0)
		done := make(chan error, 4)
		report := func(err error) { done <- err }
		c.SendAcked(NewFrame("cache_chunk", []byte(`{"data":{"_placeholder":true,"num":0}}`), []byte("\x00\x01")), report)
		c.SendAcked(frame("shutdown", "{}"), report)
		require.Equal(t, `451-1["cache_chunk",{"data":{"_placeholder":true,"num":0}}]`, p.next())
		require.Equal(t, "\x00\x01", p.next())
		require.Equal(t, `422["shutdown",{}]`, p.next())
		p.send(`431[]`)
		require.NoError(t, <-done)
		p.send(`431[]`)
		p.send(`437[{"never":"asked"}]`)
		c.Close(true)
		require.ErrorIs(t, <-done, ErrClosed)
		b.reason(c.ID())
		c.SendAcked(frame("shutdown", "{}"), report)
		require.ErrorIs(t, <-done, ErrClosed)
		assert.Empty(t, done)
	})
}

func TestACacheArrivesUnchangedToTheLastDigitAndByte(t *testing.T) {
	t.Parallel()
	const cache = `{"id":1152921504606846977,"f":1.0000000000000000001,"e":"\u00e9","n":[-9007199254740993,0.1e400]}`
	eachTransport(t, func(t *testing.T, b *bench, connect func() link) {
		p := connect()
		c := b.conn(0)
		p.send(`42["cache_sync",` + cache + `]`)
		p.send(`452-["cache_sync",{"a":{"_placeholder":true,"num":1},"b":[{"_placeholder":true,"num":0}]}]`)
		p.sendBinary([]byte{0, 1, 2, 0xff})
		p.sendBinary(nil)
		events := b.events(c.ID(), 2)
		text, ok := events[0].Event.(protocol.CacheSync)
		require.True(t, ok, events[0].Err)
		assert.True(t, bytes.Equal([]byte(cache), text.Cache.JSON), "%s", text.Cache.JSON) // every digit of it
		mixed, ok := events[1].Event.(protocol.CacheSync)
		require.True(t, ok, events[1].Err)
		require.Len(t, mixed.Cache.Attachments, 2)
		assert.Equal(t, []byte{0, 1, 2, 0xff}, mixed.Cache.Attachments[0])

		c.Send(NewFrame("cache_sync", text.Cache.JSON))
		c.Send(NewFrame("cache_sync", mixed.Cache.JSON, mixed.Cache.Attachments...))
		assert.Equal(t, `42["cache_sync",`+cache+`]`, p.next())
		assert.Equal(t, `452-["cache_sync",`+string(mixed.Cache.JSON)+`]`, p.next())
		assert.Equal(t, "\x00\x01\x02\xff", p.next())
		assert.Empty(t, p.next())
	})
}

func TestAWrongEventIsHandedOverAsSuchAndChangesNothing(t *testing.T) {
	t.Parallel()
	big := strings.Repeat("x", protocol.MaxEventBytes)
	for _, test := range []struct {
		name, sent, event string
		code              protocol.ErrorCode
	}{
		{"unknown event", `421["reboot",{}]`, "reboot", protocol.CodeUnknownEvent},
		{"an event the library reserves", `421["disconnect",{}]`, "disconnect", protocol.CodeUnknownEvent},
		{"no argument", `421["ready"]`, "ready", protocol.CodeMalformed},
		{"two arguments", `421["ready",{},{}]`, "ready", protocol.CodeMalformed},
		{"a list for an object", `421["ready",[]]`, "ready", protocol.CodeMalformed},
		{"null for an object", `421["ready",null]`, "ready", protocol.CodeMalformed},
		{"a text for an object", `421["identify","10.0.0"]`, "identify", protocol.CodeMalformed},
		{"a wrong type", `421["ready",{"guilds":"many"}]`, "ready", protocol.CodeMalformed},
		{"no array", `421{"ready":{}}`, "", protocol.CodeMalformed},
		{"no name", `421[{}]`, "", protocol.CodeMalformed},
		{"no payload", `421`, "", protocol.CodeMalformed},
		{"broken JSON", `421["ready",{"guilds":1]`, "ready", protocol.CodeMalformed},
		{"text after the payload", `421["ready",{}]]`, "ready", protocol.CodeMalformed},
		{"not UTF-8", "421[\"cache_sync\",{\"a\":\"\xff\"}]", "cache_sync", protocol.CodeMalformed},
		{"too large", `421["ready",{"user":"` + big + `"}]`, "ready", protocol.CodeTooLarge},
		{"a long name", `421["` + big[:1000] + `",{}]`, big[:protocol.MaxIDBytes], protocol.CodeUnknownEvent},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			b := serve(t, nil)
			b.onReceived = answer
			// The text goes by polling, because the websocket client refuses to send what is not UTF-8.
			p := &polled{poller: b.pollConnected(t)}
			p.send(test.sent)
			in := b.events(b.conn(0).ID(), 1)[0]
			require.NotNil(t, in.Err)
			assert.Nil(t, in.Event)
			assert.Equal(t, test.code, in.Err.Code, in.Err)
			assert.Equal(t, strings.ReplaceAll(test.event, "x", ""), strings.ReplaceAll(in.Name, "x", ""))
			assert.LessOrEqual(t, len(in.Name), protocol.MaxIDBytes)
			got := p.next()
			assert.True(t, strings.HasPrefix(got, `431[{"ok":false,"error":{"code":"`+string(test.code)+`"`), got)
			p.send(`422["ready",{}]`)
			assert.Equal(t, `432[{"ok":true}]`, p.next())
		})
	}
}

func TestAPlaceholderWithoutItsAttachmentIsRefused(t *testing.T) {
	t.Parallel()
	b := serve(t, nil)
	p := dial(t, b)
	p.send(`451-["cache_sync",{"a":[{"_placeholder":true,"num":1}]}]`)
	p.sendBinary([]byte("x"))
	in := b.events(b.conn(0).ID(), 1)[0]
	require.NotNil(t, in.Err)
	assert.Equal(t, protocol.CodeMalformed, in.Err.Code)
}

func TestAViolationOfTheProtocolEndsThatConnectionOnly(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ name, sent string }{
		{"an unknown packet type", `49`},
		{"an empty packet", `4`},
		{"too many attachments", `451000-["cache_sync",1]`},
		{"no number of attachments", `45["cache_sync",1]`},
		{"an endless acknowledgement number", `42123456789012345678901["ready",{}]`},
		{"an acknowledgement of nothing", `43[]`},
		{"an endless namespace", `42/` + strings.Repeat("n", 1000) + `,["ready",{}]`},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			b := serve(t, nil)
			b.onReceived = answer
			good, bad := dial(t, b), dial(t, b)
			id := bad.id
			bad.send(test.sent)
			_, err := bad.drain()
			require.Error(t, err)
			assert.Equal(t, reasonParse, b.reason(id))
			good.send(`421["ready",{}]`)
			assert.Equal(t, `431[{"ok":true}]`, good.next())
		})
	}
}

func TestBinaryAndTextMustNotBeMixedUp(t *testing.T) {
	t.Parallel()
	b := serve(t, nil)
	stray := dial(t, b)
	stray.sendBinary([]byte("nobody announced me"))
	assert.Equal(t, reasonParse, b.reason(stray.id))
	interrupted := dial(t, b)
	interrupted.send(`451-["cache_sync",{"_placeholder":true,"num":0}]`)
	interrupted.send(`42["ready",{}]`)
	assert.Equal(t, reasonParse, b.reason(interrupted.id))
}

func TestTooManyEventsAreRejected(t *testing.T) {
	t.Parallel()
	b := serve(t, func(c *Config, _ *recorder) { c.EventRate = 1 })
	p := dial(t, b)
	for range 12 {
		p.send(`42["ready",{}]`)
	}
	events := b.events(p.id, 12)
	for _, in := range events[:10] {
		assert.Nil(t, in.Err)
	}
	require.NotNil(t, events[11].Err)
	assert.Equal(t, protocol.CodeTooMany, events[11].Err.Code)
	assert.Nil(t, events[11].Event)
}

func TestAnOversizedCacheIsAnsweredAndAnEndlessOneCutOff(t *testing.T) {
	t.Parallel()
	b := serve(t, func(c *Config, _ *recorder) { c.MaxCacheBytes = 128 << 10 })
	b.onReceived = answer
	p := dial(t, b)
	cache := func(n int) string { return `421["cache_sync","` + strings.Repeat("x", n-2) + `"]` }
	p.send(cache(128 << 10))
	require.Equal(t, `431[{"ok":true}]`, p.next())
	for _, size := range []int{128<<10 + 1, 128<<10 + overhead + 1, 400 << 10} {
		p.send(cache(size))
		got := p.next()
		require.True(t, strings.HasPrefix(got, `431[{"ok":false,"error":{"code":"too_large"`), got)
	}
	p.send(`452-7["cache_sync",[{"_placeholder":true,"num":0},{"_placeholder":true,"num":1}]]`)
	p.sendBinary(make([]byte, 100<<10))
	p.sendBinary(make([]byte, 100<<10))
	require.True(t, strings.HasPrefix(p.next(), `437[{"ok":false,"error":{"code":"too_large"`))
	p.send(`428["ready",{}]`)
	require.Equal(t, `438[{"ok":true}]`, p.next())

	_ = p.trySend(websocket.MessageText, []byte(cache(2<<20)))
	b.reason(p.id)
	assert.Contains(t, b.log.String(), "client sent too large a message")
}
