package e2e

import (
	"os/exec"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/urban-robot/urban-robot/protocol/admin"
)

// CONTRACT.md, section 6: pending, deploying, candidate, baking, good; and the old one serves until the new one takes over.
func TestRolloutOfGoodPushes(t *testing.T) {
	t.Parallel()
	for _, kinds := range [][2]string{{"sync", "go"}, {"asyncio", "sync"}, {"go", "asyncio"}} {
		t.Run(kinds[0]+" then "+kinds[1], func(t *testing.T) {
			t.Parallel()
			r, first := startRollout(t, good("v1", kinds[0]), nil)
			r.serves(t, first)
			pushed, mark := time.Now(), r.mark()
			second := r.deploy(t, good("v2", kinds[1]))
			for _, stage := range []string{"deploying", "candidate", "baking"} {
				r.since(t, mark, logged("rollout advanced", "release="+second, "to="+stage))
			}
			r.since(t, mark, logged("rollout ended", "release="+second, "to=good"))
			f := r.serves(t, second)
			require.Equal(t, second, f.LastGood)
			require.Equal(t, second, f.Desired.Release)
			require.Equal(t, admin.StageGood, f.LastAttempt.Stage)
			require.Equal(t, uint64(2), f.LastAttempt.Generation)
			require.Equal(t, admin.ReleaseGood, r.version(t, second).State)

			coma := r.stage.await(t, pushed, "v1", "coma")
			active := r.stage.await(t, pushed, "v2", "active")
			require.LessOrEqual(t, coma.At, active.At)
			require.Less(t, r.stage.longestPause(pushed), 2*time.Second, "nobody was active")
			t.Logf("active %s after the push; nobody was active for %s", active.time().Sub(pushed), r.stage.longestPause(pushed))
		})
	}
}

// CONTRACT.md, section 6, 3: a push that is bad before it serves is refused with its own reason, and users notice nothing.
func TestRolloutOfBadPushes(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, reason string
		code         code
		told         string // what a connected client of it is told
	}{
		{"its vital cog is missing", "vital_cog_failure", code{Kind: "sync", Health: vitalMissing}, "vital_cog_failure"},
		{"its percentage is low", "health_check_failure", code{Kind: "asyncio", Health: halfHealthy}, "health_check_failure"},
		{"it never says how it is", "health_check_failure", code{Kind: "sync", Start: "deaf"}, "health_check_failure"},
		{"it never identifies", "startup_timeout", code{Kind: "sync", Start: "silent"}, ""},
		{"it never says ready", "startup_timeout", code{Kind: "sync", Start: "unready"}, "startup_timeout"},
		{"it exits at once", "exited", code{Kind: "sync", Start: "exit"}, ""},
		{"its command is missing", "exited", code{Kind: "missing"}, ""},
		{"it hangs in setup", "setup_timeout", code{Kind: "go", Setup: "echo waiting\nsleep 1000"}, ""},
		{"its setup fails", "setup_failed", code{Kind: "go", Setup: "echo no such package\nexit 7"}, ""},
	}
	r, first := startRollout(t, good("v1", "sync"), settings{"deploy.setup_timeout": "3s", "deadlines.ready": "3s"})
	r.serves(t, first)
	holder := r.status(t).Running[0].Instance
	begun := time.Now()
	for _, test := range tests {
		pushed := time.Now()
		test.code.Name = test.name
		bad := r.deploy(t, test.code)
		r.sees(t, logged("rollout ended", "release="+bad, "to=bad", "reason="+test.reason))
		v := r.version(t, bad)
		require.Equal(t, admin.ReleaseBad, v.State, test.name)
		require.Equal(t, test.reason, v.Reason, test.name)
		require.NotEmpty(t, v.Evidence, test.name)
		if test.told != "" {
			require.Equal(t, test.told, r.stage.await(t, pushed, test.name, "told").Reason)
		}
		require.Empty(t, r.stage.of(pushed, test.name, "active"), "%s: it served", test.name)
		f := r.serves(t, first)
		require.Equal(t, first, f.LastGood)
		require.Equal(t, bad, f.LastAttempt.Release)
		t.Logf("%s: refused after %s", test.name, time.Since(pushed).Round(time.Millisecond))
	}
	f := r.status(t)
	require.Equal(t, holder, f.Running[0].Instance)
	require.Equal(t, uint64(1), f.Running[0].Epoch)
	require.Empty(t, f.Halted, "nothing was reverted")
	require.Len(t, r.stage.spans(begun), 1, "the old one stopped meanwhile")
	t.Logf("the old one's longest silence is %s", r.stage.longestSilence(begun, holder))
	require.Less(t, r.stage.longestSilence(begun, holder), 2*time.Second)
}

// CONTRACT.md, section 6, 4: a push that fails in its bake is replaced by the one before, which is still logged in.
func TestRolloutThatFailsInItsBake(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, reason string
		code         code
	}{
		{"it crashes", "crashed", code{Kind: "sync", CrashMS: 300}},
		{"its vital cog fails", "vital_cog_failure", code{Kind: "go", Later: vitalMissing}},
		{"its percentage is low", "health_check_failure", code{Kind: "asyncio", Later: halfHealthy}},
	}
	r, first := startRollout(t, good("v1", "sync"), settings{"rollback.max": "4"})
	holder := r.serves(t, first).Running[0].Instance
	for i, test := range tests {
		pushed := time.Now()
		test.code.Name = test.name
		bad := r.deploy(t, test.code)
		r.stage.await(t, pushed, test.name, "active")
		end := r.stage.await(t, pushed, test.name, "crash", "shutdown", "coma")
		back := r.stage.await(t, end.time(), "v1", "active")
		r.sees(t, logged("rollout ended", "release="+bad, "to=bad", "reason="+test.reason))
		require.Equal(t, holder, back.Instance, "another process than the one in coma took over")
		require.Equal(t, test.reason, r.version(t, bad).Reason)
		f := r.serves(t, first)
		require.Equal(t, uint64(2*i+3), f.Running[0].Epoch)
		require.Equal(t, first, f.Desired.Release)
		require.Len(t, r.stage.of(pushed, test.name, "started"), 1, "a refused release was started again")
		t.Logf("%s: the old one was active %s later", test.name, back.time().Sub(end.time()))
	}
}

// CONTRACT.md, section 6, 4: "well under a second".
func TestRolloutRevertIsQuick(t *testing.T) {
	t.Parallel()
	const rounds, bound = 20, 2 * time.Second // of the median; the machine does much else
	binary, err := plainProgram()
	require.NoError(t, err)
	r := newRollout(t, binary, settings{"rollback.max": "1000", "log.level": "info", "standbys": "0"})
	first := r.push(t, good("v1", "sync"))
	r.start(t)
	r.becomesGood(t, first)
	var took, spawned []time.Duration
	for i := range rounds {
		pushed := time.Now()
		c := code{Name: numbered(i + 2), Kind: []string{"go", "sync"}[i%2], CrashMS: 100}
		bad := r.deploy(t, c)
		crash := r.stage.await(t, pushed, c.Name, "crash")
		back := r.stage.await(t, crash.time(), "v1", "active")
		took = append(took, back.time().Sub(crash.time()))
		spawned = append(spawned, spawnTime(t))
		r.sees(t, logged("rollout ended", "release="+bad, "to=bad"))
	}
	slices.Sort(took)
	slices.Sort(spawned)
	median, spawn := took[rounds/2], spawned[rounds/2]
	t.Logf("from the crash to the old one active: median %s of %d (least %s, most %s); to start a process and wait for it: median %s; ratio %.1f",
		median, rounds, took[0], took[rounds-1], spawn, float64(median)/float64(spawn))
	require.Less(t, median, bound)
}

// spawnTime is how long this machine takes to start a process, and to see its end.
func spawnTime(t *testing.T) time.Duration {
	t.Helper()
	begun := time.Now()
	require.NoError(t, exec.Command("/bin/true").Run())
	return time.Since(begun)
}
