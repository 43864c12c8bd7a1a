package webhook

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha1"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync"
	"testing"

	"github.com/rs/zerolog"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/urban-robot/urban-robot/protocol"
)

const (
	secret = "correct-horse-battery-staple"
	head   = "8f14e45fceea167a5a36dedd4bea2543a1b2c3d4"
)

// bench is a handler with a hook for each provider, mounted as cmd mounts it, and what came of it.
type bench struct {
	t   *testing.T
	mux *http.ServeMux
	log lockedBuffer

	mu     sync.Mutex
	pushes []Push
	fleets []string
	answer func(Push) (string, error)
}

type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

func newBench(t *testing.T, change func(*Config)) *bench {
	t.Helper()
	b := &bench{t: t, mux: http.NewServeMux()}
	c := Config{Push: b.push, Log: zerolog.New(&b.log).Level(zerolog.TraceLevel), Fleets: map[string]Hook{}}
	for _, p := range Providers() {
		c.Fleets[string(p)] = Hook{Provider: p, Secret: protocol.NewToken(secret), Branch: "main"}
		c.Fleets[string(p)+"-only"] = Hook{Provider: p, Secret: protocol.NewToken(secret), Branch: "main", Only: "[DEPLOY]"}
	}
	c.Fleets["without-secret"] = Hook{Provider: GitLab, Branch: "main"}
	if change != nil {
		change(&c)
	}
	h, err := New(c)
	require.NoError(t, err)
	b.mux.Handle(Pattern, h)
	t.Cleanup(func() {
		for _, s := range []string{secret, "horse", hex.EncodeToString([]byte(secret)), "sha256=", "signature\":"} {
			assert.NotContains(t, b.log.String(), s, "the secret, or what is signed with it, was logged")
		}
	})
	return b
}

func (b *bench) push(_ context.Context, fleet string, p Push) (string, error) {
	b.mu.Lock()
	b.pushes, b.fleets = append(b.pushes, p), append(b.fleets, fleet)
	answer := b.answer
	b.mu.Unlock()
	if answer != nil {
		return answer(p)
	}
	return "generation 7", nil
}

func (b *bench) count() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return len(b.pushes)
}

// send returns the status and the body of the answer.
func (b *bench) send(r *http.Request) (int, string) {
	b.t.Helper()
	w := httptest.NewRecorder()
	b.mux.ServeHTTP(w, r)
	return w.Code, w.Body.String()
}

// refusedAs asserts the answer to a delivery that is no push, and that the callback heard nothing.
func (b *bench) refusedAs(r *http.Request, status int, reason string) {
	b.t.Helper()
	before := b.count()
	code, body := b.send(r)
	assert.Equal(b.t, status, code, body)
	var a answer
	require.NoError(b.t, json.Unmarshal([]byte(body), &a), body)
	assert.False(b.t, a.Accepted)
	assert.Contains(b.t, a.Reason, reason)
	assert.Equal(b.t, before, b.count(), "the callback was told")
}

func sample(t testing.TB, p Provider) []byte {
	t.Helper()
	raw, err := os.ReadFile("testdata/" + string(p) + "_push.json")
	require.NoError(t, err)
	return raw
}

func sign(key string, body []byte) string {
	mac := hmac.New(sha256.New, []byte(key))
	_, _ = mac.Write(body)
	return hex.EncodeToString(mac.Sum(nil))
}

func signSHA1(body []byte) string {
	mac := hmac.New(sha1.New, []byte(secret))
	_, _ = mac.Write(body)
	return hex.EncodeToString(mac.Sum(nil))
}

// request is a delivery as the provider sends it.
func request(p Provider, fleet, event, id string, body []byte) *http.Request {
	r := httptest.NewRequest(http.MethodPost, "/hooks/"+fleet, bytes.NewReader(body))
	r.Header.Set("Content-Type", "application/json")
	switch p {
	case GitHub:
		r.Header.Set("User-Agent", "GitHub-Hookshot/0000000")
		r.Header.Set("X-GitHub-Event", event)
		r.Header.Set("X-GitHub-Delivery", id)
		r.Header.Set("X-GitHub-Hook-ID", "1")
		r.Header.Set("X-Hub-Signature", "sha1="+signSHA1(body))
		r.Header.Set("X-Hub-Signature-256", "sha256="+sign(secret, body))
	case GitLab:
		r.Header.Set("User-Agent", "GitLab/18.0.0")
		r.Header.Set("X-Gitlab-Event", event)
		r.Header.Set("X-Gitlab-Event-UUID", "13792a34-cac6-4fda-95a8-c58e00a3954e")
		r.Header.Set("X-Gitlab-Instance", "https://gitlab.example")
		r.Header.Set("Idempotency-Key", id)
		r.Header.Set("X-Gitlab-Token", secret)
	case Gitea:
		for _, name := range []string{"X-Gitea-", "X-Gogs-", "X-GitHub-"} {
			r.Header.Set(name+"Event", event)
			r.Header.Set(name+"Delivery", id)
		}
		r.Header.Set("X-Gitea-Signature", sign(secret, body))
		r.Header.Set("X-Hub-Signature-256", "sha256="+sign(secret, body))
	}
	return r
}

func pushEvent(p Provider) string {
	if p == GitLab {
		return "Push Hook"
	}
	return "push"
}

// pushRequest is the sample with replacements, "old", "new", …, signed afterwards.
func pushRequest(t testing.TB, p Provider, fleet, id string, replace ...string) *http.Request {
	t.Helper()
	body := strings.NewReplacer(replace...).Replace(string(sample(t, p)))
	return request(p, fleet, pushEvent(p), id, []byte(body))
}

func eachProvider(t *testing.T, test func(t *testing.T, p Provider)) {
	t.Helper()
	for _, p := range Providers() {
		t.Run(string(p), func(t *testing.T) { test(t, p) })
	}
}
