package e2e

import (
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/urban-robot/urban-robot/protocol/admin"
)

// pauseBound is the lease. The documented bound is higher: the lease, its margin, and the restart. But here every bot that ends is
// seen to end, and every other one comes back, so nobody ever waits for a lease.
const pauseBound = 5 * time.Second

// moment is a step of a rollout at which the service is killed.
type moment struct {
	name string
	when func(t *testing.T, r *rollout, begun beginning)
}

// beginning is where a rollout began.
type beginning struct {
	at     time.Time
	mark   int // in the log
	commit string
}

// inLog is the moment at which the service logs something of the release.
func inLog(message string, with ...string) moment {
	return moment{name: strings.Join(append([]string{message}, with...), " "), when: func(t *testing.T, r *rollout, begun beginning) {
		r.since(t, begun.mark, logged(message, append([]string{"release=" + begun.commit}, with...)...))
	}}
}

// seen is the moment at which a bot of that name says something.
func seen(name, event string) moment {
	return moment{name: name + " " + event, when: func(t *testing.T, r *rollout, begun beginning) {
		r.stage.await(t, begun.at, name, event)
	}}
}

// setupRuns is the moment at which the release's setup has a process.
var setupRuns = moment{name: "its setup runs", when: func(t *testing.T, r *rollout, begun beginning) {
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(patience); ; <-tick.C {
		for _, pid := range r.processes() {
			where, _ := os.Readlink(filepath.Join("/proc", strconv.Itoa(pid), "cwd")) // it may have ended
			if strings.Contains(where, begun.commit) {
				return
			}
		}
		require.True(t, time.Now().Before(deadline), "no setup runs")
	}
}}

// webhookAnswered is the moment at which the service has said that it will.
var webhookAnswered = moment{name: "the webhook is answered", when: func(*testing.T, *rollout, beginning) {}}

// CONTRACT.md, section 6, 10: each step is stored before it is taken, so a restarted supervisor carries on where it stopped.
func TestRolloutServiceKilledInAGoodOne(t *testing.T) {
	t.Parallel()
	for _, m := range []moment{
		webhookAnswered, setupRuns, inLog("process starting"), seen("v2", "started"), inLog("client changed state", "to=identified"),
		inLog("candidate nominated"), seen("v2", "checked"), inLog("candidate passed"), inLog("swap begun"), seen("v1", "coma"),
		inLog("seat granted"), seen("v2", "active"), inLog("health judged", "from=bake"), inLog("release good"),
	} {
		t.Run(m.name, func(t *testing.T) {
			t.Parallel()
			r, begun, first := killService(t, m, code{Name: "v2", Kind: "go", Setup: "sleep 0.3"})
			r.becomesGood(t, begun.commit)
			f := r.serves(t, begun.commit)
			require.Equal(t, begun.commit, f.LastGood)
			require.Equal(t, admin.ReleaseGood, r.version(t, first).State)
			require.LessOrEqual(t, len(r.stage.of(begun.at, "v2", "started")), 2, "starts of the new one")
			r.neverNoneForLong(t, begun.at)
		})
	}
}

// CONTRACT.md, section 6, 3: it is refused before it served.
func TestRolloutServiceKilledInABadOne(t *testing.T) {
	t.Parallel()
	for _, m := range []moment{
		seen("v2", "started"), inLog("candidate nominated"), inLog("health judged"), inLog("release refused"), seen("v2", "told"), seen("v2", "gone"),
	} {
		t.Run(m.name, func(t *testing.T) {
			t.Parallel()
			r, begun, first := killService(t, m, code{Name: "v2", Kind: "go", Health: vitalMissing})
			r.goesBack(t, begun, first)
			require.Empty(t, r.stage.of(begun.at, "v2", "active"), "a bad release served")
			require.Len(t, r.stage.spans(begun.at), 1, "the old one stopped meanwhile")
		})
	}
}

// CONTRACT.md, section 6, 4: it crashes while it serves, and the old one is back; in the end there is one revert, if any.
func TestRolloutServiceKilledInARevert(t *testing.T) {
	t.Parallel()
	for _, m := range []moment{
		seen("v2", "active"), seen("v2", "crash"), inLog("process exited"), inLog("release refused"), inLog("rollout ended"), inLog("seat vacated"),
		{"the old one is granted the seat", func(t *testing.T, r *rollout, begun beginning) {
			r.stage.await(t, begun.at, "v2", "crash")
			r.since(t, begun.mark, logged("seat granted", "epoch=3"))
		}},
		{"the old one is active", func(t *testing.T, r *rollout, begun beginning) {
			crash := r.stage.await(t, begun.at, "v2", "crash")
			r.stage.await(t, crash.time(), "v1", "active")
		}},
	} {
		t.Run(m.name, func(t *testing.T) {
			t.Parallel()
			r, begun, first := killService(t, m, code{Name: "v2", Kind: "go", CrashMS: 300})
			r.goesBack(t, begun, first)
			require.LessOrEqual(t, r.count(logged("release refused", "release="+begun.commit)), 1)
		})
	}
}

// A fleet that was halted just before is still halted, and people hear of it.
func TestRolloutServiceKilledWhenTheFleetIsHalted(t *testing.T) {
	t.Parallel()
	r, first := startRollout(t, good("v1", "go"), settings{"standbys": "0", "rollback.max": "1"})
	holder := r.serves(t, first).Running[0].Instance
	mark := r.mark()
	r.deploy(t, code{Name: "v2", Kind: "go", CrashMS: 200})
	r.since(t, mark, logged("fleet halted"))
	r.kill(t)
	r.start(t)
	f := r.serves(t, first)
	require.Equal(t, "reverts", f.Halted)
	require.Equal(t, holder, f.Running[0].Instance)
	r.awaitAlert(t, "still halted")
	status, answer := r.announce(t, delivery{commit: r.push(t, good("v3", "go"))})
	require.Equal(t, http.StatusOK, status, answer)
	require.Contains(t, answer, "halted")
	require.LessOrEqual(t, r.alerts.count("halted"), 1)
	require.Equal(t, 1, r.alerts.count("still halted"))
}

// killService starts a good release, pushes another one, kills the service at that moment, and starts it again.
func killService(t *testing.T, m moment, c code) (r *rollout, begun beginning, first string) {
	t.Helper()
	r, first = startRollout(t, good("v1", "go"), settings{"standbys": "0"})
	r.serves(t, first)
	begun = beginning{at: time.Now(), mark: r.mark()}
	begun.commit = r.deploy(t, c)
	m.when(t, r, begun)
	r.kill(t)
	r.start(t)
	return r, begun, first
}

// goesBack waits until the release is refused and the one before serves.
func (r *rollout) goesBack(t *testing.T, begun beginning, first string) {
	t.Helper()
	f := r.serves(t, first)
	require.Equal(t, first, f.LastGood)
	require.Equal(t, first, f.Desired.Release)
	require.Empty(t, f.Halted)
	require.Equal(t, admin.ReleaseBad, r.version(t, begun.commit).State)
	require.LessOrEqual(t, len(r.stage.of(begun.at, "v2", "started")), 2, "starts of the bad one")
	r.neverNoneForLong(t, begun.at)
}

func (r *rollout) neverNoneForLong(t *testing.T, after time.Time) {
	t.Helper()
	pause := r.stage.longestPause(after)
	t.Logf("nobody was active for %s at most", pause)
	require.Less(t, pause, pauseBound)
}
