package alert

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/urban-robot/urban-robot/protocol"
)

// received is a server that keeps what it gets.
type received struct {
	*httptest.Server
	got chan *http.Request
}

func receive(t *testing.T, status int) *received {
	t.Helper()
	r := &received{got: make(chan *http.Request, 100)}
	r.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, in *http.Request) {
		body, err := io.ReadAll(in.Body)
		assert.NoError(t, err)
		in.Body = io.NopCloser(strings.NewReader(string(body)))
		w.WriteHeader(status)
		r.got <- in
	}))
	t.Cleanup(r.Close)
	return r
}

func (r *received) next(t *testing.T) (*http.Request, string) {
	t.Helper()
	select {
	case in := <-r.got:
		body, err := io.ReadAll(in.Body)
		require.NoError(t, err)
		return in, string(body)
	case <-time.After(10 * time.Second):
		require.FailNow(t, "nothing was sent")
		return nil, ""
	}
}

// reroute sends every request to one server, which sees the host it was meant for.
type reroute struct{ to *httptest.Server }

func (r reroute) RoundTrip(in *http.Request) (*http.Response, error) {
	out := in.Clone(in.Context())
	to, err := url.Parse(r.to.URL)
	if err != nil {
		return nil, err
	}
	out.Header.Set("Meant-For", in.URL.Scheme+"://"+in.URL.Host)
	out.Host, out.URL.Scheme, out.URL.Host = "", to.Scheme, to.Host
	return http.DefaultTransport.RoundTrip(out)
}

func quick(c *Config) { c.Window, c.Backoff = time.Millisecond, time.Millisecond }

func TestDiscordGetsWhatItsWebhooksTake(t *testing.T) {
	path := "/api/webhooks/998877665544332211/" + discordSecret
	for target, want := range map[string]string{
		discordURL:                   "https://discord.com " + path + "?wait=true",
		discordURL + "?thread_id=77": "https://discord.com " + path + "?thread_id=77&wait=true",
		strings.Replace(discordURL, "discord.com/api", "ptb.discord.com/api/v10", 1):                             "https://ptb.discord.com " + strings.Replace(path, "api", "api/v10", 1) + "?wait=true",
		"discord://" + discordSecret + "@998877665544332211?thread_id=77&splitlines=no&color=0x1&username=Robot": "https://discord.com " + path + "?thread_id=77&wait=true",
	} {
		server := receive(t, http.StatusOK)
		b := newBench(t, func(c *Config) { quick(c); c.Transport = reroute{server.Server} }, to(target))
		b.Send(refused("1.2.0"))
		in, body := server.next(t)
		assert.Equal(t, want, in.Header.Get("Meant-For")+" "+in.URL.String())
		assert.Equal(t, http.MethodPost, in.Method)
		assert.Equal(t, "application/json", in.Header.Get("Content-Type"))
		var got map[string]any
		require.NoError(t, json.Unmarshal([]byte(body), &got))
		if strings.Contains(target, "Robot") {
			assert.Equal(t, "Robot", got["username"])
			delete(got, "username")
		}
		assert.Equal(t, map[string]any{
			"content":          "**⚠️ helium: refused 1.2.0**\nvital\\_cog\\_failure: cogs.moderation does not load",
			"flags":            4.0,
			"allowed_mentions": map[string]any{"parse": []any{}},
		}, got)
		b.stop()
		assert.NotContains(t, b.log.String(), discordSecret[:12])
	}
}

func TestAnyOtherURLGetsJSON(t *testing.T) {
	server := receive(t, http.StatusNoContent)
	b := newBench(t, func(c *Config) { quick(c); c.Transport = nil }, to(server.URL+"/in/B3cr3tPathPart?key=v"))
	a := refused("1.2.0")
	a.At = noon
	b.Send(a)
	in, body := server.next(t)
	assert.Equal(t, "/in/B3cr3tPathPart?key=v", in.URL.String())
	assert.JSONEq(t, `{
		"text": "⚠️ helium: refused 1.2.0\nvital_cog_failure: cogs.moderation does not load",
		"level": "warning", "fleet": "helium", "count": 1,
		"alerts": [{"level":"warning","what":"refused","fleet":"helium","release":"1.2.0","reason":"vital_cog_failure",
			"detail":"cogs.moderation does not load","at":"2026-02-03T12:00:00Z","since":"2026-02-03T12:00:00Z","count":1}]
	}`, body)
	b.stop()
}

func TestTheLibrarySendsToItsServices(t *testing.T) {
	server := receive(t, http.StatusOK)
	host := strings.TrimPrefix(server.URL, "http://")
	for target, want := range map[string]string{
		"generic://" + host + "/x?disabletls=yes":              "⚠️ helium: refused 1.2.0",
		"generic+http://" + host + "/x?template=json":          `"message":"⚠️ helium: refused 1.2.0`,
		"gotify://" + host + "/AzyoeNS.D4iJLVa?disabletls=yes": `⚠️ helium: refused 1.2.0`,
		"ntfy://" + host + "/topic?scheme=http":                "⚠️ helium: refused 1.2.0",
		"mattermost://" + host + "/SeCr3tToken?disabletls=yes": `⚠️ helium: refused 1.2.0`,
	} {
		b := newBench(t, quick, to(target))
		b.Send(refused("1.2.0"))
		_, body := server.next(t)
		assert.Contains(t, body, want, target)
		b.stop()
	}
}

func TestALibraryThatHangsIsGivenUpOn(t *testing.T) {
	release := make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { <-release }))
	defer server.Close()
	defer close(release)
	b := newBench(t, func(c *Config) {
		quick(c)
		c.Timeout, c.Attempts = 20*time.Millisecond, maxHanging+2
	}, to("generic://"+strings.TrimPrefix(server.URL, "http://")+"/B3cr3tPathPart?disabletls=yes"))
	b.Send(refused("1.2.0"))
	require.Eventually(t, func() bool { return strings.Contains(b.log.String(), "alert not sent") }, 10*time.Second, 5*time.Millisecond)
	assert.Contains(t, b.log.String(), "not sent in time")
	assert.Contains(t, b.log.String(), "earlier messages are still under way")
	b.stop()
}

// Whatever goes wrong, and whatever a server says of it, nothing of a URL is in the log.
func TestNoSecretIsLogged(t *testing.T) {
	echo := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(http.StatusBadRequest)
		_, _ = fmt.Fprintf(w, "no %s%s %v %q", r.Host, r.URL, r.Header, r.URL.Query())
	}))
	defer echo.Close()
	closed := httptest.NewServer(http.NotFoundHandler())
	closed.Close()
	live, dead := strings.TrimPrefix(echo.URL, "http://"), strings.TrimPrefix(closed.URL, "http://")
	const part = "S3cr3tPartOne"
	var targets []string
	for _, host := range []string{live, dead} {
		targets = append(targets,
			"http://"+host+"/services/"+part+"/"+discordSecret+"?key="+part+"&token=a%2Fb%20S3cr3tPartOne",
			"http://user:"+part+"@"+host+"/",
			"generic://"+host+"/"+part+"?disabletls=yes&@Authorization=Bearer+"+discordSecret,
			"gotify://"+host+"/AzyoeNS.D4iJLVa?disabletls=yes",
			"ntfy://user:"+part+"@"+host+"/"+part+"?scheme=http",
			"mattermost://"+host+"/"+part+"?disabletls=yes",
			"rocketchat://"+host+"/"+part+"/"+discordSecret,
			"matrix://user:"+part+"@"+host+"/?disabletls=yes&rooms=!room:"+host,
			"bark://:"+part+"@"+host+"/?scheme=http",
			"smtp://user:"+part+"@"+host+"/?from=a@b.example&to=c@d.example&encryption=none",
		)
	}
	for _, target := range targets {
		b := newBench(t, func(c *Config) { quick(c); c.Attempts, c.Timeout, c.Transport = 2, 300*time.Millisecond, nil }, to(target))
		b.Send(refused("1.2.0"))
		require.Eventually(t, func() bool {
			return strings.Contains(b.log.String(), "alert not sent") || strings.Contains(b.log.String(), "alert sent")
		}, 20*time.Second, 5*time.Millisecond, target)
		b.stop()
		printed := fmt.Sprintf("%s %v %+v %#v %+v", b.log, b.Notifier, b.Notifier, b.config, b.targets[0])
		for _, secret := range []string{
			part, discordSecret[:12], "AzyoeNS", strings.ToLower(part), base64.StdEncoding.EncodeToString([]byte("user:" + part))[:16],
		} {
			assert.NotContains(t, printed, secret, strings.SplitN(target, ":", 2)[0])
		}
		assert.NotContains(t, b.log.String(), "://")
	}
}

func TestDiscordsErrorsAreRedacted(t *testing.T) {
	b := newBench(t, quick, to(discordURL))
	b.world.answers(func(_ string, nth int) (int, http.Header, string, error) {
		if nth < 2 {
			return 0, nil, "", &url.Error{Op: "Post", URL: discordURL, Err: errors.New("lookup discord.com: no such host " + discordSecret)}
		}
		return http.StatusNotFound, nil, `{"message": "Unknown Webhook ` + discordSecret + `", "code": 10015}`, nil
	})
	b.Send(refused("1.2.0"))
	require.Eventually(t, func() bool { return strings.Contains(b.log.String(), "alert not sent") }, 10*time.Second, time.Millisecond)
	assert.NotContains(t, b.log.String(), discordSecret[:8])
	assert.NotContains(t, b.log.String(), "998877665544332211")
	assert.Contains(t, b.log.String(), "no such host")
	assert.Contains(t, b.log.String(), "Unknown Webhook")
	assert.Contains(t, b.log.String(), "10015")
}

func TestRedactorKnowsEveryForm(t *testing.T) {
	for raw, said := range map[string]string{
		"telegram://110201543:AAHdqTcvCH1vGW@telegram?channels=@c": `Post "https://api.telegram.org/bot110201543:AAHdqTcvCH1vGW/sendMessage": EOF, AAHdqTcvCH1vGW`,
		"slack://hook:TAAAAAAAA-BBBBBBBBB-CCCCCCCC@webhook":        `bad TAAAAAAAA/BBBBBBBBB/CCCCCCCC and CCCCCCCC`,
		"https://h.example/a%2Fb%20c%2Fsecret?x=p%40ss%20word":     `a/b c/secret, a%2Fb%20c%2Fsecret, p@ss word, p%40ss+word, p%40ss%20word`,
		"https://User:P4ss@Hooks.Example:8443/#frag-ment":          `hooks.example:8443 User P4ss lookup hooks.example frag-ment Hooks.Example`,
		"not a url at all \x00 verysecret":                         "verysecret",
	} {
		got := newRedactor(protocol.NewToken(raw)).text(said)
		left := regexp.MustCompile(`(?i)aahdq|1102015|aaaaa|bbbbb|ccccc|secret|ss.?word|example|p4ss|user|frag-|b%20c`).FindString(got)
		assert.Empty(t, left, got)
	}
	assert.Equal(t, "dial tcp: no route to host", newRedactor(protocol.NewToken(otherURL)).text("dial tcp: no route to host"))
}
