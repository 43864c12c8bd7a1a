package admin

import (
	"bytes"
	"context"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"github.com/rs/zerolog"
	"github.com/stretchr/testify/require"

	"github.com/urban-robot/urban-robot/protocol"
)

const aToken = "the-token-of-the-operator"

// fakeFleets is a Fleets, and a Trail, of functions. What is nil must not be called.
type fakeFleets struct {
	names    []string
	status   func(ctx context.Context, fleet string) (Fleet, error)
	versions func(ctx context.Context, fleet string) ([]Version, error)
	deploy   func(ctx context.Context, fleet, reference, who string) (Outcome, error)
	rollback func(ctx context.Context, fleet, release, who string) (Outcome, error)
	tryAgain func(ctx context.Context, fleet, who string) (Outcome, error)
	events   func(ctx context.Context, fleet string, after uint64, limit int) ([]Event, error)
}

func (f fakeFleets) Names() []string { return f.names }

func (f fakeFleets) Status(ctx context.Context, fleet string) (Fleet, error) {
	return f.status(ctx, fleet)
}

func (f fakeFleets) Versions(ctx context.Context, fleet string) ([]Version, error) {
	return f.versions(ctx, fleet)
}

func (f fakeFleets) Deploy(ctx context.Context, fleet, reference, who string) (Outcome, error) {
	return f.deploy(ctx, fleet, reference, who)
}

func (f fakeFleets) Rollback(ctx context.Context, fleet, release, who string) (Outcome, error) {
	return f.rollback(ctx, fleet, release, who)
}

func (f fakeFleets) TryAgain(ctx context.Context, fleet, who string) (Outcome, error) {
	return f.tryAgain(ctx, fleet, who)
}

func (f fakeFleets) Events(ctx context.Context, fleet string, after uint64, limit int) ([]Event, error) {
	return f.events(ctx, fleet, after, limit)
}

// helium is a fleet of two seats in the middle of an attempt.
func helium() Fleet {
	at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	return Fleet{
		Name: "helium", Desired: &Target{"1.2.0", 3}, LastGood: "1.0.0",
		Running:     []Seat{{Seat: 0, Phase: PhaseHeld, Epoch: 7, Release: "1.0.0", Instance: "a", Since: at}},
		Attempt:     &Attempt{Release: "1.2.0", Generation: 3, Stage: StageCandidate, Who: "maria", At: at},
		LastAttempt: &LastAttempt{Release: "1.1.0", Generation: 2, Stage: StageBad, Reason: "vital_cog_failure", Detail: "cogs.fun: no", At: at},
		Clients:     []ClientStatus{{ID: "q0", Instance: "a", Release: "1.0.0", State: "active", Verdict: "ok"}},
		Processes:   []Process{{Instance: "a", Release: "1.0.0", PID: 42}},
		Logins:      Logins{Used: 12, Daily: 1000, Reserve: 100}, Standbys: Standbys{Ready: 0, Wanted: 1},
	}
}

// log collects what the server logs.
type log struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *log) Write(line []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(line)
}

func (l *log) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// serve serves the fakes and returns the address and the log, in which the token must never be.
func serve(t *testing.T, fleets fakeFleets, more ...func(*Config)) (url string, logged *log) {
	t.Helper()
	logged = &log{}
	config := Config{Fleets: fleets, Trail: fleets, Token: protocol.NewToken(aToken), Log: zerolog.New(logged)}
	for _, change := range more {
		change(&config)
	}
	server, err := NewServer(config)
	require.NoError(t, err)
	s := httptest.NewUnstartedServer(server.Handler)
	s.Config = server
	s.Start()
	t.Cleanup(func() {
		s.Close()
		require.NotContains(t, logged.String(), aToken)
	})
	return s.URL, logged
}

// client returns a Client with the right token.
func client(t *testing.T, url string) *Client {
	t.Helper()
	c, err := New(url, protocol.NewToken(aToken))
	require.NoError(t, err)
	t.Cleanup(http.DefaultTransport.(*http.Transport).CloseIdleConnections)
	return c
}
