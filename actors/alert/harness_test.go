package alert

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rs/zerolog"
	"github.com/stretchr/testify/require"

	"github.com/urban-robot/urban-robot/protocol"
)

const (
	discordSecret = "kQ7sVJwEXAMPLEzXy-0_abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTU"
	discordURL    = "https://discord.com/api/webhooks/998877665544332211/" + discordSecret
	otherURL      = "https://hooks.example/a/B3cr3tPathPart"
)

// world is every server there is, in the memory of a test.
type world struct {
	mu     sync.Mutex
	posts  []posted
	answer func(host string, nth int) (status int, header http.Header, body string, err error)
}

type posted struct {
	at   time.Time
	host string
	url  string
	body string
}

// RoundTrip implements http.RoundTripper.
func (w *world) RoundTrip(r *http.Request) (*http.Response, error) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	w.mu.Lock()
	nth := 0
	for _, p := range w.posts {
		if p.host == r.URL.Host {
			nth++
		}
	}
	w.posts = append(w.posts, posted{time.Now(), r.URL.Host, r.URL.String(), string(body)})
	answer := w.answer
	w.mu.Unlock()
	status, header, said := http.StatusOK, http.Header{}, ""
	if answer != nil {
		status, header, said, err = answer(r.URL.Host, nth)
	}
	if status == hang {
		<-r.Context().Done()
		return nil, r.Context().Err()
	}
	if err != nil {
		return nil, err
	}
	return &http.Response{StatusCode: status, Header: header, Body: io.NopCloser(strings.NewReader(said)), Request: r}, nil
}

const hang = -1 // a status: never answer

func (w *world) answers(answer func(host string, nth int) (int, http.Header, string, error)) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.answer = answer
}

func (w *world) all() []posted {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.posts)
}

// texts returns what people got to read at a host.
func (w *world) texts(t *testing.T, host string) []string {
	t.Helper()
	w.mu.Lock()
	defer w.mu.Unlock()
	var texts []string
	for _, p := range w.posts {
		if p.host != host {
			continue
		}
		var body struct{ Content, Text string }
		require.NoError(t, json.Unmarshal([]byte(p.body), &body))
		texts = append(texts, body.Content+body.Text)
	}
	return texts
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

// bench is a Notifier that runs, and its surroundings.
type bench struct {
	*Notifier
	world *world
	log   *lockedBuffer
	stop  func() // ends the context and waits for Run
}

func newBench(t *testing.T, change func(*Config), targets ...Target) *bench {
	t.Helper()
	b := &bench{world: &world{}, log: &lockedBuffer{}}
	c := Config{Targets: targets, Log: zerolog.New(b.log).Level(zerolog.TraceLevel), Transport: b.world}
	if change != nil {
		change(&c)
	}
	var err error
	b.Notifier, err = New(c)
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		b.Run(ctx)
	}()
	b.stop = func() { cancel(); <-ended }
	t.Cleanup(b.stop)
	return b
}

func to(url string) Target { return Target{URL: protocol.NewToken(url)} }

func refused(release string) Alert {
	return Alert{
		Level: LevelWarning, What: "refused", Fleet: "helium", Release: release, Reason: "vital_cog_failure",
		Detail: "cogs.moderation does not load",
	}
}

func halted(fleet string) Alert {
	return Alert{Level: LevelError, What: "halted", Fleet: fleet, Reason: "rollback_budget"}
}

func promoted(release string) Alert {
	return Alert{Level: LevelInfo, What: "promoted", Fleet: "helium", Release: release}
}
