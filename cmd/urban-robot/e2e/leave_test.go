package e2e

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// A bot may go at any moment, in due form or not; the one after it gets its turn.
func TestBotsThatGoEarly(t *testing.T) {
	t.Parallel()
	stages := []struct {
		silent string
		until  pattern
	}{
		{"identify", connected},
		{"ready", got("hello")},
		{"coma", commanded("coma")},
		{"", comatose},
	}
	for _, c := range clients {
		t.Run(c.String(), func(t *testing.T) {
			t.Parallel()
			s := serve(t, longLease)
			granted := startBot(t, s, c, "1.0.0", variables{"SILENT": "ready"})
			require.True(t, granted.hello(t).ProcessCommands, "hello of the first client")
			granted.kill()

			holder := startBot(t, s, c, "1.0.0", nil)
			require.Equal(t, uint64(2), holder.becomesHolder(t).Epoch, "the grant that was never taken is void")
			for _, polite := range []bool{false, true} {
				leavers := make([]*bot, len(stages))
				for i, stage := range stages {
					leavers[i] = startBot(t, s, c, "1.0.0", variables{"SILENT": stage.silent})
				}
				for i, stage := range stages {
					leavers[i].expect(t, stage.until)
					leavers[i].goes(t, polite)
				}
			}
			candidate := startBot(t, s, c, "2.0.0", variables{"SILENT": "health_check"})
			candidate.told(t, "health_check")
			candidate.kill()
			holder.staysHolder(t)

			next := startBot(t, s, c, "2.0.0", nil)
			require.Equal(t, uint64(3), next.told(t, "ok").Epoch)
		})
	}
}

// goes ends the bot, and waits until it has ended.
func (b *bot) goes(t *testing.T, polite bool) {
	t.Helper()
	if !polite {
		b.kill()
		return
	}
	b.order(t, `{"leave":true}`)
	b.ends(t)
}
