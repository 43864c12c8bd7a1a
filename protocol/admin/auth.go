package admin

import (
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/urban-robot/urban-robot/protocol"
)

// tokenScheme is the name of the token in the OpenAPI document.
const tokenScheme = "token"

// authorize returns nil if the request shows the token. It adds headers that belong to a refusal.
func (s *server) authorize(w http.ResponseWriter, r *http.Request) *huma.ErrorModel {
	scheme, given, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	given = strings.TrimSpace(given)
	if !strings.EqualFold(scheme, "Bearer") || given == "" {
		w.Header().Set("WWW-Authenticate", `Bearer realm="urban-robot"`)
		return noToken()
	}
	if s.config.Token.Equal(protocol.NewToken(given)) {
		return nil
	}
	w.Header().Set("WWW-Authenticate", `Bearer realm="urban-robot", error="invalid_token"`)
	count, left := s.wrong.add(time.Now())
	if count > maxWrongTokens {
		setRetryAfter(w.Header(), left)
		return tooManyWrongTokens()
	}
	s.log.Warn().Str("address", address(r)).Bool("last", count == maxWrongTokens).Msg("admin token rejected")
	return wrongToken()
}

const (
	maxWrongTokens   = 10 // in one window
	wrongTokenWindow = time.Minute
)

// wrongTokens counts wrong tokens, from wherever. Above maxWrongTokens they are told to slow down and are not logged any more.
// The right token is let in at all times: it is too long to be guessed, and to shut it out would be a way to keep the operator
// away.
type wrongTokens struct {
	mu    sync.Mutex
	since time.Time
	count int
}

// add counts one, and returns how many there are in this window and how long it lasts.
func (t *wrongTokens) add(now time.Time) (count int, left time.Duration) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if now.Sub(t.since) >= wrongTokenWindow {
		t.since, t.count = now, 0
	}
	t.count++
	return t.count, t.since.Add(wrongTokenWindow).Sub(now)
}
