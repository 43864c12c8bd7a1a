package admin

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/urban-robot/urban-robot/protocol"
)

func TestClientMeansWhatFleetsMeans(t *testing.T) {
	fleets := everyFleet()
	url, _ := serve(t, fleets)
	c, ctx := client(t, url), t.Context()

	want := helium()
	want.Clients[0].Failing = []string{}
	got, err := c.Status(ctx, "helium")
	require.NoError(t, err)
	assert.Equal(t, want, got)

	list, err := c.List(ctx)
	require.NoError(t, err)
	require.Len(t, list, 2)
	assert.Equal(t, want, list[0])

	clients, err := c.Clients(ctx, "helium")
	require.NoError(t, err)
	assert.Equal(t, want.Clients, clients)

	versions, err := c.Versions(ctx, "helium")
	require.NoError(t, err)
	direct, _ := fleets.versions(ctx, "helium")
	assert.Equal(t, direct, versions)

	page, err := c.Events(ctx, "", 5, 2)
	require.NoError(t, err)
	assert.Equal(t, EventPage{Next: 7, Events: []Event{{ID: 6, Fleet: "neon", Event: "seat granted"}, {ID: 7, Fleet: "helium", Event: "seat granted"}}}, page)
	page, err = c.Events(ctx, "neon", 0, 1)
	require.NoError(t, err)
	assert.Equal(t, uint64(2), page.Next)

	outcome, err := c.Deploy(ctx, "helium", "feature/ä b", "maria")
	require.NoError(t, err)
	assert.Equal(t, Outcome{Result: ResultAccepted, Text: "feature/ä b for maria (127.0.0.1)", Release: "feature/ä b", Generation: 4}, outcome)
	outcome, err = c.Rollback(ctx, "helium", "", "maria")
	require.NoError(t, err)
	assert.Equal(t, " for maria (127.0.0.1)", outcome.Text)
	outcome, err = c.TryAgain(ctx, "helium", "")
	require.NoError(t, err)
	assert.Equal(t, Outcome{Result: ResultUnchanged, Text: "not halted, 127.0.0.1"}, outcome)
}

func TestClientFindsAFleetOfAnyName(t *testing.T) {
	fleets := everyFleet()
	fleets.names = []string{"a/b c?d", "ünïcode%2F"}
	url, _ := serve(t, fleets)
	mux := http.NewServeMux()
	mux.Handle("/below/", http.StripPrefix("/below", proxy(t, url)))
	below := httptest.NewServer(mux)
	defer below.Close()
	for _, address := range []string{url, url + "/", below.URL + "/below", below.URL + "/below/"} {
		for _, name := range fleets.names {
			got, err := client(t, address).Status(t.Context(), name)
			require.NoError(t, err)
			assert.Equal(t, name, got.Name)
		}
	}
	for _, name := range []string{"", ".", ".."} {
		_, err := client(t, url).Status(t.Context(), name)
		require.ErrorIs(t, err, ErrNotFound)
	}
}

// proxy hands requests on as they are.
func proxy(t *testing.T, url string) http.Handler {
	t.Helper()
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		onward, err := http.NewRequestWithContext(r.Context(), r.Method, url+r.URL.EscapedPath(), r.Body)
		if !assert.NoError(t, err) {
			return
		}
		onward.Header = r.Header
		answer, err := http.DefaultClient.Do(onward)
		if !assert.NoError(t, err) {
			return
		}
		defer func() { assert.NoError(t, answer.Body.Close()) }()
		w.Header().Set("Content-Type", answer.Header.Get("Content-Type"))
		w.WriteHeader(answer.StatusCode)
		_, _ = io.Copy(w, answer.Body)
	})
}

func TestClientSaysWhatToDo(t *testing.T) {
	fleets := everyFleet()
	fleets.deploy = func(_ context.Context, _, reference, _ string) (Outcome, error) {
		switch reference {
		case "refused":
			return Outcome{Result: ResultRefused, Text: "1.1.0 failed before; try-again first"}, nil
		case "later":
			return Outcome{}, ErrUnavailable
		}
		return Outcome{}, errors.New("disk on fire")
	}
	url, _ := serve(t, fleets)
	bots := httptest.NewServer(http.NotFoundHandler())
	defer bots.Close()
	away := httptest.NewServer(http.RedirectHandler(url+"/api/v1/fleets", http.StatusFound))
	defer away.Close()
	page := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("<html>")) }))
	defer page.Close()
	gone := httptest.NewServer(http.NotFoundHandler())
	gone.Close()
	status := func(address, token, fleet string) error {
		c, err := New(address, protocol.NewToken(token))
		require.NoError(t, err)
		_, err = c.Status(t.Context(), fleet)
		return err
	}
	deploy := func(reference string) error {
		_, err := client(t, url).Deploy(t.Context(), "helium", reference, "")
		return err
	}
	for _, tt := range []struct {
		name string
		err  error
		is   error
		text string
	}{
		{"nobody there", status(gone.URL, aToken, "helium"), ErrUnreachable, "no Urban Robot answers at " + gone.URL +
			" (connection refused): is `urban-robot serve` running, and is admin.listen right?"},
		{"no such host", status("http://host.invalid", aToken, "helium"), ErrUnreachable, "no Urban Robot answers at http://host.invalid ("},
		{"the bots' port", status(bots.URL, aToken, "helium"), ErrUnreachable, "what answers at " + bots.URL +
			" is not Urban Robot's admin API (404 Not Found): is that what admin.listen says, and not where bots connect?"},
		{"a redirect, which is not followed", status(away.URL, aToken, "helium"), ErrUnreachable, "is not Urban Robot's admin API (302 Found)"},
		{"some page", status(page.URL, aToken, "helium"), ErrUnreachable, "is not Urban Robot's admin API (200 OK)"},
		{"no token", status(url, "", "helium"), ErrUnauthorized, "the token is missing"},
		{"a wrong token", status(url, "guessed", "helium"), ErrUnauthorized, "the token is wrong; send the one that admin.token names"},
		{"no fleet", status(url, aToken, "xenon"), ErrNotFound, `there is no fleet "xenon"; there is helium, neon`},
		{"later", deploy("later"), ErrUnavailable, "fleet helium cannot answer now: nothing was done; try again"},
		{"an error of the service", deploy("x"), nil, "internal error; the log of the service says more"},
		{"a wrong release", deploy("-x"), nil, "body.release: expected string to be one line that does not begin with a dash"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			require.ErrorContains(t, tt.err, tt.text)
			if tt.is != nil {
				require.ErrorIs(t, tt.err, tt.is)
				return
			}
			_, ok := errors.AsType[*ProblemError](tt.err)
			assert.True(t, ok)
		})
	}
	outcome, err := client(t, url).Deploy(t.Context(), "helium", "refused", "")
	require.NoError(t, err)
	assert.Equal(t, Outcome{Result: ResultRefused, Text: "1.1.0 failed before; try-again first"}, outcome)
}

func TestClientGivesUpWithItsContext(t *testing.T) {
	url, _ := serve(t, everyFleet())
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := client(t, url).Status(ctx, "helium")
	require.ErrorIs(t, err, context.Canceled)
}

func TestNewRefusesWhatIsNoURL(t *testing.T) {
	for _, address := range []string{"", "127.0.0.1:8081", "ftp://x", "http://", "http://maria:secret@x", "http://x?token=secret", "http://x#secret", "http://x y"} {
		_, err := New(address, protocol.NewToken(aToken))
		require.ErrorContains(t, err, "the URL of the admin API", address)
		assert.False(t, strings.Contains(err.Error(), "secret@") || strings.Contains(err.Error(), "=secret"))
	}
}
