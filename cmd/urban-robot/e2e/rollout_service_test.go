package e2e

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/urban-robot/urban-robot/protocol"
	"github.com/urban-robot/urban-robot/protocol/admin"
)

// The further secrets of a service with rollouts. They are in files that nobody searches.
const (
	hookSecret = "e2e-webhook-secret-do-not-print"
	adminToken = "e2e-admin-token-do-not-print"
	alertPath  = "/e2e-alert-url-do-not-print"
)

const fleetName = "helium"

// rolloutQuick are deadlines on top of quick. A lease is longer than a restart of the service takes.
var rolloutQuick = settings{
	"lease":                     "5s",
	"health.interval":           "2s",
	"health.timeout":            "1900ms",
	"health.bake":               "2s",
	"health.vital_cogs":         `["cogs.core"]`,
	"health.candidate.deadline": "8s",
	"deadlines.ready":           "5s",
	"restart.backoff":           "100ms..400ms",
	"deploy.driver":             "git",
	"deploy.setup":              `["/bin/sh", "-e", "setup.sh"]`,
	"deploy.grace":              "1s",
	"deploy.webhook.provider":   "github",
	"alerts.0.level":            "info",
}

// rollout is a service that puts the commits of a repository into service.
type rollout struct {
	*service
	*repository
	stage     *stage
	alerts    *alerts
	admin     *admin.Client
	adminURL  string
	tokenFile string
	deploys   string // the driver's directory
	delivered int    // webhooks
}

// startRollout runs a service with a first release, which is good, and returns when it is.
func startRollout(t *testing.T, first code, changes settings) (*rollout, string) {
	t.Helper()
	r := newRollout(t, program, changes)
	commit := r.push(t, first)
	r.start(t)
	r.becomesGood(t, commit)
	return r, commit
}

// newRollout prepares a service. When the test ends its bots are held to the contract and ended, and everything is searched
// for secrets.
func newRollout(t *testing.T, binary string, changes settings) *rollout {
	t.Helper()
	r := &rollout{repository: newRepository(t), stage: openStage(t), alerts: openAlerts(t)}
	all := maps.Clone(rolloutQuick)
	maps.Copy(all, changes)
	secrets := t.TempDir()
	file := func(name, content string) string {
		path := filepath.Join(secrets, name)
		require.NoError(t, os.WriteFile(path, []byte(content+"\n"), 0o600))
		return path
	}
	self, err := os.Executable()
	require.NoError(t, err)
	r.deploys, r.tokenFile = t.TempDir(), file("admin.token", adminToken)
	all["deploy.dir"], all["deploy.repository"] = r.deploys, r.bare
	all["deploy.command"] = fmt.Sprintf(`["./run", %q, %q]`, r.stage.socket.Addr(), self)
	all["deploy.webhook.secret.file"] = file("webhook", hookSecret)
	all["alerts.0.url.file"] = file("alert", r.alerts.url())
	r.service = newService(t, binary, all, fleetName)
	listen := "127.0.0.1:" + strconv.Itoa(freePort(t))
	r.adminURL = "http://" + listen
	r.arguments = append(r.arguments, "--set", "admin.listen="+listen, "--set", "admin.token.file="+r.tokenFile)
	r.admin, err = admin.New(r.adminURL, protocol.NewToken(adminToken))
	require.NoError(t, err)
	t.Cleanup(func() { r.end(t) })
	return r
}

// end ends the service and then the bots, and looks back.
func (r *rollout) end(t *testing.T) {
	defer func() {
		if t.Failed() {
			r.stage.dump(t)
			r.dump(t, 400)
		}
	}()
	if r.process != nil {
		r.stop(t)
	}
	launches := r.endBots()
	r.stage.neverTwo(t)
	r.searchFor(t, append(launches, token, hookSecret, adminToken, alertPath))
}

// endBots kills whatever runs in the driver's directory, and returns the launch secrets found with it.
func (r *rollout) endBots() []string {
	var secrets []string
	for range 100 {
		left := r.processes()
		if len(left) == 0 {
			break
		}
		for _, pid := range left {
			if secret := variableOf(pid, "URBAN_ROBOT_LAUNCH"); secret != "" {
				secrets = append(secrets, secret)
			}
			_ = syscall.Kill(pid, syscall.SIGKILL) // it may end by itself
		}
		<-time.After(5 * time.Millisecond)
	}
	return secrets
}

// processes returns what runs in the driver's directory.
func (r *rollout) processes() []int {
	var found []int
	links, _ := filepath.Glob("/proc/[0-9]*/cwd") // the pattern is a right one
	for _, link := range links {
		where, err := os.Readlink(link)
		pid, number := strconv.Atoi(filepath.Base(filepath.Dir(link)))
		if err == nil && number == nil && strings.HasPrefix(where, r.deploys+"/") {
			found = append(found, pid)
		}
	}
	return found
}

// variableOf returns a variable that a process was started with.
func variableOf(pid int, name string) string {
	environ, _ := os.ReadFile(fmt.Sprintf("/proc/%d/environ", pid)) // it may have ended
	for variable := range strings.SplitSeq(string(environ), "\x00") {
		if value, ok := strings.CutPrefix(variable, name+"="); ok {
			return value
		}
	}
	return ""
}

// searchFor wants no secret in the log, the state, and the driver's files.
func (r *rollout) searchFor(t *testing.T, secrets []string) {
	t.Helper()
	has := func(what string, content []byte) {
		for _, secret := range secrets {
			assert.False(t, bytes.Contains(content, []byte(secret)), "%s has the secret %s", what, secret)
		}
	}
	for _, l := range r.all() {
		has("the log", []byte(l.Text))
	}
	for _, dir := range []string{r.directory, r.deploys} {
		err := filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
			if err != nil || !entry.Type().IsRegular() {
				return err
			}
			content, err := os.ReadFile(path)
			has(path, content)
			return err
		})
		require.NoError(t, err)
	}
}

// mark is a place in the log, for since.
func (r *rollout) mark() int { return len(r.all()) }

// since waits for a line of the log after a mark.
func (r *rollout) since(t *testing.T, mark int, want pattern) line {
	t.Helper()
	l, _ := r.wait(t, mark, want)
	return l
}

// becomesGood waits until a release is the last known good one.
func (r *rollout) becomesGood(t *testing.T, commit string) {
	t.Helper()
	r.sees(t, logged("release good", "release="+commit))
}

// deploy pushes a bot and announces it.
func (r *rollout) deploy(t *testing.T, c code) string {
	t.Helper()
	commit := r.push(t, c)
	status, answer := r.announce(t, delivery{commit: commit, message: c.Message})
	require.Equal(t, http.StatusAccepted, status, "the webhook of %s: %s", c.Name, answer)
	return commit
}

// delivery is one call of the webhook. The zero of all but commit is what a right one has.
type delivery struct {
	commit, message string
	id, branch      string
	secret          string // "none": it is not signed
	change          func(payload map[string]any)
	body            []byte // sent as it is
}

// announce calls the webhook as GitHub does. The status and the answer come back.
func (r *rollout) announce(t *testing.T, d delivery) (int, string) {
	t.Helper()
	r.delivered++
	orDefault := func(text *string, otherwise string) {
		if *text == "" {
			*text = otherwise
		}
	}
	orDefault(&d.id, fmt.Sprintf("delivery-%d", r.delivered))
	orDefault(&d.branch, "main")
	orDefault(&d.secret, hookSecret)
	payload := map[string]any{
		"ref": "refs/heads/" + d.branch, "after": d.commit, "pusher": map[string]string{"name": "ada"},
		"head_commit": map[string]string{"id": d.commit, "message": d.message},
	}
	if d.change != nil {
		d.change(payload)
	}
	body, err := json.Marshal(payload)
	require.NoError(t, err)
	if d.body != nil {
		body = d.body
	}
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, r.url()+"/hooks/"+fleetName, bytes.NewReader(body))
	require.NoError(t, err)
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set("X-GitHub-Event", "push")
	request.Header.Set("X-GitHub-Delivery", d.id)
	if d.secret != "none" {
		mac := hmac.New(sha256.New, []byte(d.secret))
		mac.Write(body)
		request.Header.Set("X-Hub-Signature-256", "sha256="+hex.EncodeToString(mac.Sum(nil)))
	}
	response, err := http.DefaultClient.Do(request)
	require.NoError(t, err)
	defer func() { _ = response.Body.Close() }()
	answer, err := io.ReadAll(response.Body)
	require.NoError(t, err)
	return response.StatusCode, string(answer)
}

// status asks the admin API.
func (r *rollout) status(t *testing.T) admin.Fleet {
	t.Helper()
	f, err := r.admin.Status(t.Context(), fleetName)
	require.NoError(t, err)
	return f
}

// version returns what the admin API says of a release.
func (r *rollout) version(t *testing.T, commit string) admin.Version {
	t.Helper()
	versions, err := r.admin.Versions(t.Context(), fleetName)
	require.NoError(t, err)
	i := slices.IndexFunc(versions, func(v admin.Version) bool { return v.Release == commit })
	require.GreaterOrEqual(t, i, 0, "%s is not among the versions %v", commit, versions)
	return versions[i]
}

// eventually asks until the answer is right. A service that has just been started cannot say anything at first.
func (r *rollout) eventually(t *testing.T, want string, right func(admin.Fleet) bool) admin.Fleet {
	t.Helper()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(patience); ; <-tick.C {
		f, err := r.admin.Status(t.Context(), fleetName)
		if err == nil && right(f) {
			return f
		}
		require.True(t, time.Now().Before(deadline), "the fleet is %+v (%v), want %s", f, err, want)
	}
}

// serves waits until a release has the seat, nothing is under way, and every standby is there.
func (r *rollout) serves(t *testing.T, commit string) admin.Fleet {
	t.Helper()
	return r.eventually(t, "it to serve "+commit, func(f admin.Fleet) bool {
		return f.Attempt == nil && len(f.Running) == 1 && f.Running[0].Phase == admin.PhaseHeld && f.Running[0].Release == commit &&
			f.Standbys.Ready >= f.Standbys.Wanted
	})
}

// alerts is where the service tells people.
type alerts struct {
	address string

	mu   sync.Mutex
	told []told
}

// told is one alert.
type told struct {
	Level, What, Release, Reason string
	Count                        int
}

func openAlerts(t *testing.T) *alerts {
	t.Helper()
	a := &alerts{}
	server := &http.Server{ReadHeaderTimeout: time.Minute, Handler: http.HandlerFunc(func(_ http.ResponseWriter, request *http.Request) {
		var message struct{ Alerts []told }
		if json.NewDecoder(request.Body).Decode(&message) == nil && request.URL.Path == alertPath {
			a.mu.Lock()
			a.told = append(a.told, message.Alerts...)
			a.mu.Unlock()
		}
	})}
	a.address = serveHTTP(t, server)
	return a
}

func (a *alerts) url() string { return "http://" + a.address + alertPath }

// awaitAlert waits until people were told something.
func (r *rollout) awaitAlert(t *testing.T, what string) {
	t.Helper()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(patience); r.alerts.count(what) == 0; <-tick.C {
		require.True(t, time.Now().Before(deadline), "nobody was told: %s", what)
	}
}

// count returns how often people were told something.
func (a *alerts) count(what string) int {
	a.mu.Lock()
	defer a.mu.Unlock()
	n := 0
	for _, one := range a.told {
		if one.What == what {
			n += one.Count
		}
	}
	return n
}
