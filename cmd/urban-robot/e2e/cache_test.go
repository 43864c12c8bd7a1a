package e2e

import (
	"encoding/base64"
	"testing"

	"github.com/stretchr/testify/require"
)

// CONTRACT.md, section 2, the cache: byte for byte, and integers above 2^53 arrive unchanged. JavaScript cannot hold them, so that what
// such a client was sent is read off the wire.
func TestCacheKeepsLargeIntegers(t *testing.T) {
	t.Parallel()
	const cache = `{"guild":1152921504606846977,"deep":[{"id":18446744073709551615}],"text":"äöü"}`
	for _, sender := range kinds[:2] {
		for _, receiver := range clients {
			t.Run(sender.kind+" to "+receiver.String(), func(t *testing.T) {
				t.Parallel()
				s := serve(t, nil)
				startBot(t, s, sender, "1.0.0", variables{"CACHE": cache}).becomesHolder(t)
				second := startBot(t, s, receiver, "2.0.0", nil)
				arrived := second.expect(t, got("cache_sync"))
				if receiver.kind != "js" {
					require.JSONEq(t, cache, string(arrived.Data))
					require.Contains(t, string(arrived.Data), "1152921504606846977")
					require.Contains(t, string(arrived.Data), "18446744073709551615")
				}
				second.read = 0
				second.expect(t, pattern{name: "the integers on the wire", is: func(l line) bool {
					const sent = `2["cache_sync",{"guild":1152921504606846977,"deep":[{"id":18446744073709551615}],"text":"\u00e4\u00f6\u00fc"}]`
					return l.Wire == sent
				}})
				second.told(t, "ok")
			})
		}
	}
}

// Binary caches, as a whole and inside of JSON, pass from one kind of client to the next.
func TestCacheKeepsBinary(t *testing.T) {
	t.Parallel()
	all := make([]byte, 256)
	for i := range all {
		all[i] = byte(i)
	}
	bytes := `{"$bytes":"` + base64.StdEncoding.EncodeToString(all) + `"}`
	tests := []struct{ name, cache string }{
		{"as a whole", bytes},
		{"inside", `{"a":[` + bytes + `,{"b":` + bytes + `}],"prefix":"!"}`},
	}
	for _, transport := range []string{"default", "websocket"} {
		for _, test := range tests {
			t.Run(test.name+" "+transport, func(t *testing.T) {
				t.Parallel()
				s := serve(t, nil)
				startBot(t, s, client{"asyncio", transport}, "1.0.0", variables{"CACHE": test.cache}).becomesHolder(t)
				for _, next := range []struct{ version, kind string }{{"2.0.0", "js"}, {"3.0.0", "sync"}, {"4.0.0", "js"}, {"5.0.0", "asyncio"}} {
					b := startBot(t, s, client{next.kind, transport}, next.version, nil)
					require.JSONEq(t, test.cache, string(b.expect(t, got("cache_sync")).Data))
					b.told(t, "ok")
				}
			})
		}
	}
}

// The newest cache of a holder reaches who is ready, and whoever gets ready later, after a restart of the service too.
func TestCacheSentByItself(t *testing.T) {
	t.Parallel()
	for _, c := range clients {
		t.Run(c.String(), func(t *testing.T) {
			t.Parallel()
			s := serve(t, slowLease)
			holder := startBot(t, s, c, "1.0.0", variables{"MODE": "full"})
			holder.becomesHolder(t)
			standby := startBot(t, s, c, "1.0.0", variables{"MODE": "full"})
			standby.told(t, "coma")
			holder.emits(t, "cache_sync", `{"turn":1}`, true)
			require.True(t, decode[answer](t, holder.expect(t, acknowledged("cache_sync")).Data).OK, "cache refused")
			require.JSONEq(t, `{"turn":1}`, string(standby.expect(t, got("cache_sync")).Data))
			holder.emits(t, "cache_sync", `{"turn":2}`, true)
			holder.expect(t, acknowledged("cache_sync"))
			s.kill(t)
			s.start(t)
			late := startBot(t, s, c, "1.0.0", nil)
			require.JSONEq(t, `{"turn":2}`, string(late.expect(t, got("cache_sync")).Data))
			holder.never(t, got("cache_sync"))
		})
	}
}
