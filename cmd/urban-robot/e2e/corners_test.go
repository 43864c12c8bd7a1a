package e2e

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// longLease is one that no test waits for: what happens at once must not hang on it.
var longLease = settings{"lease": "10m"}

// A holder that says shutdown has stopped: nobody waits for its lease.
func TestHolderThatLeavesHandsOver(t *testing.T) {
	t.Parallel()
	for i, c := range clients {
		t.Run(c.String(), func(t *testing.T) {
			t.Parallel()
			s := serve(t, longLease)
			mode := variables{"MODE": []string{"seed", "full"}[i%2]}
			holder := startBot(t, s, c, "1.0.0", mode)
			holder.becomesHolder(t)
			standby := startBot(t, s, c, "1.0.0", mode)
			standby.expect(t, comatose)
			holder.emits(t, "shutdown", `{"reason":"bye","handled":["1","2"]}`, true)
			require.True(t, decode[answer](t, holder.expect(t, acknowledged("shutdown")).Data).OK, "shutdown refused")
			holder.order(t, `{"leave":true}`)
			holder.ends(t)
			grant := standby.told(t, "process_commands")
			require.Equal(t, command{Epoch: 2, Handled: []string{"1", "2"}, Replay: true}, grant)
			require.Equal(t, uint64(2), standby.told(t, "ok").Epoch)
		})
	}
}

// CONTRACT.md, section 2: the event is called command; a fleet may set command_event: cmd.
func TestCommandEvent(t *testing.T) {
	t.Parallel()
	for _, c := range kinds {
		t.Run(c.String(), func(t *testing.T) {
			t.Parallel()
			s := serve(t, settings{"command_event": "cmd"})
			holder := startBot(t, s, c, "1.0.0", variables{"COMMAND": "cmd"})
			holder.becomesHolder(t)
			standby := startBot(t, s, c, "1.0.0", variables{"COMMAND": "cmd"})
			standby.told(t, "coma")
			deaf := startBot(t, s, c, "1.0.0", nil)
			deaf.expect(t, pattern{name: "the event cmd", is: func(l line) bool {
				return l.Wire == `2["cmd",{"t":"coma","d":{"reason":"standby","cache_sync":false,"epoch":1,"drain_ms":0}}]`
			}})
			deaf.never(t, commanded(""))
		})
	}
}

// Fleets have nothing to do with each other.
func TestTwoFleets(t *testing.T) {
	t.Parallel()
	for _, c := range kinds {
		t.Run(c.String(), func(t *testing.T) {
			t.Parallel()
			s := serveFleets(t, program, longLease, "helium", "neon")
			helium := startBot(t, s, c, "1.0.0", variables{"FLEET": "helium", "CACHE": `"of helium"`})
			require.Equal(t, token, helium.becomesHolder(t).Token)
			neon := startBot(t, s, c, "7.0.0", variables{"FLEET": "neon"})
			require.Equal(t, token+"-other", neon.becomesHolder(t).Token)

			isTurnedAway(t, startBot(t, s, c, "1.0.0", nil))
			isTurnedAway(t, startBot(t, s, c, "1.0.0", variables{"FLEET": "argon"}))

			next := startBot(t, s, c, "2.0.0", variables{"FLEET": "helium"})
			next.told(t, "ok")
			require.JSONEq(t, `"of helium"`, string(mustHave(t, next, got("cache_sync")).Data))
			neon.staysHolder(t)
			neon.never(t, got("cache_sync"))
			require.Equal(t, []string{"hello", "ok"}, only(neon.orderOf(t), "hello", "ok", "coma", "shutdown", "process_commands"))
		})
	}
}

// CONTRACT.md, section 2: ready is idempotent. The holder gets its ok again, a client in coma that says so gets ready is told to wait.
func TestReadyTwice(t *testing.T) {
	t.Parallel()
	for _, c := range kinds {
		t.Run(c.String(), func(t *testing.T) {
			t.Parallel()
			s := serve(t, nil)
			holder := startBot(t, s, c, "1.0.0", nil)
			holder.becomesHolder(t)
			holder.emits(t, "ready", `{}`, true)
			require.True(t, decode[answer](t, holder.expect(t, acknowledged("ready")).Data).OK, "second ready refused")
			holder.read = 0
			holder.told(t, "ok")
			require.Equal(t, uint64(1), holder.told(t, "ok").Epoch)

			standby := startBot(t, s, c, "1.0.0", nil)
			standby.expect(t, comatose)
			standby.emits(t, "ready", `{}`, false)
			require.Equal(t, "standby", standby.told(t, "coma").Reason)
			standby.expect(t, comatose)
			holder.staysHolder(t)
		})
	}
}

// The old holder does not answer: the swap is aborted, it gets the seat back, and a timeout is never read as success.
func TestSwapIsAborted(t *testing.T) {
	t.Parallel()
	for _, c := range kinds {
		t.Run(c.String(), func(t *testing.T) {
			t.Parallel()
			s := serve(t, settings{"handover.deadline": "1s", "lease": "10m"})
			holder := startBot(t, s, c, "1.0.0", variables{"SILENT": "coma"})
			holder.becomesHolder(t)
			candidate := startBot(t, s, c, "2.0.0", nil)
			require.Equal(t, "candidate", candidate.told(t, "health_check").Phase)
			require.Equal(t, "handover", holder.told(t, "coma").Reason)
			require.Equal(t, uint64(3), holder.told(t, "process_commands").Epoch, "epoch + 2")
			require.Equal(t, uint64(3), holder.told(t, "ok").Epoch)
			require.Equal(t, "standby", candidate.told(t, "coma").Reason)
			require.Empty(t, only(candidate.orderOf(t), "process_commands", "ok"), "the candidate was given the seat")
		})
	}
}

// mustHave returns the first line of all that the bot has printed that matches.
func mustHave(t *testing.T, b *bot, want pattern) line {
	t.Helper()
	l, _ := b.wait(t, 0, want)
	return l
}
