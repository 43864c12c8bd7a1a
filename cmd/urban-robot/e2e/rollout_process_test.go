package e2e

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// A service that is stopped in good order leaves its bots running, and finds them again: the same processes at the same epoch.
func TestRolloutProcessesOutliveTheService(t *testing.T) {
	t.Parallel()
	for _, kind := range []string{"sync", "asyncio", "go"} {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			r, first := startRollout(t, good("v1", kind), nil)
			f := r.serves(t, first)
			begun, before, holder := time.Now(), r.processes(), f.Running[0]
			require.Len(t, before, 2)
			for range 2 {
				r.stop(t)
				require.ElementsMatch(t, before, r.processes(), "while the service is away")
				r.start(t)
				f = r.serves(t, first)
				require.Equal(t, holder.Epoch, f.Running[0].Epoch)
				require.Equal(t, holder.Instance, f.Running[0].Instance)
				require.ElementsMatch(t, before, r.processes())
			}
			require.Len(t, r.stage.spans(begun), 1, "the holder stopped meanwhile")
			require.Empty(t, r.stage.of(begun, "v1", "started", "coma", "lapsed"))
			t.Logf("the longest time without work: %s", r.stage.longestSilence(begun, holder.Instance))

			killed := time.Now()
			r.killHolder(t, holder.Instance)
			next := r.stage.awaitAny(t, killed, "active instead of the holder", func(x sighting) bool { return x.Event == "active" })
			require.NotEqual(t, holder.Instance, next.Instance)
			require.Less(t, next.time().Sub(killed), 3*time.Second, "the death of an adopted process is seen, and no lease waited for")
		})
	}
}

// A service that is away for longer than the lease: its bots stop by themselves, and begin again when it is back.
func TestRolloutServiceAwayForLongerThanTheLease(t *testing.T) {
	t.Parallel()
	for _, kind := range []string{"sync", "go"} {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			r, first := startRollout(t, good("v1", kind), settings{"lease": "2s"})
			before := r.serves(t, first)
			begun := time.Now()
			r.kill(t)
			r.stage.await(t, begun, "v1", "lapsed", "coma")
			back := time.Now()
			r.start(t)
			r.stage.await(t, back, "v1", "active")
			f := r.serves(t, first)
			require.Greater(t, f.Running[0].Epoch, before.Running[0].Epoch)
			require.Len(t, f.Processes, 2)
			require.Less(t, r.stage.longestPause(begun), pauseBound)
		})
	}
}

// A process that is not wanted any more is asked to end, and forced to if it does not.
func TestRolloutProcessIsStopped(t *testing.T) {
	t.Parallel()
	r, first := startRollout(t, good("v1", "go"), settings{"standbys": "0", "deadlines.ready": "2s"})
	tests := []struct {
		name        string
		code        code
		least, most time.Duration
	}{
		{"it ends when it is asked to", code{Kind: "sync", Start: "silent"}, 0, 900 * time.Millisecond},
		{"it is forced", code{Kind: "sync", Start: "silent", Stubborn: true}, 900 * time.Millisecond, 5 * time.Second},
	}
	for _, test := range tests {
		pushed := time.Now()
		test.code.Name = test.name
		bad := r.deploy(t, test.code)
		r.sees(t, logged("rollout ended", "release="+bad, "to=bad", "reason=startup_timeout"))
		refused := time.Now()
		gone := r.stage.await(t, pushed, test.name, "gone")
		took := gone.time().Sub(refused)
		require.GreaterOrEqual(t, took, test.least-200*time.Millisecond, test.name)
		require.Less(t, took, test.most, test.name)
		asked := 0
		if test.code.Stubborn {
			asked = 1
		}
		require.Len(t, r.stage.of(pushed, test.name, "ignored"), asked)
	}
	r.serves(t, first)
	require.Len(t, r.processes(), 1)
}

// Secrets are where they are used and nowhere else. What the service wrote is searched after every test; this one makes it hard.
func TestRolloutKeepsSecrets(t *testing.T) {
	t.Parallel()
	r, first := startRollout(t, good("v1", "go"), nil)
	r.serves(t, first)
	secrets := []string{token, key, hookSecret, adminToken, alertPath}
	for _, pid := range r.processes() {
		environ, err := os.ReadFile(fmt.Sprintf("/proc/%d/environ", pid))
		require.NoError(t, err)
		for _, secret := range secrets {
			assert.NotContains(t, string(environ), secret, "a bot's environment")
		}
		launch := variableOf(pid, "URBAN_ROBOT_LAUNCH")
		require.NotEmpty(t, launch)
		secrets = append(secrets, launch)
	}
	require.Len(t, secrets, 7, "each bot has a launch secret of its own")
	require.NotEqual(t, secrets[5], secrets[6])

	bad := r.deploy(t, code{Name: "v2", Kind: "go", Setup: "env; exit 1"})
	r.sees(t, logged("rollout ended", "release="+bad, "to=bad"))
	chatty := r.deploy(t, code{Name: "v3", Kind: "chatty"})
	exited := r.sees(t, logged("process exited", "release="+chatty))
	require.Contains(t, exited.Text, "URBAN_ROBOT_LAUNCH=[redacted]")
	_, _ = r.announce(t, delivery{commit: first, secret: wrongKey})
	_, _, _ = r.cliWith(t, filepath.Join(filepath.Dir(r.tokenFile), "webhook"), "status", fleetName)
	r.awaitAlert(t, "refused")

	for _, path := range []string{"fleets", "fleets/" + fleetName, "fleets/" + fleetName + "/clients", "fleets/" + fleetName + "/versions", "events?limit=1000"} {
		answer := r.get(t, "/api/v1/"+path)
		for _, secret := range secrets {
			assert.NotContains(t, answer, secret, path)
		}
	}
	assert.NotContains(t, r.get(t, "/openapi.json"), adminToken)
	lines, err := filepath.Glob("/proc/[0-9]*/cmdline")
	require.NoError(t, err)
	for _, line := range lines {
		text, _ := os.ReadFile(line) // it may have ended
		for _, secret := range secrets {
			assert.False(t, bytes.Contains(text, []byte(secret)), "%s has a secret", strings.ReplaceAll(string(text), "\x00", " "))
		}
	}
	r.alerts.mu.Lock()
	told := fmt.Sprint(r.alerts.told)
	r.alerts.mu.Unlock()
	for _, secret := range secrets {
		assert.NotContains(t, told, secret)
	}
	r.searchFor(t, secrets[5:])
}

// get asks the admin API.
func (r *rollout) get(t *testing.T, path string) string {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, r.adminURL+path, nil)
	require.NoError(t, err)
	request.Header.Set("Authorization", "Bearer "+adminToken)
	response, err := http.DefaultClient.Do(request)
	require.NoError(t, err)
	defer func() { _ = response.Body.Close() }()
	text, err := io.ReadAll(response.Body)
	require.NoError(t, err)
	require.Equal(t, http.StatusOK, response.StatusCode, string(text))
	return string(text)
}
