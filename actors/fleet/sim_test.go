package fleet

import (
	"flag"
	"fmt"
	"strings"
	"testing"
	"time"
)

var (
	schedules = flag.Int("fleet.schedules", 10_000, "how many schedules the simulation runs")
	firstSeed = flag.Uint64("fleet.seed", 0, "replay this one seed, with all that happens")
)

// TestSimulation runs many seeded schedules. A seed that breaks an invariant is printed with the end of its schedule;
// -fleet.seed replays it.
func TestSimulation(t *testing.T) {
	if *firstSeed != 0 {
		w := simulate(*firstSeed, ownRules(), true)
		t.Log("\n" + strings.Join(w.lines, "\n"))
		if w.failed != "" {
			t.Fatalf("seed %d (%s): %s", *firstSeed, w.mix.name, w.failed)
		}
		return
	}
	begun := time.Now()
	const parts = 2
	t.Run("schedules", func(t *testing.T) {
		for part := range parts {
			t.Run(fmt.Sprint(part), func(t *testing.T) {
				t.Parallel()
				for seed := uint64(part + 1); seed <= uint64(*schedules); seed += parts {
					if w := simulate(seed, ownRules(), false); w.failed != "" {
						t.Fatal(explain(seed))
					}
				}
			})
		}
	})
	took := time.Since(begun)
	t.Logf("%d schedules in %v: %.0f a second", *schedules, took.Round(time.Second/10), float64(*schedules)/took.Seconds())
}

// explain runs a seed again and tells how it ends.
func explain(seed uint64) string {
	w := simulate(seed, ownRules(), true)
	return fmt.Sprintf("seed %d (%s): %s\nreplay: go test ./actors/fleet -run 'TestSimulation$' -fleet.seed=%d -v\n%s",
		seed, w.mix.name, w.failed, seed, strings.Join(w.last(60), "\n"))
}
