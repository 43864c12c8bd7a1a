package urbanrobot

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/urban-robot/urban-robot/protocol"
)

// Section 2: chunks in order, at most ChunkWindow of them unacknowledged, one sha256 over all.
func TestLargeCacheTravelsInChunks(t *testing.T) {
	text := []byte(`["` + strings.Repeat("x", 9*protocol.ChunkBytes) + `"]`)
	for name, cache := range map[string][]byte{"JSON": text, "bytes": bytes.Repeat([]byte{0xff}, 5*protocol.ChunkBytes)} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := start(t, Options{Cache: func() []byte { return cache }})
				p := w.activateAt(7)
				p.setMute(protocol.EventCacheChunk)
				p.command(protocol.SendCache{})
				first, joined := takeChunks(t, p)
				sum := sha256.Sum256(cache)
				assert.Equal(t, hex.EncodeToString(sum[:]), first.SHA256)
				assert.Equal(t, name == "bytes", first.Binary)
				assert.True(t, bytes.Equal(cache, joined))
				p.setMute("")
				w.cancel()
				for range p.events {
					continue // the cache again, and shutdown
				}
				require.NoError(t, <-w.ended)
			})
		})
	}
}

// takeChunks takes a whole cache, as slowly as it may.
func takeChunks(t *testing.T, p *peer) (first protocol.CacheChunk, joined []byte) {
	t.Helper()
	first = expect[protocol.CacheChunk](p)
	joined = slices.Clone(first.Data)
	owed := 1
	for part := 1; part < first.Parts; part++ {
		if owed == protocol.ChunkWindow {
			p.quiet(time.Second)
			p.ackOldest()
			owed--
		}
		chunk := expect[protocol.CacheChunk](p)
		owed++
		assert.Equal(t, part, chunk.Part)
		assert.Equal(t, first.ID, chunk.ID)
		assert.Equal(t, first.SHA256, chunk.SHA256)
		joined = append(joined, chunk.Data...)
	}
	for range owed {
		p.ackOldest()
	}
	return first, joined
}

func TestCacheThatIsNotAcknowledgedIsGivenUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cache := bytes.Repeat([]byte{0xff}, 2*protocol.ChunkThreshold)
		w := start(t, Options{Cache: func() []byte { return cache }})
		p := w.activateAt(7)
		p.setMute(protocol.EventCacheChunk)
		p.command(protocol.EnterComa{Reason: protocol.ReasonHandover, CacheSync: true, Epoch: 7})
		go p.pings(t.Context())
		for range protocol.ChunkWindow {
			expect[protocol.CacheChunk](p)
		}
		expect[protocol.Coma](p)
		p.setMute("")
		w.finish()
	})
}

func TestCacheWithoutTheCapabilityIsSentWhole(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cache := bytes.Repeat([]byte{0xff}, 2*protocol.ChunkThreshold)
		w := start(t, Options{Cache: func() []byte { return cache }, Capabilities: []string{}})
		p := w.activateAt(7)
		w.SendCache()
		assert.Len(t, expect[protocol.CacheSync](p).Cache.Attachments, 1)
		w.cancel()
		expect[protocol.CacheSync](p)
		require.NoError(t, <-w.ended)
	})
}

func TestCacheArrives(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := start(t, Options{})
		p := w.accept()
		expect[protocol.Identify](p)
		p.hello(standby(7))
		expect[protocol.Ready](p)
		w.told()

		p.write(`421["cache_sync",{"id":9007199254740993}]`)
		p.write(`451-["cache_sync",{"_placeholder":true,"num":0}]`)
		_ = p.socket.write([]byte("bytes"), true)
		p.write(`451-["cache_sync",[{"_placeholder":true,"num":0}]]`)
		_ = p.socket.write([]byte("not for Go"), true)
		p.write(`42["cache_sync"]`)
		p.command(protocol.ProcessCommands{Epoch: 8})
		expect[protocol.Ready](p)
		assert.Equal(t, `cache {"id":9007199254740993}, cache bytes`, w.told(), "before ready")
		w.finish()
	})
}

func TestChunksArrive(t *testing.T) {
	sum := sha256.Sum256([]byte("[1,2]"))
	chunk := func(id string, part int, data string) protocol.CacheChunk {
		return protocol.CacheChunk{ID: id, Part: part, Parts: 2, SHA256: hex.EncodeToString(sum[:]), Data: []byte(data)}
	}
	synctest.Test(t, func(t *testing.T) {
		w := start(t, Options{})
		p := w.accept()
		expect[protocol.Identify](p)
		p.hello(standby(7))
		expect[protocol.Ready](p)
		w.told()
		for _, c := range []protocol.CacheChunk{
			chunk("lost", 1, "2]"),
			chunk("older", 0, "[1,"), chunk("a", 0, "[1,"), chunk("a", 1, "2]"),
			chunk("again", 1, "2]"),
			chunk("bad", 0, "[1,"), chunk("bad", 1, "3]"),
			chunk("b", 0, "[1,"), chunk("b", 1, "2]"),
		} {
			text, attachments := protocol.EncodeEvent(c)
			p.write(`451-99["cache_chunk",` + string(text) + `]`)
			_ = p.socket.write(attachments[0], true)
		}
		w.settle()
		assert.Equal(t, "cache [1,2], cache [1,2]", w.told())
		w.finish()
	})
}

// Every command of the vectors is understood as it says, and a wrong one changes nothing.
func TestCommandVectors(t *testing.T) {
	for _, v := range readCommandVectors(t) {
		t.Run(v.Name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := start(t, Options{Cache: func() []byte { return []byte(`{}`) }})
				p := w.activateAt(1)
				w.told()
				p.write(`42["command",` + v.Data + `]`)
				w.settle()
				if v.Error != nil {
					assert.True(t, w.Active())
					p.quiet(time.Second)
					w.cancel()
					require.NoError(t, <-w.ended)
					return
				}
				got, err := protocol.DecodeCommand([]byte(v.Data))
				require.NoError(t, err)
				checkObeyed(t, w, p, got)
			})
		})
	}
}

func checkObeyed(t *testing.T, w *world, p *peer, command protocol.Command) {
	switch command := command.(type) {
	case protocol.OK:
		assert.True(t, w.Active())
	case protocol.HealthCheck:
		assert.Equal(t, command.CheckID, expect[protocol.HealthReport](p).CheckID)
	case protocol.ProcessCommands:
		expect[protocol.Ready](p)
		assert.False(t, w.Active())
	case protocol.SendCache:
		expect[protocol.CacheSync](p)
	case protocol.EnterComa:
		if command.Epoch == 0 {
			assert.True(t, w.Active(), "its epoch is old")
			break
		}
		assert.False(t, w.Active())
		if command.CacheSync {
			expect[protocol.CacheSync](p)
		}
		assert.Equal(t, string(command.Reason), expect[protocol.Coma](p).Reason)
	case protocol.ShutDown:
		if command.Epoch == 0 {
			assert.True(t, w.Active(), "its epoch is old")
			break
		}
		require.NoError(t, <-w.ended)
		w.cancel()
		return
	}
	w.cancel()
	require.NoError(t, <-w.ended)
}

type commandVector struct {
	Name  string
	Event string
	Data  string
	Error json.RawMessage
}

func readCommandVectors(t *testing.T) []commandVector {
	t.Helper()
	var all []commandVector
	for _, file := range commandFiles(t) {
		all = append(all, file...)
	}
	require.NotEmpty(t, all)
	return all
}
