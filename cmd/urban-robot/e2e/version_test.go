package e2e

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// CONTRACT.md, section 6: versions are compared only where that is meaningful.
func TestNewerVersionTakesOver(t *testing.T) {
	t.Parallel()
	s := serve(t, nil)
	first := startBot(t, s, kinds[0], "9.0.0", nil)
	first.becomesHolder(t)
	second := startBot(t, s, kinds[2], "10.0.0", nil)
	second.told(t, "process_commands")
	second.told(t, "ok")

	third := startBot(t, s, kinds[1], "9.9.9", nil)
	require.Equal(t, "outdated", third.told(t, "coma").Reason)
	second.staysHolder(t)
}

func TestUnorderedVersionsDoNotSwap(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, holder, newcomer string
		client                 client
	}{
		{"a higher number", "2", "10", kinds[0]},
		{"a lower number", "10", "2", kinds[1]},
		{"two commits", "5f1bb21", "bc8ee9b", kinds[2]},
		{"a semantic version beside a commit", "5f1bb21", "2.0.0", kinds[1]},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			s := serve(t, nil)
			holder := startBot(t, s, test.client, test.holder, nil)
			holder.becomesHolder(t)
			newcomer := startBot(t, s, test.client, test.newcomer, nil)
			require.False(t, newcomer.hello(t).ProcessCommands, "hello of the second grants the seat")
			require.Equal(t, "standby", newcomer.told(t, "coma").Reason)
			require.Equal(t, "standby", newcomer.told(t, "health_check").Phase)
			require.Equal(t, "standby", newcomer.told(t, "health_check").Phase)
			holder.staysHolder(t)
			require.Empty(t, only(newcomer.orderOf(t), "process_commands", "ok"), "the newcomer was given the seat")
		})
	}
}
