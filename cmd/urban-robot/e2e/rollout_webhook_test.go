package e2e

import (
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// Each delivery through the real listener, with what it is answered; none but the last one changes anything.
func TestRolloutWebhookAnswers(t *testing.T) {
	t.Parallel()
	r := newRollout(t, program, settings{"standbys": "0", "deploy.webhook.only": "[DEPLOY]"})
	first := r.push(t, good("v1", "go"))
	r.start(t)
	r.becomesGood(t, first)
	foreign := r.pushTo(t, good("foreign", "go"), "develop")
	second := r.push(t, code{Name: "v2", Kind: "go", Message: "v2 [DEPLOY]"})
	canary := filepath.Join(t.TempDir(), "canary")
	strange := newRepository(t)
	theirs := strange.push(t, good("strange", "go"))

	field := func(name string, value any) func(map[string]any) {
		return func(payload map[string]any) { payload[name] = value }
	}
	const marked = "[DEPLOY] it"
	tests := []struct {
		name   string
		send   delivery
		status int
		answer string
	}{
		{"unsigned", delivery{commit: second, message: marked, secret: "none"}, http.StatusNotFound, "signature is missing or wrong"},
		{"signed by another", delivery{commit: second, message: marked, secret: wrongKey}, http.StatusNotFound, "signature is missing or wrong"},
		{"a foreign branch", delivery{commit: foreign, message: marked, branch: "develop"}, http.StatusOK, "not the branch"},
		{"a foreign branch's commit on ours", delivery{commit: foreign, message: marked}, http.StatusOK, "not what the branch stands at"},
		{"without the mark", delivery{commit: second, message: "v2"}, http.StatusOK, "does not contain [DEPLOY]"},
		{"a tag", delivery{commit: second, message: marked, change: field("ref", "refs/tags/main")}, http.StatusOK, "not a branch"},
		{"a deleted branch", delivery{commit: second, message: marked, change: field("deleted", true)}, http.StatusOK, "deleted"},
		{"a commit that does not exist", delivery{commit: strings.Repeat("ab", 20), message: marked}, http.StatusOK, "not what the branch stands at"},
		{"an option for a commit", delivery{commit: "--upload-pack=touch " + canary, message: marked}, http.StatusBadRequest, "hexadecimal"},
		{"a path for a commit", delivery{commit: "../../" + canary, message: marked}, http.StatusBadRequest, "hexadecimal"},
		{"a command for a branch", delivery{commit: second, message: marked, branch: "main;touch " + canary}, http.StatusOK, "not the branch"},
		{"no JSON", delivery{commit: second, body: []byte("ref=main")}, http.StatusBadRequest, "not that of a push"},
		{"another remote", delivery{commit: theirs, message: marked, change: field("repository", map[string]string{
			"clone_url": strange.bare, "ssh_url": "ext::sh -c touch% " + canary, "full_name": "../../..", "name": "$(touch " + canary + ")",
		})}, http.StatusOK, "not what the branch stands at"},
		{"commands in what is for people", delivery{commit: second, message: marked + " $(touch " + canary + ") `touch " + canary + "`", change: field(
			"pusher", map[string]string{"name": "ada; touch " + canary + "\n--force"})}, http.StatusAccepted, "generation 2"},
	}
	for _, test := range tests {
		status, answer := r.announce(t, test.send)
		require.Equal(t, test.status, status, "%s: %s", test.name, answer)
		require.Contains(t, answer, test.answer, test.name)
		if status != http.StatusAccepted {
			require.Equal(t, first, r.status(t).Desired.Release, test.name)
		}
	}
	r.becomesGood(t, second)
	require.NoFileExists(t, canary)
	entries, err := os.ReadDir(filepath.Join(r.deploys, "worktrees"))
	require.NoError(t, err)
	require.Len(t, entries, 2, "what was fetched and set up")
}

// CONTRACT.md, section 6, 6: a redelivered webhook does not retry a release, and brings no older one back.
func TestRolloutWebhookReplayed(t *testing.T) {
	t.Parallel()
	r, first := startRollout(t, good("v1", "go"), settings{"standbys": "0"})
	second := r.push(t, good("v2", "go"))
	once := delivery{commit: second, id: "the same"}
	status, answer := r.announce(t, once)
	require.Equal(t, http.StatusAccepted, status, answer)
	status, again := r.announce(t, once)
	require.Equal(t, http.StatusAccepted, status, again)
	require.Equal(t, answer, again)
	r.becomesGood(t, second)
	r.serves(t, second)

	bad := r.deploy(t, code{Name: "v3", Kind: "go", Health: vitalMissing})
	r.sees(t, logged("rollout ended", "release="+bad, "to=bad"))
	starts := r.count(logged("process starting"))
	replay := func(when string) {
		for _, d := range []delivery{
			once,
			{commit: second, id: "another"},
			{commit: first},
			{commit: bad},
			{commit: bad, id: "another"},
			{commit: bad, change: func(payload map[string]any) { payload["sent"] = when }},
		} {
			status, answer := r.announce(t, d)
			require.Contains(t, []int{http.StatusOK, http.StatusAccepted}, status, answer)
		}
		f := r.serves(t, second)
		require.Equal(t, second, f.Desired.Release, when)
		require.Equal(t, bad, f.LastAttempt.Release, when)
		require.Equal(t, uint64(3), f.LastAttempt.Generation, when)
		require.Equal(t, starts, r.count(logged("process starting")), when)
	}
	replay("at once")
	r.stop(t)
	r.start(t)
	r.serves(t, second)
	replay("to a service that remembers none of them")
}

// CONTRACT.md, section 6, 5: ten bad pushes in a row, each announced three times, end with the last good version, and with one alert.
func TestRolloutOfTenBadPushesInARow(t *testing.T) {
	t.Parallel()
	r, first := startRollout(t, good("v1", "sync"), settings{"rollback.max": "3"})
	holder := r.serves(t, first).Running[0].Instance
	faults := []code{{CrashMS: 150}, {Health: vitalMissing}, {CrashMS: 150}, {Start: "exit"}, {CrashMS: 150}, {}, {}, {CrashMS: 150}, {}, {}}
	refused := 0
	for i, c := range faults {
		c.Name, c.Kind = numbered(i+2), "go"
		bad := r.push(t, c)
		status, answer := r.announce(t, delivery{commit: bad})
		if status == http.StatusAccepted {
			r.sees(t, logged("rollout ended", "release="+bad, "to=bad"))
		} else {
			refused++
			require.Equal(t, http.StatusOK, status, answer)
			require.Contains(t, answer, "halted")
		}
		for _, d := range []delivery{{commit: bad, id: "once more"}, {commit: bad, change: func(payload map[string]any) { payload["again"] = i }}} {
			status, answer := r.announce(t, d)
			require.Contains(t, []int{http.StatusOK, http.StatusAccepted}, status, answer)
		}
		require.LessOrEqual(t, len(r.stage.of(r.stage.beginning(), c.Name, "started")), 1, "starts of %s", c.Name)
	}
	require.Equal(t, 5, refused, "pushes after the third revert")
	f := r.serves(t, first)
	require.Equal(t, "reverts", f.Halted)
	require.Equal(t, first, f.LastGood)
	require.Equal(t, holder, f.Running[0].Instance)
	r.awaitAlert(t, "halted")
	require.Equal(t, 1, r.alerts.count("halted"))
	require.Equal(t, 3, r.alerts.count("reverted"), "the budget")

	r.kill(t)
	r.start(t)
	f = r.serves(t, first)
	require.Equal(t, "reverts", f.Halted, "after a restart")
	require.Equal(t, holder, f.Running[0].Instance)
	_, stderr, exit := r.cli(t, "deploy", fleetName, "main")
	require.Equal(t, 1, exit)
	require.Contains(t, stderr, "halted")
	stdout, stderr, exit := r.cli(t, "try-again", fleetName)
	require.Equal(t, 0, exit, stderr)
	require.Contains(t, stdout, "accepted")
	last := r.deploy(t, good("v12", "go"))
	r.becomesGood(t, last)
	require.Empty(t, r.serves(t, last).Halted)
	require.Equal(t, 1, r.alerts.count("halted"))
	t.Logf("nobody was active for %s at most", r.stage.longestPause(r.stage.beginning()))
}

// CONTRACT.md, section 6, 7: a newer push supersedes the older one, which is not bad; pushes coalesce to the last.
func TestRolloutOfManyPushesAtOnce(t *testing.T) {
	t.Parallel()
	r, first := startRollout(t, good("v1", "go"), settings{"standbys": "0"})
	r.serves(t, first)
	begun := r.stage.beginning()
	var pushed []string
	for i := range 6 {
		pushed = append(pushed, r.deploy(t, good(numbered(i+2), "go")))
	}
	last := pushed[5]
	r.becomesGood(t, last)
	f := r.serves(t, last)
	require.Equal(t, uint64(7), f.LastAttempt.Generation)
	for _, commit := range pushed {
		require.NotEqual(t, "bad", string(r.version(t, commit).State))
	}
	r.eventually(t, "all others to have ended", func(f fleetStatus) bool { return len(f.Processes) == 1 })
	t.Logf("%d took the seat", len(r.stage.spans(begun)))
}
