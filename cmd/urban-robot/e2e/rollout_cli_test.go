package e2e

import (
	"bytes"
	"encoding/json"
	"errors"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/urban-robot/urban-robot/protocol/admin"
)

// fleetStatus is what the service says of a fleet.
type fleetStatus = admin.Fleet

// cli runs the program against the service, and returns what it printed and its exit code.
func (r *rollout) cli(t *testing.T, arguments ...string) (stdout, stderr string, exit int) {
	t.Helper()
	return r.cliWith(t, r.tokenFile, arguments...)
}

func (r *rollout) cliWith(t *testing.T, tokenFile string, arguments ...string) (stdout, stderr string, exit int) {
	t.Helper()
	command := exec.Command(program, append(arguments, "--url", r.adminURL, "--token-file", tokenFile)...)
	var out, failed bytes.Buffer
	command.Stdout, command.Stderr = &out, &failed
	err := command.Run()
	if ended, ok := errors.AsType[*exec.ExitError](err); ok {
		return out.String(), failed.String(), ended.ExitCode()
	}
	require.NoError(t, err)
	return out.String(), failed.String(), 0
}

// cliJSON runs a command that succeeds and prints JSON.
func cliJSON[T any](t *testing.T, r *rollout, arguments ...string) T {
	t.Helper()
	stdout, stderr, exit := r.cli(t, append(arguments, "-o", "json")...)
	require.Equal(t, 0, exit, stderr)
	var value T
	require.NoError(t, json.Unmarshal([]byte(stdout), &value), stdout)
	return value
}

func TestRolloutCommandLine(t *testing.T) {
	t.Parallel()
	r, first := startRollout(t, good("v1", "go"), settings{"standbys": "0"})
	r.serves(t, first)
	f := cliJSON[admin.Fleet](t, r, "status", fleetName)
	require.Equal(t, first, f.Running[0].Release)
	require.Equal(t, first, f.LastGood)

	second := r.push(t, good("v2", "go"))
	stdout, stderr, exit := r.cli(t, "deploy", fleetName, "main", "--wait")
	require.Equal(t, 0, exit, stderr)
	require.Contains(t, stdout, second+" (generation 2) is good")
	stdout, _, exit = r.cli(t, "deploy", fleetName, second[:12])
	require.Equal(t, 0, exit)
	require.Contains(t, stdout, "unchanged")

	bad := r.push(t, code{Name: "v3", Kind: "go", Health: vitalMissing})
	_, stderr, exit = r.cli(t, "deploy", fleetName, "main", "--wait")
	require.Equal(t, 1, exit)
	require.Contains(t, stderr, "vital_cog_failure")
	_, stderr, exit = r.cli(t, "deploy", fleetName, bad)
	require.Equal(t, 1, exit)
	require.Contains(t, stderr, "try-again")
	_, stderr, exit = r.cli(t, "try-again", fleetName, "--wait")
	require.Equal(t, 1, exit, "the same code is as bad as before")
	require.Contains(t, stderr, "vital_cog_failure")

	_, stderr, exit = r.cli(t, "rollback", fleetName, "--wait")
	require.Equal(t, 0, exit, stderr)
	f = r.serves(t, first)
	require.Equal(t, first, f.Desired.Release)
	r.stop(t)
	r.start(t)
	f = r.serves(t, first)
	require.Equal(t, first, f.Desired.Release, "it rolled forward again after a restart")

	versions := cliJSON[admin.VersionList](t, r, "versions", fleetName).Versions
	require.Len(t, versions, 3)
	text, _, exit := r.cli(t, "versions", fleetName)
	require.Equal(t, 0, exit)
	for _, want := range []string{first, second, bad, "vital_cog_failure", "GENERATION"} {
		require.Contains(t, text, want)
	}
}

func TestRolloutCommandLineRefused(t *testing.T) {
	t.Parallel()
	r, first := startRollout(t, good("v1", "go"), settings{"standbys": "0"})
	r.serves(t, first)
	wrong := filepath.Join(filepath.Dir(r.tokenFile), "webhook")
	asked := [][]string{
		{"status", fleetName}, {"versions", fleetName}, {"deploy", fleetName, "main"}, {"rollback", fleetName}, {"try-again", fleetName},
	}
	for _, arguments := range asked {
		_, stderr, exit := r.cliWith(t, wrong, arguments...)
		require.Equal(t, 1, exit, arguments)
		require.Contains(t, stderr, "the token is wrong", arguments)
		require.NotContains(t, stderr, hookSecret)

		other := append([]string{arguments[0], "argon"}, arguments[2:]...)
		_, stderr, exit = r.cli(t, other...)
		require.Equal(t, 1, exit, other)
		require.Contains(t, stderr, `no fleet`, other)
	}
	for _, reference := range []string{"no-such-branch", "0000000000000000000000000000000000000000", "main~1", "$(touch x)", "../main"} {
		_, stderr, exit := r.cli(t, "deploy", fleetName, reference)
		require.Equal(t, 1, exit, reference)
		require.Contains(t, stderr, "no such release", reference)
	}
	for _, arguments := range [][]string{{"deploy", fleetName}, {"deploy"}, {"rollback"}, {"status", fleetName, "more"}, {"deploy", fleetName, "main", "--now"}} {
		_, stderr, exit := r.cli(t, arguments...)
		require.Equal(t, 2, exit, "%v: %s", arguments, stderr)
	}
	_, stderr, exit := r.cli(t, "rollback", fleetName)
	require.Equal(t, 1, exit)
	require.Contains(t, stderr, "no other good release to go back to")

	r.stop(t)
	for _, arguments := range asked {
		_, stderr, exit := r.cli(t, arguments...)
		require.Equal(t, 1, exit, arguments)
		require.Contains(t, stderr, "is `urban-robot serve` running", arguments)
	}
	r.start(t)
	r.serves(t, first)
}

// CONTRACT.md, section 6: the branch is looked at for those whom no webhook can reach, and what a person took back stays back.
func TestRolloutPolledAndRolledBack(t *testing.T) {
	t.Parallel()
	r, first := startRollout(t, good("v1", "go"), settings{"standbys": "0", "deploy.poll": "10s", "log.level": "debug"})
	second := r.push(t, good("v2", "go"))
	r.becomesGood(t, second)
	r.serves(t, second)
	_, stderr, exit := r.cli(t, "rollback", fleetName, "--wait")
	require.Equal(t, 0, exit, stderr)
	starts := r.count(logged("process starting"))
	aside := r.pushTo(t, good("aside", "go"), "develop")
	r.fetches(t, aside)
	_, stderr, exit = r.cli(t, "status", fleetName)
	require.Equal(t, 0, exit, stderr)
	f := r.serves(t, first)
	require.Equal(t, first, f.Desired.Release)
	require.Equal(t, starts, r.count(logged("process starting")), "it rolled forward again")
}

// fetches waits until a poll has fetched a commit.
func (r *rollout) fetches(t *testing.T, commit string) {
	t.Helper()
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(patience); ; <-tick.C {
		if exec.Command("git", "-C", filepath.Join(r.deploys, "mirror"), "cat-file", "-e", commit).Run() == nil {
			return
		}
		require.True(t, time.Now().Before(deadline), "%s was not fetched", commit)
	}
}
