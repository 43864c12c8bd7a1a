package e2e

import (
	"fmt"
	"math/rand/v2"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// Pushes of all sorts, while the service and bots are killed at any moment: never two active, none for no longer than documented,
// no more reverts than the budget, no release started again and again; and the next good push is put into service.
func TestRolloutInAStorm(t *testing.T) {
	t.Parallel()
	const storms, rounds, budget = 3, 6, 3
	for i := range storms {
		seed := rand.Uint64()
		t.Run(fmt.Sprintf("number %d", i+1), func(t *testing.T) {
			t.Parallel()
			t.Logf("seed %d", seed)
			dice := rand.New(rand.NewPCG(seed, 0))
			r, first := startRollout(t, good("v1", "go"), settings{"standbys": []string{"0", "1"}[dice.IntN(2)], "rollback.max": strconv.Itoa(budget)})
			r.serves(t, first)
			begun := time.Now()
			for i := range rounds {
				r.push(t, anyCode(dice, numbered(i+2)))
				_, _ = r.announce(t, delivery{commit: r.git(t, "-C", r.work, "rev-parse", "HEAD")}) // a halted fleet refuses it
				r.strike(t, dice)
			}
			last := good(numbered(rounds+2), "go")
			f := r.eventually(t, "nothing to be under way", func(f fleetStatus) bool { return f.Attempt == nil })
			require.LessOrEqual(t, r.count(logged("rollout ended", "from=baking", "to=bad")), budget, "reverts")
			if f.Halted != "" {
				t.Logf("halted for %s", f.Halted)
				_, stderr, exit := r.cli(t, "try-again", fleetName)
				require.Equal(t, 0, exit, stderr)
			}
			commit := r.deploy(t, last)
			r.becomesGood(t, commit)
			r.serves(t, commit)
			for i := range rounds {
				starts := len(r.stage.of(begun, numbered(i+2), "started"))
				require.LessOrEqual(t, starts, rounds+2, "starts of %s", numbered(i+2))
			}
			pause := r.stage.longestPause(begun)
			t.Logf("nobody was active for %s at most", pause)
			require.Less(t, pause, 2*pauseBound, "the lease, its margin, and a restart")
		})
	}
}

// anyCode is a bot, good or bad.
func anyCode(dice *rand.Rand, name string) code {
	all := []code{{}, {}, {Health: vitalMissing}, {CrashMS: 1 + dice.IntN(500)}, {Later: vitalMissing}, {Start: "exit"}, {Setup: "exit 1"}, {Setup: "sleep 0.3"}}
	c := all[dice.IntN(len(all))]
	c.Name, c.Kind = name, []string{"go", "go", "sync"}[dice.IntN(3)]
	return c
}

// strike kills the service, or a bot, or nobody, at any moment of the next second.
func (r *rollout) strike(t *testing.T, dice *rand.Rand) {
	t.Helper()
	<-time.After(time.Duration(dice.IntN(1000)) * time.Millisecond) // the moment is what is tried
	bots := func() {
		if left := r.processes(); len(left) > 0 {
			_ = syscall.Kill(left[dice.IntN(len(left))], syscall.SIGKILL) // it may have ended
		}
	}
	switch dice.IntN(5) {
	case 0, 1:
		r.kill(t)
		r.start(t)
	case 2:
		r.kill(t)
		bots()
		r.start(t)
	case 3:
		bots()
	}
}
