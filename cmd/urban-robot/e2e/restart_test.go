package e2e

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// slowLease leaves time for a restart of the service within the lease.
var slowLease = settings{"lease": "10s"}

// CONTRACT.md, section 4, 6: a holder that comes back within its lease is adopted, and a client that claims an older epoch is fenced.
func TestKillAndRestartWithinTheLease(t *testing.T) {
	t.Parallel()
	for _, c := range clients {
		t.Run(c.String(), func(t *testing.T) {
			t.Parallel()
			s := serve(t, slowLease)
			before := startBot(t, s, c, "1.0.0", variables{"MODE": "full"})
			before.becomesHolder(t)
			holder := startBot(t, s, c, "2.0.0", variables{"MODE": "full"})
			require.Equal(t, uint64(2), holder.told(t, "ok").Epoch)
			before.expect(t, acknowledged("coma"))

			s.kill(t)
			s.start(t)
			newcomer := startBot(t, s, c, "2.0.0", variables{"MODE": "full"})
			h := holder.hello(t)
			require.True(t, h.ProcessCommands, "the holder was not adopted")
			require.Equal(t, uint64(2), h.Epoch)
			require.Equal(t, uint64(2), holder.told(t, "ok").Epoch)
			require.False(t, newcomer.hello(t).ProcessCommands, "hello of a newcomer grants the seat")
			require.Equal(t, "standby", newcomer.told(t, "coma").Reason)
			require.False(t, before.hello(t).ProcessCommands, "hello of the one before grants the seat")

			stale := startBot(t, s, c, "2.0.0", variables{"SILENT": "identify"})
			stale.expect(t, connected)
			stale.emits(t, "identify", `{"version":"2.0.0","instance":"stale","session":{"epoch":1,"active":true,"ready":true}}`, true)
			require.False(t, stale.hello(t).ProcessCommands, "hello of a stale holder grants the seat")
			require.Equal(t, "fenced", stale.told(t, "coma").Reason)

			holder.staysHolder(t)
			require.Equal(t, 1, holder.count(state), "the holder stopped meanwhile")
		})
	}
}

// CONTRACT.md, section 4, 4: only the lease proves that a holder out of reach has stopped.
func TestStandbyTakesOverAfterTheLease(t *testing.T) {
	t.Parallel()
	for i, c := range kinds {
		t.Run(c.String(), func(t *testing.T) {
			t.Parallel()
			s := serve(t, nil)
			mode := variables{"MODE": []string{"seed", "full"}[i%2]}
			holder := startBot(t, s, c, "1.0.0", mode)
			holder.becomesHolder(t)
			standby := startBot(t, s, c, "1.0.0", mode)
			standby.told(t, "coma")
			standby.expect(t, comatose)

			s.kill(t)
			holder.kill()
			restarted := time.Now()
			s.start(t)
			require.False(t, standby.hello(t).ProcessCommands, "the seat was given away within the lease")
			require.Equal(t, uint64(2), standby.told(t, "process_commands").Epoch)
			require.GreaterOrEqual(t, time.Since(restarted), 2300*time.Millisecond, "lease and margin")
			require.Equal(t, uint64(2), standby.told(t, "ok").Epoch)
		})
	}
}

// On SIGTERM the clients are told nothing; they come back by themselves.
func TestOrderlyRestart(t *testing.T) {
	t.Parallel()
	for _, c := range clients {
		t.Run(c.String(), func(t *testing.T) {
			t.Parallel()
			s := serve(t, slowLease)
			holder := startBot(t, s, c, "1.0.0", variables{"MODE": "full"})
			holder.becomesHolder(t)
			standby := startBot(t, s, c, "1.0.0", variables{"MODE": "full"})
			standby.told(t, "coma")
			standby.expect(t, acknowledged("coma"))

			s.stop(t)
			for _, b := range []*bot{holder, standby} {
				b.expect(t, disconnected)
				require.Empty(t, only(b.orderOf(t), "shutdown"), "%s was told to leave", b.name)
			}
			s.start(t)
			h := holder.hello(t)
			require.True(t, h.ProcessCommands, "the holder was not adopted")
			require.Equal(t, uint64(1), h.Epoch)
			require.Equal(t, uint64(1), holder.told(t, "ok").Epoch)
			require.False(t, standby.hello(t).ProcessCommands, "hello of the standby grants the seat")
			require.Equal(t, "standby", standby.told(t, "coma").Reason)
			holder.staysHolder(t)
			require.Equal(t, 1, holder.count(state), "the holder stopped meanwhile")
		})
	}
}

// A seed has no session to be adopted by: it is a new client, and waits for the lease of the one that it was.
func TestSeedGetsTheSeatBackAfterARestart(t *testing.T) {
	t.Parallel()
	for _, c := range kinds {
		t.Run(c.String(), func(t *testing.T) {
			t.Parallel()
			s := serve(t, nil)
			holder := startBot(t, s, c, "1.0.0", nil)
			holder.becomesHolder(t)
			s.kill(t)
			s.start(t)
			require.False(t, holder.hello(t).ProcessCommands, "a new client was granted a seat within another's lease")
			require.Equal(t, "standby", holder.told(t, "coma").Reason)
			require.Equal(t, uint64(2), holder.told(t, "process_commands").Epoch)
			require.Equal(t, uint64(2), holder.told(t, "ok").Epoch)
		})
	}
}
