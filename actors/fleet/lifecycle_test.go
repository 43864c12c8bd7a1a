package fleet

import (
	"encoding"
	"fmt"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// legal is the lifecycle once more, written as the contract's diagram draws it.
var legal = map[State]map[Kind]State{
	StateConnected:    {KindIdentify: StateIdentified, KindShutdown: StateShuttingDown, KindDisconnect: StateGone},
	StateIdentified:   {KindReady: StateReady, KindShutdown: StateShuttingDown, KindDisconnect: StateGone},
	StateReady:        {KindReady: StateReady, KindOK: StateActive, KindComa: StateComa, KindShutdown: StateShuttingDown, KindDisconnect: StateGone},
	StateActive:       {KindReady: StateActive, KindOK: StateActive, KindComa: StateComa, KindShutdown: StateShuttingDown, KindDisconnect: StateGone},
	StateComa:         {KindReady: StateReady, KindComa: StateComa, KindShutdown: StateShuttingDown, KindDisconnect: StateGone},
	StateShuttingDown: {KindShutdown: StateShuttingDown, KindDisconnect: StateGone},
	StateGone:         {},
}

func TestNext(t *testing.T) {
	t.Parallel()
	for _, s := range States() {
		for _, k := range Kinds() {
			t.Run(fmt.Sprintf("%s in state %s", k, s), func(t *testing.T) {
				t.Parallel()
				want, allowed := legal[s][k]
				if !allowed {
					want = s
				}
				next, ok := Next(s, k)
				assert.Equal(t, allowed, ok, "Next(%v, %v)", s, k)
				assert.Equal(t, want, next, "Next(%v, %v)", s, k)
			})
		}
	}
}

// The table of the rules and the diagram of the contract's section 3 say the same.
func TestLifecycleIsTheContract(t *testing.T) {
	t.Parallel()
	contract, err := os.ReadFile("../../protocol/CONTRACT.md")
	require.NoError(t, err)
	drawn := regexp.MustCompile(`(?m)^    (\w+) --> (\w+): (\w+)$`).FindAllStringSubmatch(string(contract), -1)
	var want, got []string
	for _, arrow := range drawn {
		want = append(want, strings.Join(arrow[1:], " "))
	}
	for _, s := range States() {
		for _, k := range Kinds() {
			if next, ok := Next(s, k); ok {
				got = append(got, fmt.Sprintf("%s %s %s", s, next, k))
			}
		}
	}
	assert.ElementsMatch(t, want, got)
}

// "An unknown value prints State(7); it never panics and is never empty.".
func TestNames(t *testing.T) {
	t.Parallel()
	for _, enum := range []struct {
		name string
		of   func(uint8) string
		want []string
	}{
		{"State", func(n uint8) string { return State(n).String() }, []string{"connected", "identified", "ready", "active", "coma", "shutting_down", "gone"}},
		{"Kind", func(n uint8) string { return Kind(n).String() }, []string{"identify", "ready", "ok", "coma", "shutdown", "disconnect"}},
		{"SeatPhase", func(n uint8) string { return SeatPhase(n).String() }, []string{"vacant", "granted", "held", "lost"}},
		{"Parting", func(n uint8) string { return Parting(n).String() }, []string{"coma", "shutdown"}},
		{"Result", func(n uint8) string { return Result(n).String() }, []string{"ok", "degraded", "inconclusive", "fail", "error"}},
		{"ReleaseState", func(n uint8) string { return ReleaseState(n).String() }, []string{"unproven", "good", "bad"}},
		{"Outcome", func(n uint8) string { return Outcome(n).String() }, []string{"accepted", "unchanged", "refused"}},
		{"AlertLevel", func(n uint8) string { return AlertLevel(n).String() }, []string{"info", "warning", "error"}},
		{"Stage", func(n uint8) string { return Stage(n).String() }, []string{"pending", "deploying", "candidate", "baking", "good", "bad", "inconclusive", "superseded", "aborted"}},
	} {
		t.Run(enum.name, func(t *testing.T) {
			t.Parallel()
			for i, want := range enum.want {
				assert.Equal(t, want, enum.of(uint8(i+1)))
			}
			for _, unknown := range []int{0, len(enum.want) + 1, 255} {
				assert.Equal(t, fmt.Sprintf("%s(%d)", enum.name, unknown), enum.of(uint8(unknown)))
			}
		})
	}
}

func TestListsAreWhole(t *testing.T) {
	t.Parallel()
	assert.Equal(t, "State(8)", State(len(States())+1).String())
	assert.Equal(t, "Kind(7)", Kind(len(Kinds())+1).String())
	assert.Equal(t, "Result(6)", Result(len(Results())+1).String())
	assert.Equal(t, "Stage(10)", Stage(len(Stages())+1).String())
	assert.Equal(t, "ReleaseState(4)", ReleaseState(len(ReleaseStates())+1).String())
	assert.Len(t, transitions, len(States()))
}

func TestStageAsText(t *testing.T) {
	t.Parallel()
	for _, want := range append(Stages(), 0) {
		var m encoding.TextMarshaler = want
		text, err := m.MarshalText()
		require.NoError(t, err)
		got := StageBad
		require.NoError(t, got.UnmarshalText(text))
		assert.Equal(t, want, got)
	}
	var got Stage
	assert.EqualError(t, got.UnmarshalText([]byte("broken")), `stage "broken" is unknown`)
}
