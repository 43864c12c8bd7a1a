package webhook

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/urban-robot/urban-robot/protocol"
)

func TestASignedPushIsAccepted(t *testing.T) {
	eachProvider(t, func(t *testing.T, p Provider) {
		for _, fleet := range []string{string(p), string(p) + "-only"} {
			b := newBench(t, nil)
			code, body := b.send(pushRequest(t, p, fleet, "id-1"))
			assert.Equal(t, http.StatusAccepted, code, body)
			assert.JSONEq(t, `{"accepted":true,"commit":"`+head+`","text":"generation 7"}`, body)
			require.Len(t, b.pushes, 1)
			got := b.pushes[0]
			got.Message = strings.TrimSpace(got.Message)
			assert.Equal(t, Push{
				Commit: head, Branch: "main", Message: "moderation: answer faster\n\n[DEPLOY]", Pusher: "ada", Delivery: "id-1",
			}, got)
			assert.Equal(t, fleet, b.fleets[0])
		}
	})
}

func TestGitHubMaySendAForm(t *testing.T) {
	b := newBench(t, nil)
	form := []byte(url.Values{"payload": {string(sample(t, GitHub))}}.Encode())
	send := func(body []byte) *http.Request {
		r := request(GitHub, "github", "push", "id-1", body)
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		return r
	}
	code, body := b.send(send(form))
	assert.Equal(t, http.StatusAccepted, code, body)
	assert.Equal(t, head, b.pushes[0].Commit)

	b.refusedAs(send([]byte("other=1")), http.StatusBadRequest, "not that of a push")
	b.refusedAs(send([]byte("payload=%zz")), http.StatusBadRequest, "not that of a push")
	b.refusedAs(send(append(form, "&payload={}"...)), http.StatusBadRequest, "not that of a push")
}

func signatureHeader(p Provider) string {
	return map[Provider]string{GitHub: "X-Hub-Signature-256", GitLab: "X-Gitlab-Token", Gitea: "X-Gitea-Signature"}[p]
}

func wrongSignatures(p Provider, body []byte, right string) map[string]string {
	return map[string]string{
		"empty":          "",
		"another key":    strings.Replace(right, sign(secret, body), sign("another", body), 1) + map[bool]string{true: "x"}[p == GitLab],
		"cut off":        right[:len(right)-2],
		"longer":         right + "00",
		"not hex":        "sha256=zz" + right,
		"sha256 of none": "sha256=",
		"sha1":           "sha1=" + signSHA1(body),
		"sha1 as sha256": "sha256=" + signSHA1(body),
		"nul":            right + "\x00",
		"empty key":      "sha256=" + sign("", body),
		"the secret":     "sha256=" + secret,
	}
}

// All that does not prove to know a secret gets one and the same answer, byte for byte.
func TestNothingCanBeFoundOutWithoutTheSecret(t *testing.T) {
	b := newBench(t, func(c *Config) { c.Strikes = 1000 })
	var answers []string
	send := func(name string, r *http.Request) {
		w := httptest.NewRecorder()
		b.mux.ServeHTTP(w, r)
		assert.Equal(t, http.StatusNotFound, w.Code, name)
		answers = append(answers, fmt.Sprint(w.Code, w.Header(), w.Body))
	}
	for _, p := range Providers() {
		body := sample(t, p)
		fresh := func() *http.Request { return pushRequest(t, p, string(p), "id") }
		for _, fleet := range []string{"unknown", "without-secret", "..%2f..%2fetc%2fpasswd", strings.Repeat("x", 5000)} {
			send("fleet "+fleet, pushRequest(t, p, fleet, "id"))
		}
		unsigned := fresh()
		for _, name := range []string{"X-Hub-Signature", "X-Hub-Signature-256", "X-Gitea-Signature", "X-Gitlab-Token"} {
			unsigned.Header.Del(name)
		}
		send("unsigned", unsigned)

		header := signatureHeader(p)
		for name, value := range wrongSignatures(p, body, fresh().Header.Get(header)) {
			r := fresh()
			r.Header.Set(header, value)
			send(string(p)+": "+name, r)
		}
		twice := fresh()
		twice.Header.Add(header, "another")
		send("two signatures", twice)
		sha1Only := fresh()
		sha1Only.Header.Del(header)
		sha1Only.Header.Set("X-Hub-Signature", "sha1="+signSHA1(body))
		send("sha1 only", sha1Only)
		changed := fresh()
		changed.Body = io.NopCloser(strings.NewReader(strings.Replace(string(body), head, strings.Repeat("6", 40), 1)))
		if p != GitLab { // which signs nothing
			send("another body", changed)
		}
		notJSON := request(p, string(p), pushEvent(p), "id", []byte("{"))
		notJSON.Header.Set(header, "wrong")
		notJSON.Header.Set("Content-Type", "text/plain")
		send("the signature comes before the content", notJSON)
	}
	// Gitea's deliveries are not among these for GitHub: it signs as GitHub does, too.
	for p, others := range map[Provider][]Provider{GitHub: {GitLab}, GitLab: {GitHub, Gitea}, Gitea: {GitHub, GitLab}} {
		for _, other := range others {
			send("a delivery of "+string(other), pushRequest(t, other, string(p), "id"))
		}
	}
	for _, a := range answers {
		assert.Equal(t, answers[0], a)
	}
	assert.Zero(t, b.count())
	assert.Contains(t, b.log.String(), "sha1 only", "our own log says what is wrong")
}

func TestOtherDeliveriesAreIgnoredAndSayWhy(t *testing.T) {
	eachProvider(t, func(t *testing.T, p Provider) {
		b := newBench(t, nil)
		fleet := string(p)
		for name, c := range map[string]struct {
			replace []string
			reason  string
		}{
			"a foreign branch":             {[]string{"refs/heads/main", "refs/heads/feature"}, "not the branch that is deployed"},
			"a branch whose name has more": {[]string{"refs/heads/main", "refs/heads/main/../main"}, "not the branch that is deployed"},
			"a branch by a pattern":        {[]string{"refs/heads/main", "refs/heads/*"}, "not the branch that is deployed"},
			"a branch in capitals":         {[]string{"refs/heads/main", "refs/heads/MAIN"}, "not the branch that is deployed"},
			"a branch in a path":           {[]string{"refs/heads/main", "refs/heads/x/main"}, "not the branch that is deployed"},
			"a tag of the branch's name":   {[]string{"refs/heads/main", "refs/tags/main"}, "not a branch"},
			"a bare name":                  {[]string{"refs/heads/main", "main"}, "not a branch"},
			"a deleted branch":             {[]string{head, strings.Repeat("0", 40)}, "deleted"},
		} {
			t.Run(name, func(t *testing.T) {
				b.t = t
				b.refusedAs(pushRequest(t, p, fleet, "id", c.replace...), http.StatusOK, c.reason)
			})
		}
		b.t = t
		only := fleet + "-only"
		b.refusedAs(pushRequest(t, p, only, "id", "[DEPLOY]", "[deploy]"), http.StatusOK, "does not contain [DEPLOY]")
		b.refusedAs(pushRequest(t, p, only, "id", "[DEPLOY]", "", "tidy up", "[DEPLOY]"), http.StatusOK, "does not contain [DEPLOY]")
		b.refusedAs(pushRequest(t, p, only, "id", `"commits"`, `"x"`, `"head_commit"`, `"y"`), http.StatusOK, "was not sent")
		b.refusedAs(request(p, fleet, "Tag Push Hook", "id", sample(t, p)), http.StatusOK, "not a push but Tag Push Hook")
		b.refusedAs(request(p, fleet, "", "id", sample(t, p)), http.StatusOK, "not a push")
		b.refusedAs(request(p, fleet, "issues", "id", []byte(`{"action":"opened"}`)), http.StatusOK, "not a push but issues")
		if p != GitLab {
			b.refusedAs(request(p, fleet, "ping", "id", []byte(`{"zen":"Keep it logically awesome.","hook_id":1}`)), http.StatusOK, "pong")
			b.refusedAs(pushRequest(t, p, fleet, "id", `"ref"`, `"deleted":true,"ref"`, `"deleted": false,`, ""), http.StatusOK, "deleted")
		}
	})
}

func TestWhatNoProviderSendsIsMalformed(t *testing.T) {
	eachProvider(t, func(t *testing.T, p Provider) {
		b := newBench(t, nil)
		for _, body := range []string{
			"", "{", "null", "[]", `"push"`, "{}", "\xff\xfe", `{"ref":1}`, `{"ref":"refs/heads/main"}`, `{"after":"` + head + `"}`,
			`{"ref":"refs/heads/main","after":null}`, `{"ref":["refs/heads/main"],"after":"` + head + `"}`, strings.Repeat("[", 100_000),
			`{"ref":"refs/heads/main","after":"` + head + `"} trailing`,
		} {
			b.refusedAs(request(p, string(p), pushEvent(p), "id", []byte(body)), http.StatusBadRequest, "the ")
		}
		for _, id := range []string{
			"HEAD", "main", head[:39], head + "0", strings.ToUpper(head), "../../../../../../../etc/passwd/../../../aa",
			"--upload-pack=touch /tmp/pwned;#########", "$(touch /tmp/pwned)aaaaaaaaaaaaaaaaaaaaa", head[:38] + `\n`, head[:39] + " ",
			head[:39] + `é`, strings.Repeat("g", 64),
		} {
			b.refusedAs(pushRequest(t, p, string(p), "id", head, id), http.StatusBadRequest, "hexadecimal")
		}
		for _, media := range []string{"", "text/plain", "multipart/form-data; boundary=x", "application/json, text/plain", "application/xml"} {
			r := pushRequest(t, p, string(p), "id")
			r.Header.Set("Content-Type", media)
			b.refusedAs(r, http.StatusUnsupportedMediaType, "application/json")
		}
	})
	b := newBench(t, nil)
	sha256 := strings.Repeat("ab", 32)
	code, _ := b.send(pushRequest(t, GitHub, "github", "id", head, sha256))
	assert.Equal(t, http.StatusAccepted, code)
	assert.Equal(t, sha256, b.pushes[0].Commit)
}

// "Payload fields are never used as paths, commands or remotes": nothing of the samples' traps reaches the callback.
func TestNothingButTheCommitAndWordsForPeopleIsTakenFromThePayload(t *testing.T) {
	eachProvider(t, func(t *testing.T, p Provider) {
		b := newBench(t, nil)
		_, body := b.send(pushRequest(t, p, string(p), "id-1", `"ada"`, `"ada\u0000\u001b[31m\n"`))
		got := fmt.Sprintf("%q %s", b.pushes, body)
		for _, trap := range []string{"pwned", "evil.example", "ext::", "upload-pack", "passwd"} {
			assert.Contains(t, string(sample(t, p))+"upload-pack", trap)
			assert.NotContains(t, got, trap)
			assert.NotContains(t, b.log.String(), trap)
		}
		assert.Equal(t, "ada[31m", b.pushes[0].Pusher)
	})
}

func TestLongWordsAreCut(t *testing.T) {
	b := newBench(t, nil)
	b.send(pushRequest(t, GitHub, "github", strings.Repeat("d", 200), "answer faster", strings.Repeat("ä", 10_000), `"ada"`, `"`+strings.Repeat("a", 1000)+`"`))
	require.Len(t, b.pushes, 1)
	assert.LessOrEqual(t, len(b.pushes[0].Message), maxMessage)
	assert.True(t, strings.HasSuffix(b.pushes[0].Message, "ä"))
	assert.Len(t, b.pushes[0].Pusher, maxPusher)
	assert.True(t, strings.HasPrefix(b.pushes[0].Delivery, "sha256:"), "an id that cannot be one is not taken")

	code, _ := b.send(pushRequest(t, GitHub, "github-only", "id-2", "answer faster", strings.Repeat("ä", 10_000)))
	assert.Equal(t, http.StatusAccepted, code, "the mark is looked for in the whole message")
}

func TestOnlyPOST(t *testing.T) {
	b := newBench(t, nil)
	for _, method := range []string{http.MethodGet, http.MethodHead, http.MethodPut, http.MethodDelete, http.MethodOptions, "PUSH"} {
		for _, fleet := range []string{"github", "unknown"} {
			r := pushRequest(t, GitHub, fleet, "id")
			r.Method = method
			w := httptest.NewRecorder()
			b.mux.ServeHTTP(w, r)
			assert.Equal(t, http.StatusMethodNotAllowed, w.Code)
			assert.Equal(t, http.MethodPost, w.Header().Get("Allow"))
		}
	}
	assert.Zero(t, b.count())
}

func TestABodyHasALimit(t *testing.T) {
	b := newBench(t, nil)
	body := sample(t, GitHub)
	body = append(body, bytes.Repeat([]byte(" "), 1<<20-len(body))...)
	code, _ := b.send(request(GitHub, "github", "push", "id-1", body))
	assert.Equal(t, http.StatusAccepted, code, "1 MiB")
	for _, fleet := range []string{"github", "unknown"} {
		b.refusedAs(request(GitHub, fleet, "push", "id-2", append(body, ' ')), http.StatusRequestEntityTooLarge, "too large")
		chunked := request(GitHub, fleet, "push", "id-2", nil)
		chunked.ContentLength, chunked.Body = -1, io.NopCloser(io.LimitReader(zeros{}, 1<<40))
		b.refusedAs(chunked, http.StatusRequestEntityTooLarge, "too large")
	}
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { clear(p); return len(p), nil }

func TestABodyThatDoesNotComeIsNotWaitedFor(t *testing.T) {
	b := newBench(t, func(c *Config) { c.BodyTimeout = 50 * time.Millisecond })
	server := httptest.NewServer(b.mux)
	defer server.Close()
	conn, err := net.Dial("tcp", server.Listener.Addr().String())
	require.NoError(t, err)
	defer func() { _ = conn.Close() }()
	_, err = io.WriteString(conn, "POST /hooks/github HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{")
	require.NoError(t, err)
	require.NoError(t, conn.SetReadDeadline(time.Now().Add(10*time.Second)))
	got, err := io.ReadAll(conn)
	require.NoError(t, err)
	assert.Contains(t, string(got), "400 Bad Request")
}

func TestADeliveryIsToldOnce(t *testing.T) {
	eachProvider(t, func(t *testing.T, p Provider) {
		b := newBench(t, nil)
		code, body := b.send(pushRequest(t, p, string(p), "id-1"))
		require.Equal(t, http.StatusAccepted, code)
		again, sameBody := b.send(pushRequest(t, p, string(p), "id-1"))
		assert.Equal(t, code, again)
		assert.Equal(t, body, sameBody, "answered as before")
		assert.Equal(t, 1, b.count())

		// An id is not signed: who recorded a delivery may send it under another one.
		replayed, _ := b.send(pushRequest(t, p, string(p), "id-2"))
		assert.Equal(t, http.StatusAccepted, replayed)
		if p == GitLab {
			assert.Equal(t, 2, b.count(), "GitLab signs nothing, and the same body may be a push to and fro")
		} else {
			assert.Equal(t, 1, b.count())
		}
		before := b.count()
		b.send(pushRequest(t, p, string(p)+"-only", "id-1"))
		assert.Equal(t, before+1, b.count(), "another fleet's delivery is another one")
	})
}

func TestGitLabWithoutAnIdempotencyKey(t *testing.T) {
	b := newBench(t, nil)
	send := func(uuid string, replace ...string) {
		r := pushRequest(t, GitLab, "gitlab", "", replace...)
		r.Header.Del("Idempotency-Key")
		r.Header.Set("X-Gitlab-Event-UUID", uuid)
		b.send(r)
	}
	send("a")
	send("a")
	assert.Equal(t, 1, b.count())
	send("a", head, strings.Repeat("7", 40))
	assert.Equal(t, 2, b.count(), "all that one webhook brings about has one UUID")
	send("b")
	assert.Equal(t, 3, b.count())
	send("")
	send("")
	assert.Equal(t, 4, b.count())
}

func TestDeliveriesAtOnceAreToldOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, nil)
		b.answer = func(Push) (string, error) { time.Sleep(3 * time.Second); return "slow", nil }
		var wg sync.WaitGroup
		for range 20 {
			wg.Go(func() {
				code, body := b.send(pushRequest(t, GitHub, "github", "id-1"))
				assert.Equal(t, http.StatusAccepted, code)
				assert.Contains(t, body, "slow")
			})
		}
		wg.Wait()
		assert.Equal(t, 1, b.count())
	})
}

func TestAPushThatWasNotTakenMayBeDeliveredAgain(t *testing.T) {
	b := newBench(t, nil)
	b.answer = func(Push) (string, error) { return "", errors.New("the disk is full") }
	for range 2 {
		code, body := b.send(pushRequest(t, GitHub, "github", "id-1"))
		assert.Equal(t, http.StatusServiceUnavailable, code)
		assert.NotContains(t, body, "disk", "the reason stays in our log")
	}
	b.answer = func(Push) (string, error) { panic("a fault of ours") }
	code, _ := b.send(pushRequest(t, GitHub, "github", "id-1"))
	assert.Equal(t, http.StatusServiceUnavailable, code)
	b.answer = func(Push) (string, error) {
		return "this release is refused; see try-again", fmt.Errorf("deploy: %w", ErrRefused)
	}
	code, body := b.send(pushRequest(t, GitHub, "github", "id-1"))
	assert.Equal(t, http.StatusOK, code)
	assert.JSONEq(t, `{"accepted":false,"reason":"this release is refused; see try-again","commit":"`+head+`"}`, body)
	b.answer = nil
	code, _ = b.send(pushRequest(t, GitHub, "github", "id-1"))
	assert.Equal(t, http.StatusAccepted, code)
	assert.Equal(t, 5, b.count())
	assert.Contains(t, b.log.String(), "the disk is full")
}

func TestTheMemoryIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, func(c *Config) { c.Remember, c.RememberFor = 3, time.Hour })
		send := func(n int) {
			b.send(pushRequest(t, GitHub, "github", fmt.Sprint("id-", n), head, fmt.Sprintf("%040x", n)))
		}
		for n := range 4 {
			send(n + 1)
		}
		send(4)
		send(2)
		assert.Equal(t, 4, b.count(), "three are remembered")
		send(1)
		assert.Equal(t, 5, b.count(), "the oldest was forgotten")
		time.Sleep(time.Hour)
		send(1)
		assert.Equal(t, 6, b.count(), "all are forgotten after an hour")
		h, _ := b.mux.Handler(pushRequest(t, GitHub, "github", ""))
		s := h.(*Handler).seen
		assert.Equal(t, 1, s.order.Len())
		assert.Len(t, s.byKey, 2)
	})
}

func TestWrongSignaturesAreNotListenedToForLong(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, func(c *Config) { c.Strikes = 3 })
		send := func(from, fleet string, right bool) int {
			r := pushRequest(t, GitHub, fleet, "id")
			r.RemoteAddr = from
			if !right {
				r.Header.Del("X-Hub-Signature-256")
			}
			code, _ := b.send(r)
			return code
		}
		for range 3 {
			assert.Equal(t, http.StatusNotFound, send("[2001:db8::1]:1", "unknown", false))
		}
		assert.Equal(t, http.StatusTooManyRequests, send("[2001:db8::2]:2", "github", true), "the same network")
		assert.Equal(t, http.StatusAccepted, send("203.0.113.9:1", "github", true), "somebody else")
		time.Sleep(time.Minute)
		assert.Equal(t, http.StatusAccepted, send("[2001:db8::1]:1", "github", true))

		before := strings.Count(b.log.String(), "webhook refused")
		for range 100 {
			for _, proxy := range []string{"127.0.0.1:5", "10.1.2.3:5", "[fd00::1]:5", "172.17.0.1:5", "@"} {
				assert.Equal(t, http.StatusNotFound, send(proxy, "github", false))
			}
		}
		assert.Equal(t, http.StatusAccepted, send("127.0.0.1:5", "github-only", true), "a proxy is never refused, but logged no more")
		assert.Equal(t, before+5*3, strings.Count(b.log.String(), "webhook refused"))
	})
}

func TestStrikesAreBounded(t *testing.T) {
	s := newStrikes(1)
	for i := range 3 * maxStrikers {
		s.add(striker(fmt.Sprintf("198.51.%d.%d:1", i/256, i%256)))
	}
	assert.LessOrEqual(t, len(s.by), maxStrikers)
}

func TestNewChecks(t *testing.T) {
	good := func() Config {
		return Config{
			Push:   (&bench{}).push,
			Fleets: map[string]Hook{"helium": {Provider: GitHub, Secret: protocol.NewToken(secret), Branch: "main"}},
		}
	}
	hook := func(change func(*Hook)) func(*Config) {
		return func(c *Config) { h := c.Fleets["helium"]; change(&h); c.Fleets["helium"] = h }
	}
	_, err := New(good())
	require.NoError(t, err)
	for want, change := range map[string]func(*Config){
		"Push is missing":         func(c *Config) { c.Push = nil },
		"below its least value":   func(c *Config) { c.Strikes = -1 },
		`provider is "bitbucket"`: hook(func(h *Hook) { h.Provider = "bitbucket" }),
		"has 5 bytes":             hook(func(h *Hook) { h.Secret = protocol.NewToken("short") }),
		"branch is missing":       hook(func(h *Hook) { h.Branch = "" }),
		"the name alone":          hook(func(h *Hook) { h.Branch = "refs/heads/main" }),
	} {
		c := good()
		change(&c)
		_, err := New(c)
		require.ErrorContains(t, err, want)
		assert.NotContains(t, err.Error(), "short")
	}
}

func FuzzDelivery(f *testing.F) {
	for _, p := range Providers() {
		f.Add(string(p), sample(f, p), "application/json", "[DEPLOY]")
	}
	f.Add("github", []byte("payload="+url.QueryEscape(`{"ref":"refs/heads/main","after":"`+head+`"}`)), "application/x-www-form-urlencoded", "")
	f.Add("gitlab", []byte(`{"ref":"refs/heads/main","after":"`+strings.Repeat("0", 40)+`","commits":[null]}`), "application/json", "")
	f.Add("gitea", []byte(`{"REF":"refs/heads/main","After":"`+head+`","head_commit":null,"pusher":{"login":"\ud800"}}`), "application/json", "")
	f.Fuzz(func(t *testing.T, provider string, body []byte, media, mark string) {
		hook := Hook{Provider: Provider(provider), Branch: "main", Only: mark}
		header := http.Header{"Content-Type": {media}}
		text, err := unwrap(hook.Provider, header, body)
		if err != nil {
			return
		}
		p, ignored, err := read(hook, text)
		if err != nil || ignored != "" {
			assert.Zero(t, p)
			return
		}
		assert.True(t, isCommit(p.Commit))
		assert.NotEmpty(t, strings.Trim(p.Commit, "0"))
		assert.Equal(t, "main", p.Branch)
		assert.LessOrEqual(t, len(p.Message), maxMessage)
		assert.LessOrEqual(t, len(p.Pusher), maxPusher)
		assert.NotContains(t, p.Pusher, "\n")
	})
}
