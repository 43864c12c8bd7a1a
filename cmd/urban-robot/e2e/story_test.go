package e2e

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// CONTRACT.md, section 3: a cold start, a planned swap, a candidate that fails, and a crash, from the first bot to the last.
func TestStory(t *testing.T) {
	t.Parallel()
	for _, c := range clients {
		for _, mode := range []string{"seed", "full"} {
			t.Run(mode+" "+c.String(), func(t *testing.T) {
				t.Parallel()
				tellStory(t, c, mode)
			})
		}
	}
}

func tellStory(t *testing.T, c client, mode string) {
	s := serve(t, nil)
	first := startBot(t, s, c, "1.0.0", variables{"MODE": mode, "CACHE": `{"prefix":"!","guild":1152921504606846977}`})
	h := first.becomesHolder(t)
	require.Equal(t, token, h.Token, "token in hello")
	require.Equal(t, uint64(1), h.Epoch, "epoch of the first grant")
	require.Equal(t, int64(2000), h.LeaseMS, "lease in hello")
	require.Equal(t, "bake", first.told(t, "health_check").Phase)

	second := startBot(t, s, c, "2.0.0", variables{"MODE": mode})
	h = second.hello(t)
	require.False(t, h.ProcessCommands, "hello of a candidate grants the seat")
	require.Equal(t, token, h.Token, "token in hello")
	require.Equal(t, "candidate", second.told(t, "health_check").Phase)
	coma := first.told(t, "coma")
	require.Equal(t, command{Epoch: 1, Reason: "handover", CacheSync: true}, coma)
	first.expect(t, comatose)
	require.Equal(t, uint64(2), second.told(t, "process_commands").Epoch)
	require.Equal(t, uint64(2), second.told(t, "ok").Epoch)
	require.Equal(t, []string{"hello", "health_check", "cache_sync", "process_commands", "ok"}, second.orderOf(t)[:5])

	third := startBot(t, s, c, "3.0.0", variables{"MODE": mode, "HEALTH": `{"ok":false}`})
	require.False(t, third.hello(t).ProcessCommands, "hello of a candidate grants the seat")
	require.Equal(t, "candidate", third.told(t, "health_check").Phase)
	require.Equal(t, "health_check_failure", third.told(t, "shutdown").Reason)
	third.ends(t)

	again := startBot(t, s, c, "3.0.0", variables{"MODE": mode})
	h = again.hello(t)
	require.Equal(t, "quarantined_version", h.Error.Code)
	require.Empty(t, h.Token, "token for a refused release")
	require.Equal(t, "quarantined_version", again.told(t, "shutdown").Reason)
	again.ends(t)
	require.Equal(t, []string{"ok"}, only(second.orderOf(t), "ok", "coma", "shutdown"), "the holder was disturbed")

	second.kill()
	require.Equal(t, uint64(3), first.told(t, "process_commands").Epoch)
	require.Equal(t, uint64(3), first.told(t, "ok").Epoch)
	require.Equal(t, []string{"ok", "coma", "process_commands", "ok"}, only(first.orderOf(t), "ok", "coma", "process_commands", "shutdown"))
}
