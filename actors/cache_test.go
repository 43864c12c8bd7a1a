package actors

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/urban-robot/urban-robot/protocol"
	"github.com/urban-robot/urban-robot/protocol/socketio"
)

// sized is a cache of that many bytes, made of one letter.
func sized(n int, letter string) protocol.CacheSync {
	return cacheOf(`"` + strings.Repeat(letter, n-2) + `"`)
}

// partsOf lists what a bot sees of the parts from to before end of a cache of 8 parts.
func partsOf(cache, from, end int) []string {
	var parts []string
	for i := range end - from {
		parts = append(parts, fmt.Sprintf("cache_chunk 0-%d %d/8", cache, from+i))
	}
	return parts
}

func (b *bot) slowly() *bot {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.slow = true
	return b
}

func TestCacheGoesOutAsTheClientCanTakeIt(t *testing.T) {
	aiohttp := socketio.Peer{Address: netip.MustParseAddr("127.0.0.1"), UserAgent: "Python/3.11 aiohttp/3.8.4"}
	asyncio := func(e *protocol.Identify) { e.Library = "python-socketio AsyncClient, asyncio" }
	for _, c := range []struct {
		name    string
		size    int
		peer    socketio.Peer
		change  func(*protocol.Identify)
		want    []string
		skipped int
	}{
		{name: "a small one in one event", size: 1 << 10, want: []string{"cache_sync 1024"}},
		{name: "one of 1 MiB in one event, chunks or not", size: 1 << 20, change: chunks, want: []string{"cache_sync 1048576"}},
		{name: "a larger one in parts", size: 1<<20 + 1, change: chunks, want: []string{
			"cache_chunk 0-1 0/5", "cache_chunk 0-1 1/5", "cache_chunk 0-1 2/5", "cache_chunk 0-1 3/5", "cache_chunk 0-1 4/5",
		}},
		{name: "a larger one in one event without chunks", size: 8 << 20, want: []string{"cache_sync 8388608"}},
		{name: "one of 4 MiB less a frame to aiohttp", size: oneEventLimit, peer: aiohttp, want: []string{"cache_sync 4193280"}},
		{name: "none above it to aiohttp", size: oneEventLimit + 1, peer: aiohttp, skipped: 1},
		{name: "none above it to asyncio", size: oneEventLimit + 1, change: asyncio, skipped: 1},
		{name: "one above it to aiohttp with chunks", size: 1<<20 + 1, peer: aiohttp, change: chunks, want: []string{
			"cache_chunk 0-1 0/5", "cache_chunk 0-1 1/5", "cache_chunk 0-1 2/5", "cache_chunk 0-1 3/5", "cache_chunk 0-1 4/5",
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			inBubble(t, func(w *world) {
				w.start()
				holder := w.holder()
				peer := c.peer
				if !peer.Address.IsValid() {
					peer.Address = netip.MustParseAddr("127.0.0.1")
				}
				other := w.connectFrom(peer)
				other.identify("1.0.0", instance("other"), func(e *protocol.Identify) {
					if c.change != nil {
						c.change(e)
					}
				})
				other.says(protocol.Ready{})
				other.says(protocol.Coma{})
				other.forgets()
				cache := sized(c.size, "x")
				holder.says(cache)
				holder.saw("ack 4 ok")
				other.saw(c.want...)
				w.logged(c.skipped, "cache not delivered", `"client":"c2"`, "cache_chunks")
				if c.skipped == 0 && other.lastCache() != string(cache.Cache.JSON) {
					t.Error("another cache arrived than was sent")
				}
			})
		})
	}
}

func TestCacheWithBinaryPartsGoesOutInOneEvent(t *testing.T) {
	inBubble(t, func(w *world) {
		w.start()
		holder := w.holder()
		other := w.standby(chunks)
		holder.says(protocol.CacheSync{Cache: protocol.Cache{
			JSON: []byte(`[{"_placeholder":true,"num":0},1]`), Attachments: [][]byte{make([]byte, 2<<20)},
		}})
		other.saw(fmt.Sprint("cache_sync ", 2<<20+33))
	})
}

func TestPartsWaitForTheirWindow(t *testing.T) {
	inBubble(t, func(w *world) {
		w.start()
		holder := w.holder()
		other := w.standby(chunks).slowly()
		holder.says(sized(2<<20, "a"))
		other.saw(partsOf(1, 0, 4)...)
		other.takes(1)
		other.saw(partsOf(1, 4, 5)...)
		other.takes(3)
		other.saw(partsOf(1, 5, 8)...)
		other.takes(4)
		other.saw()
		if other.lastCache() != string(sized(2<<20, "a").Cache.JSON) {
			t.Error("another cache arrived than was sent")
		}
		holder.says(sized(2<<20, "b"))
		other.saw(partsOf(2, 0, 4)...)
	})
}

func TestNewerCacheTakesOver(t *testing.T) {
	for _, c := range []struct {
		name  string
		newer protocol.CacheSync
		want  []string // once two parts of the older one are acknowledged
	}{
		{"in parts, within the window", sized(2<<20, "b"), partsOf(2, 0, 2)},
		{"in one event, at once", sized(1<<10, "b"), []string{}},
	} {
		t.Run(c.name, func(t *testing.T) {
			inBubble(t, func(w *world) {
				w.start()
				holder := w.holder()
				other := w.standby(chunks).slowly()
				holder.says(sized(2<<20, "a"))
				other.saw(partsOf(1, 0, 4)...)
				holder.says(c.newer)
				other.takes(2)
				if len(c.want) > 0 {
					other.saw(c.want...)
					other.takes(4)
					other.saw(partsOf(2, 2, 6)...)
					other.takes(4)
					other.saw(partsOf(2, 6, 8)...)
				} else {
					other.saw("cache_sync 1024")
				}
				other.takes(2)
				other.saw()
				if other.lastCache() != string(c.newer.Cache.JSON) {
					t.Error("the client ends with another cache than the newest")
				}
			})
		})
	}
}

// handOver brings a swap with a cache to where the new one should be told process_commands.
func (w *world) handOver(cache protocol.Event) (old, fresh *bot) {
	w.t.Helper()
	old = w.holder()
	fresh = w.candidate(chunks).slowly()
	fresh.healthy()
	fresh.saw("ack 3 ok")
	old.says(cache)
	old.says(protocol.Coma{Epoch: 1})
	return old, fresh
}

func TestSeatComesAfterTheLastPart(t *testing.T) {
	inBubble(t, func(w *world) {
		w.start()
		_, fresh := w.handOver(sized(2<<20, "a"))
		fresh.saw(partsOf(1, 0, 4)...)
		fresh.takes(4)
		fresh.saw(partsOf(1, 4, 8)...)
		fresh.takes(3)
		fresh.saw()
		fresh.takes(1)
		fresh.saw("process_commands 2 ")
		fresh.says(protocol.Ready{})
		fresh.saw("ack 4 ok", "ok 2", "health_check bake")
	})
}

func TestWhatComesAfterTheSeatWaitsWithIt(t *testing.T) {
	inBubble(t, func(w *world) {
		w.start()
		_, fresh := w.handOver(sized(2<<20, "a"))
		fresh.saw(partsOf(1, 0, 4)...)
		w.pass(10 * time.Second) // it was not ready in time for the seat
		fresh.saw()
		fresh.takes(4)
		fresh.saw(partsOf(1, 4, 8)...)
		fresh.takes(4)
		fresh.saw("process_commands 2 ", "shutdown startup_timeout")
	})
}

func TestConnectionThatClosesWithACacheUnderWay(t *testing.T) {
	inBubble(t, func(w *world) {
		w.start()
		old, fresh := w.handOver(sized(2<<20, "a"))
		old.forgets()
		fresh.saw(partsOf(1, 0, 4)...)
		fresh.goes()
		for _, done := range fresh.parts {
			done(socketio.ErrClosed)
		}
		old.saw("process_commands 3 ")
	})
}

func TestCacheArrivesInParts(t *testing.T) {
	inBubble(t, func(w *world) {
		w.start()
		holder := w.holder(chunks)
		other := w.standby()
		cache := sized(1<<20, "a")
		var acks []string
		for i, part := range protocol.SplitCache("mine", cache.Cache) {
			holder.says(part)
			acks = append(acks, fmt.Sprintf("ack %d ok", 4+i))
		}
		holder.saw(acks...)
		other.saw("cache_sync 1048576")
		if other.lastCache() != string(cache.Cache.JSON) {
			t.Error("another cache arrived than was sent")
		}
	})
}

func TestWrongPartsAreRefused(t *testing.T) {
	inBubble(t, func(w *world) {
		w.config.Strikes = 4
		w.start()
		holder := w.holder(chunks)
		parts := protocol.SplitCache("mine", sized(1<<20, "a").Cache)
		holder.says(parts[0])
		holder.says(parts[2])
		holder.saw("ack 4 ok", "ack 5 malformed")
		forged := slices.Clone(parts)
		for i := range forged {
			forged[i].SHA256 = strings.Repeat("0", 64)
			holder.says(forged[i])
		}
		holder.saw("ack 6 ok", "ack 7 ok", "ack 8 ok", "ack 9 malformed")
		large := parts[0]
		large.Parts = 100
		holder.says(large)
		holder.saw("ack 10 too_large")
		holder.tells(parts[1])
		holder.saw("rejected cache_chunk malformed", "rejected cache_chunk too_many", "close")
		w.logged(5, "event rejected", "cache_chunk")
	})
}

func TestCacheThatTheRulesRefuse(t *testing.T) {
	inBubble(t, func(w *world) {
		w.policy().CacheBytes = 1 << 20
		w.start()
		holder := w.holder()
		other := w.standby()
		other.says(cacheOf("{}"))
		other.saw("ack 4 not_allowed")
		holder.says(sized(1<<20+1, "a"))
		holder.saw("ack 4 too_large")
		other.saw()
	})
}

func TestNewcomerGetsTheStoredCacheAfterARestart(t *testing.T) {
	inBubble(t, func(w *world) {
		w.start()
		w.holder().says(sized(2<<20, "a"))
		w.stop()
		w.start()
		back := w.join("1.0.0", session(1), chunks)
		back.says(protocol.Ready{})
		back.saw("ack 1 ok", "hello true 1", "ack 2 ok", "ok 1", "health_check bake") // it has its own
		other := w.join("1.0.0", instance("other"), chunks)
		other.says(protocol.Ready{})
		other.sort() // the order to wait may overtake a part
		other.saw(append(append([]string{"ack 1 ok", "ack 2 ok"}, partsOf(1, 0, 8)...), "coma standby", "hello false 1")...)
		if other.lastCache() != string(sized(2<<20, "a").Cache.JSON) {
			t.Error("another cache arrived than was stored")
		}
	})
}
