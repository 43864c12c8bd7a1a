package admin

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/urban-robot/urban-robot/protocol"
)

// request sends a request and returns the answer. The token is sent unless a header Authorization says otherwise.
func request(t *testing.T, method, url, body string, headers map[string]string) (status int, header http.Header, text string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
	require.NoError(t, err)
	r.Header.Set("Authorization", "Bearer "+aToken)
	if body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	for name, value := range headers {
		r.Header.Set(name, value)
	}
	response, err := http.DefaultClient.Do(r)
	require.NoError(t, err)
	defer func() { assert.NoError(t, response.Body.Close()) }()
	read, err := io.ReadAll(response.Body)
	require.NoError(t, err)
	assert.Equal(t, "no-store", response.Header.Get("Cache-Control"))
	assert.Empty(t, response.Header.Get("Access-Control-Allow-Origin"))
	return response.StatusCode, response.Header, string(read)
}

func everyFleet() fakeFleets {
	accept := func(release, who string) (Outcome, error) {
		return Outcome{Result: ResultAccepted, Text: release + " for " + who, Release: release, Generation: 4}, nil
	}
	return fakeFleets{
		names:  []string{"helium", "neon"},
		status: func(_ context.Context, fleet string) (Fleet, error) { f := helium(); f.Name = fleet; return f, nil },
		versions: func(context.Context, string) ([]Version, error) {
			return []Version{{Release: "1.1.0", Generation: 2, State: ReleaseBad, Stage: StageBad}, {Release: "1.0.0", State: ReleaseGood}}, nil
		},
		deploy:   func(_ context.Context, _, reference, who string) (Outcome, error) { return accept(reference, who) },
		rollback: func(_ context.Context, _, release, who string) (Outcome, error) { return accept(release, who) },
		tryAgain: func(_ context.Context, _, who string) (Outcome, error) {
			return Outcome{Result: ResultUnchanged, Text: "not halted, " + who}, nil
		},
		events: func(_ context.Context, fleet string, after uint64, limit int) ([]Event, error) {
			first := map[string]uint64{"helium": 1, "neon": 2}[fleet]
			var found []Event
			for id := first; id < 100 && len(found) < limit; id += 2 {
				if id > after {
					found = append(found, Event{ID: id, Event: "seat granted"})
				}
			}
			return found, nil
		},
	}
}

func TestRoutes(t *testing.T) {
	url, _ := serve(t, everyFleet())
	for _, tt := range []struct {
		name, method, path, body string
		status                   int
		want                     []string
	}{
		{"all fleets", "GET", "/api/v1/fleets", "", 200, []string{`"name":"helium"`, `"name":"neon"`}},
		{"a fleet", "GET", "/api/v1/fleets/helium", "", 200, []string{
			`"desired":{"release":"1.2.0","generation":3}`, `"phase":"held"`, `"stage":"candidate"`, `"last_attempt":{`, `"failing":[]`,
		}},
		{"clients", "GET", "/api/v1/fleets/helium/clients", "", 200, []string{`{"clients":[{"id":"q0"`}},
		{"versions", "GET", "/api/v1/fleets/helium/versions", "", 200, []string{`{"versions":[{"release":"1.1.0"`}},
		{"deploy", "POST", "/api/v1/fleets/helium/deploy", `{"release":"main"}`, 202, []string{`"text":"main for 127.0.0.1"`, `"generation":4`}},
		{"deploy with a name", "POST", "/api/v1/fleets/helium/deploy", `{"release":"main","by":"maria"}`, 202, []string{"main for maria (127.0.0.1)"}},
		{"rollback", "POST", "/api/v1/fleets/helium/rollback", "", 202, []string{`"text":" for 127.0.0.1"`}},
		{"rollback to", "POST", "/api/v1/fleets/helium/rollback", `{"release":"1.0.0"}`, 202, []string{`"text":"1.0.0 for 127.0.0.1"`}},
		{"try again", "POST", "/api/v1/fleets/helium/try-again", "", 200, []string{`"result":"unchanged"`, "127.0.0.1"}},
		{"try again with a name", "POST", "/api/v1/fleets/helium/try-again", `{"by":"maria"}`, 200, []string{"maria (127.0.0.1)"}},
		{"events of a fleet", "GET", "/api/v1/events?fleet=neon&limit=2", "", 200, []string{`"id":2`, `"id":4`, `"fleet":"neon"`, `"next":4`}},
		{"events of all fleets", "GET", "/api/v1/events?after=5&limit=3", "", 200, []string{`"id":6`, `"id":7`, `"id":8`, `"next":8`}},
		{"no events", "GET", "/api/v1/events?after=1000", "", 200, []string{`{"events":[],"next":1000}`}},
		{"health", "GET", "/healthz", "", 200, []string{"ok"}},
		{"readiness", "GET", "/readyz", "", 200, []string{"ok"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			status, header, text := request(t, tt.method, url+tt.path, tt.body, nil)

			assert.Equal(t, tt.status, status, text)
			for _, want := range tt.want {
				assert.Contains(t, text, want)
			}
			if strings.HasPrefix(tt.path, "/api/") {
				assert.Equal(t, "application/json", header.Get("Content-Type"))
			}
		})
	}
}

func TestAFleetOfWhichNothingIsKnownHasEmptyLists(t *testing.T) {
	url, _ := serve(t, fakeFleets{
		names:    []string{"helium"},
		status:   func(context.Context, string) (Fleet, error) { return Fleet{Name: "helium"}, nil },
		versions: func(context.Context, string) ([]Version, error) { return nil, nil },
	})
	_, _, text := request(t, "GET", url+"/api/v1/fleets/helium", "", nil)
	assert.JSONEq(t, `{"name":"helium","running":[],"clients":[],"processes":[],"logins":{"used":0,"daily":0,"reserve":0},
		"standbys":{"ready":0,"wanted":0}}`, text)
	_, _, text = request(t, "GET", url+"/api/v1/fleets/helium/versions", "", nil)
	assert.JSONEq(t, `{"versions":[]}`, text)
	url, _ = serve(t, fakeFleets{})
	_, _, text = request(t, "GET", url+"/api/v1/fleets", "", nil)
	assert.JSONEq(t, `{"fleets":[]}`, text)
}

// CONTRACT section 9: errors are RFC 9457 problems.
func TestWrongRequestsGetAProblem(t *testing.T) {
	url, _ := serve(t, everyFleet())
	const deploy = "/api/v1/fleets/helium/deploy"
	for _, tt := range []struct {
		name, method, path, body string
		headers                  map[string]string
		status                   int
		detail                   string
	}{
		{"no token", "GET", "/api/v1/fleets", "", map[string]string{"Authorization": ""}, 401, "the token is missing"},
		{"another scheme", "GET", "/api/v1/fleets", "", map[string]string{"Authorization": "Basic " + aToken}, 401, "the token is missing"},
		{"a wrong token", "GET", "/api/v1/fleets", "", map[string]string{"Authorization": "Bearer guessed"}, 401, "the token is wrong"},
		{"no token where nothing is", "GET", "/api/v1/nothing", "", map[string]string{"Authorization": ""}, 401, "the token is missing"},
		{"no fleet", "GET", "/api/v1/fleets/xenon", "", nil, 404, `there is no fleet "xenon"; there is helium, neon`},
		{"no fleet, clients", "GET", "/api/v1/fleets/xenon/clients", "", nil, 404, `there is no fleet "xenon"`},
		{"no fleet, versions", "GET", "/api/v1/fleets/xenon/versions", "", nil, 404, `there is no fleet "xenon"`},
		{"no fleet, events", "GET", "/api/v1/events?fleet=xenon", "", nil, 404, `there is no fleet "xenon"`},
		{"no fleet, deploy", "POST", "/api/v1/fleets/xenon/deploy", `{"release":"x"}`, nil, 404, `there is no fleet "xenon"`},
		{"no route", "GET", "/api/v1/nothing", "", nil, 404, "there is nothing at /api/v1/nothing"},
		{"no page", "GET", "/", "", nil, 404, "there is nothing at /"},
		{"a wrong method", "GET", deploy, "", nil, 405, "GET is not allowed here; use POST"},
		{"no body", "POST", deploy, "", nil, 400, "request body is required"},
		{"no JSON", "POST", deploy, "{secret", nil, 400, "body: invalid character"},
		{"no object", "POST", deploy, `["secret"]`, nil, 422, "body: expected object"},
		{"a form", "POST", deploy, "release=secret", map[string]string{"Content-Type": "application/x-www-form-urlencoded"}, 415, "content type"},
		{"a wrong type", "POST", deploy, `{"release":5}`, nil, 422, "body.release: expected string"},
		{"a missing field", "POST", deploy, `{}`, nil, 422, "body: expected required property release to be present"},
		{"an unknown field", "POST", deploy, `{"release":"x","secret":"secret"}`, nil, 422, "body.secret: unexpected property"},
		{"an empty release", "POST", deploy, `{"release":""}`, nil, 422, "body.release: expected length >= 1"},
		{"an option as a release", "POST", deploy, `{"release":"--upload-pack=secret"}`, nil, 422, "body.release: expected string to be one line that does not begin with a dash"},
		{"a release of two lines", "POST", deploy, `{"release":"a\nb"}`, nil, 422, "body.release"},
		{"a long release", "POST", deploy, `{"release":"` + strings.Repeat("x", 129) + `"}`, nil, 422, "body.release: expected length <= 128"},
		{"an option to go back to", "POST", "/api/v1/fleets/helium/rollback", `{"release":"-x"}`, nil, 422, "body.release"},
		{"an unknown field of rollback", "POST", "/api/v1/fleets/helium/rollback", `{"to":"x"}`, nil, 422, "body.to: unexpected property"},
		{"an unknown field of try-again", "POST", "/api/v1/fleets/helium/try-again", `{"release":"x"}`, nil, 422, "body.release: unexpected property"},
		{"too large", "POST", deploy, `{"release":"` + strings.Repeat("x", maxBodyBytes) + `"}`, nil, 413, "too large"},
		{"too large without a need", "POST", "/api/v1/fleets/helium/try-again", strings.Repeat(" ", maxBodyBytes) + "{}", nil, 413, "too large"},
		{"a limit that is none", "GET", "/api/v1/events?limit=x", "", nil, 422, "query.limit: invalid integer"},
		{"a limit that is too high", "GET", "/api/v1/events?limit=1001", "", nil, 422, "query.limit: expected number <= 1000"},
		{"an id that is none", "GET", "/api/v1/events?after=-1", "", nil, 422, "query.after: invalid integer"},
		{"an unknown parameter", "GET", "/api/v1/events?flete=helium", "", nil, 422, "query.flete: unknown query parameter"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			status, header, text := request(t, tt.method, url+tt.path, tt.body, tt.headers)

			assert.Equal(t, tt.status, status, text)
			assert.Equal(t, "application/problem+json", header.Get("Content-Type"))
			var p ProblemError
			require.NoError(t, json.Unmarshal([]byte(text), &p))
			assert.Equal(t, tt.status, p.Status)
			assert.Equal(t, http.StatusText(tt.status), p.Title)
			assert.Contains(t, p.Detail, tt.detail)
			assert.NotContains(t, strings.ReplaceAll(text, "body.secret", ""), "secret")
			switch status {
			case http.StatusUnauthorized:
				assert.Contains(t, header.Get("WWW-Authenticate"), "Bearer")
			case http.StatusUnprocessableEntity:
				assert.NotEmpty(t, p.Errors)
			}
		})
	}
}

// Whatever way a path is written, it is below /api or it is nowhere.
func TestNoPathGetsRoundTheToken(t *testing.T) {
	url, _ := serve(t, everyFleet())
	for _, path := range []string{
		"/api/v1/fleets", "//api/v1/fleets", "/%61pi/v1/fleets", "/api%2fv1/fleets", "/x/../api/v1/fleets", "/./api/v1/fleets", "/api//v1/fleets",
		"/api/v1/fleets/", "/API/v1/fleets",
	} {
		for _, method := range []string{"GET", "HEAD", "POST", "CONNECT"} {
			status, _, text := request(t, method, url+path, "", map[string]string{"Authorization": ""})
			assert.GreaterOrEqual(t, status, 400, path)
			assert.NotContains(t, text, "helium")
		}
	}
}

func TestErrorsOfFleetsGetAProblem(t *testing.T) {
	for _, tt := range []struct {
		name    string
		outcome Outcome
		err     error
		status  int
		detail  string
		log     string
	}{
		{"refused", Outcome{Result: ResultRefused, Text: "the fleet is halted; try-again first"}, nil, 409, "the fleet is halted; try-again first", ""},
		{"not found", Outcome{}, ErrNotFound, 404, `there is no fleet "helium"; there is helium, neon`, ""},
		{"unavailable", Outcome{}, ErrUnavailable, 503, "fleet helium cannot answer now", ""},
		{"too late", Outcome{}, context.DeadlineExceeded, 503, "fleet helium did not answer within 10s", "request timed out"},
		{"given up", Outcome{}, context.Canceled, 503, "given up", ""},
		{"unknown", Outcome{}, errors.New("disk on fire"), 500, "internal error", "disk on fire"},
		{"a defect of ours", Outcome{}, nil, 500, "internal error", "an outcome without a result"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			fleets := everyFleet()
			fleets.deploy = func(context.Context, string, string, string) (Outcome, error) { return tt.outcome, tt.err }
			url, logged := serve(t, fleets)

			status, header, text := request(t, "POST", url+"/api/v1/fleets/helium/deploy", `{"release":"x"}`, nil)

			assert.Equal(t, tt.status, status)
			assert.Equal(t, "application/problem+json", header.Get("Content-Type"))
			assert.Contains(t, text, strings.ReplaceAll(tt.detail, `"`, `\"`))
			assert.NotContains(t, text, "disk on fire")
			assert.Contains(t, logged.String(), tt.log)
			if tt.log == "" {
				assert.Empty(t, logged.String())
			}
			if status == http.StatusServiceUnavailable {
				assert.Equal(t, "1", header.Get("Retry-After"))
			}
		})
	}
}

func TestEveryOperationAnswersAnErrorWithAProblem(t *testing.T) {
	broken := errors.New("disk on fire")
	url, logged := serve(t, fakeFleets{
		names:    []string{"helium"},
		status:   func(context.Context, string) (Fleet, error) { return Fleet{}, broken },
		versions: func(context.Context, string) ([]Version, error) { return nil, broken },
		rollback: func(context.Context, string, string, string) (Outcome, error) { return Outcome{}, broken },
		tryAgain: func(context.Context, string, string) (Outcome, error) { return Outcome{}, broken },
		events:   func(context.Context, string, uint64, int) ([]Event, error) { return nil, broken },
		deploy:   func(context.Context, string, string, string) (Outcome, error) { panic("broken invariant") },
	})
	for path, method := range map[string]string{
		"fleets": "GET", "fleets/helium": "GET", "fleets/helium/clients": "GET", "fleets/helium/versions": "GET", "events": "GET",
		"fleets/helium/rollback": "POST", "fleets/helium/try-again": "POST", "fleets/helium/deploy": "POST",
	} {
		t.Run(path, func(t *testing.T) {
			body := ""
			if strings.HasSuffix(path, "deploy") {
				body = `{"release":"x"}`
			}
			status, _, text := request(t, method, url+"/api/v1/"+path, body, nil)
			assert.Equal(t, http.StatusInternalServerError, status)
			assert.JSONEq(t, `{"title":"Internal Server Error","status":500,"detail":"internal error; the log of the service says more"}`, text)
		})
	}
	assert.Contains(t, logged.String(), "request panicked")
	assert.Contains(t, logged.String(), "broken invariant")
}

func TestOneFleetThatCannotAnswerDoesNotHideTheOthers(t *testing.T) {
	fleets := everyFleet()
	fleets.status = func(_ context.Context, fleet string) (Fleet, error) {
		if fleet == "helium" {
			return Fleet{}, ErrUnavailable
		}
		return Fleet{Name: fleet}, nil
	}
	url, _ := serve(t, fleets)
	status, _, text := request(t, "GET", url+"/api/v1/fleets", "", nil)
	assert.Equal(t, http.StatusOK, status)
	assert.Contains(t, text, `{"name":"helium","unavailable":"it cannot answer now"`)
	assert.Contains(t, text, `{"name":"neon","running"`)
}

func TestAFleetThatDoesNotAnswerIsNotWaitedForForEver(t *testing.T) {
	fleets := everyFleet()
	fleets.status = func(ctx context.Context, _ string) (Fleet, error) {
		<-ctx.Done()
		return Fleet{}, ctx.Err()
	}
	url, _ := serve(t, fleets, func(c *Config) { c.Timeout = 10 * time.Millisecond })
	status, _, text := request(t, "GET", url+"/api/v1/fleets/helium", "", nil)
	assert.Equal(t, http.StatusServiceUnavailable, status)
	assert.Contains(t, text, "did not answer within 10ms")
}

func TestWrongTokensAreSlowedDownAndTheRightOneIsNot(t *testing.T) {
	url, logged := serve(t, everyFleet())
	for i := range maxWrongTokens + 5 {
		status, header, text := request(t, "GET", url+"/api/v1/fleets", "", map[string]string{"Authorization": "Bearer guessed"})
		want := http.StatusUnauthorized
		if i >= maxWrongTokens {
			want = http.StatusTooManyRequests
			assert.NotEmpty(t, header.Get("Retry-After"))
		}
		assert.Equal(t, want, status)
		assert.NotContains(t, text, "guessed")
	}
	status, _, _ := request(t, "GET", url+"/api/v1/fleets", "", nil)
	assert.Equal(t, http.StatusOK, status)
	assert.Equal(t, maxWrongTokens, strings.Count(logged.String(), "admin token rejected"))
	assert.NotContains(t, logged.String(), "guessed")
}

func TestWrongTokensAreForgotten(t *testing.T) {
	var wrong wrongTokens
	now := time.Now()
	for range maxWrongTokens {
		wrong.add(now)
	}
	count, left := wrong.add(now.Add(wrongTokenWindow - time.Second))
	assert.Equal(t, maxWrongTokens+1, count)
	assert.Equal(t, time.Second, left)
	count, _ = wrong.add(now.Add(wrongTokenWindow))
	assert.Equal(t, 1, count)
}

func TestReadyzSaysWhyNot(t *testing.T) {
	url, _ := serve(t, everyFleet(), func(c *Config) { c.Ready = func() error { return errors.New("fleet helium is not loaded") } })
	status, header, text := request(t, "GET", url+"/readyz", "", map[string]string{"Authorization": ""})
	assert.Equal(t, http.StatusServiceUnavailable, status)
	assert.Equal(t, "application/problem+json", header.Get("Content-Type"))
	assert.Contains(t, text, "fleet helium is not loaded")
}

func TestConfigIsChecked(t *testing.T) {
	whole := Config{Fleets: everyFleet(), Trail: everyFleet(), Token: protocol.NewToken(aToken)}
	for want, spoil := range map[string]func(*Config){
		"Config.Fleets is missing":             func(c *Config) { c.Fleets = nil },
		"Config.Trail is missing":              func(c *Config) { c.Trail = nil },
		"Config.Token is missing or too short": func(c *Config) { c.Token = protocol.NewToken("short") },
		"Config.Timeout is -1s":                func(c *Config) { c.Timeout = -time.Second },
	} {
		config := whole
		spoil(&config)
		_, err := NewServer(config)
		require.ErrorContains(t, err, want)
	}
	server, err := NewServer(whole)
	require.NoError(t, err)
	assert.NotZero(t, server.ReadHeaderTimeout)
	assert.NotZero(t, server.ReadTimeout)
	assert.NotZero(t, server.WriteTimeout)
}
