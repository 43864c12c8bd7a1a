package webhook

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"maps"
	"net/http"
	"net/netip"
	"runtime/debug"
	"time"

	"github.com/rs/zerolog"
)

// Handler answers webhooks. It is safe for concurrent use and has nothing to close.
type Handler struct {
	config  Config
	nobody  Hook
	seen    *seen
	strikes *strikes
}

// answer is what a provider, and whoever looks at its list of deliveries, gets to read.
type answer struct {
	status   int
	Accepted bool   `json:"accepted"`
	Reason   string `json:"reason,omitempty"`
	Commit   string `json:"commit,omitempty"`
	Text     string `json:"text,omitempty"`
}

// New checks the configuration.
func New(c Config) (*Handler, error) {
	c = c.withDefaults()
	if err := c.validate(); err != nil {
		return nil, err
	}
	c.Fleets = maps.Clone(c.Fleets)
	maps.DeleteFunc(c.Fleets, func(_ string, hook Hook) bool { return hook.Secret.IsZero() })
	return &Handler{config: c, nobody: nobody(), seen: newSeen(c.Remember, c.RememberFor), strikes: newStrikes(c.Strikes)}, nil
}

// ServeHTTP implements http.Handler. It takes the fleet from the path value of Pattern.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	fleet, who := r.PathValue("fleet"), striker(r.RemoteAddr)
	switch {
	case r.Method != http.MethodPost:
		w.Header().Set("Allow", http.MethodPost)
		w.Header().Set("Connection", "close") // or net/http waits for the rest of a body
		ignore(http.StatusMethodNotAllowed, "send a POST").write(w)
		return
	case h.strikes.out(who):
		w.Header().Set("Retry-After", "60")
		w.Header().Set("Connection", "close")
		ignore(http.StatusTooManyRequests, "too many wrong signatures; try again in a minute").write(w)
		return
	}
	body, refused := h.body(w, r)
	if refused != nil {
		refused.write(w)
		return
	}
	hook, known := h.config.Fleets[fleet]
	if !known {
		hook = h.nobody
	}
	if !signed(hook, r.Header, body) {
		h.refuse(fleet, hook, known, r, who)
		ignore(http.StatusNotFound, "there is no such hook, or its signature is missing or wrong").write(w)
		return
	}
	id, keys := delivery(hook, r.Header, body)
	for i, key := range keys {
		keys[i] = fleet + " " + key
	}
	log := h.config.Log.With().Str("fleet", fleet).Str("delivery", id).Logger()
	push, ignored := h.judge(hook, r.Header, body)
	if ignored != nil {
		log.Info().Str("reason", ignored.Reason).Int("status", ignored.status).Msg("webhook ignored")
		ignored.write(w)
		return
	}
	push.Delivery = id
	h.once(r.Context(), log, fleet, push, keys).write(w)
}

// body reads the whole body, within its limits.
func (h *Handler) body(w http.ResponseWriter, r *http.Request) ([]byte, *answer) {
	// Where no deadline can be set, as in a test, the server's own must do.
	control := http.NewResponseController(w)
	_ = control.SetReadDeadline(time.Now().Add(h.config.BodyTimeout))
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, h.config.MaxBody))
	var tooLarge *http.MaxBytesError
	switch {
	case errors.As(err, &tooLarge):
		h.config.Log.Warn().Str("address", r.RemoteAddr).Int64("limit", h.config.MaxBody).Msg("webhook too large")
		return nil, new(ignore(http.StatusRequestEntityTooLarge, "the body is too large"))
	case err != nil:
		w.Header().Set("Connection", "close")
		return nil, new(ignore(http.StatusBadRequest, "the body did not arrive whole"))
	}
	_ = control.SetReadDeadline(time.Time{}) // or it would end the request's context later on
	return body, nil
}

// refuse logs a request that is not signed. What it calls its fleet is not, since anybody may send anything.
func (h *Handler) refuse(fleet string, hook Hook, known bool, r *http.Request, who netip.Prefix) {
	if !h.strikes.add(who) {
		return
	}
	event := h.config.Log.Warn().Str("address", r.RemoteAddr)
	if !known {
		event.Str("reason", "no such hook").Msg("webhook refused")
		return
	}
	event.Str("fleet", fleet).Str("reason", suspicion(hook, r.Header)).Msg("webhook refused")
}

// judge reads a signed delivery. The answer says why it is not a push to deploy; nil means that it is.
func (h *Handler) judge(hook Hook, header http.Header, body []byte) (Push, *answer) {
	switch kind, name := kindOf(hook.Provider, header); kind {
	case kindPing:
		return Push{}, new(ignore(http.StatusOK, "pong"))
	case kindOther:
		return Push{}, new(ignore(http.StatusOK, "not a push but "+orNothing(name)))
	case kindPush:
	}
	text, err := unwrap(hook.Provider, header, body)
	if errors.Is(err, errContentType) {
		return Push{}, new(ignore(http.StatusUnsupportedMediaType, err.Error()))
	}
	if err != nil {
		return Push{}, new(ignore(http.StatusBadRequest, err.Error()))
	}
	push, why, err := read(hook, text)
	if err != nil {
		return Push{}, new(ignore(http.StatusBadRequest, err.Error()))
	}
	if why != "" {
		return Push{}, new(ignore(http.StatusOK, why))
	}
	return push, nil
}

// once tells the callback, unless it has heard of this delivery, or is hearing of it just now.
func (h *Handler) once(ctx context.Context, log zerolog.Logger, fleet string, p Push, keys []string) (a answer) {
	e, first := h.seen.claim(keys)
	if !first {
		select {
		case <-e.done:
			log.Info().Str("release", p.Commit).Msg("webhook delivered again")
			return e.answer
		case <-ctx.Done():
			return ignore(http.StatusServiceUnavailable, again)
		}
	}
	defer func() { h.seen.settle(e, a) }()
	return h.tell(ctx, log, fleet, p)
}

const again = "this did not work; deliver it again"

// tell calls the callback. A provider that gives up waiting does not stop it.
func (h *Handler) tell(ctx context.Context, log zerolog.Logger, fleet string, p Push) (a answer) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), h.config.PushTimeout)
	defer cancel()
	defer func() {
		if failure := recover(); failure != nil {
			log.Error().Any("reason", failure).Bytes("stack", debug.Stack()).Msg("webhook callback panicked")
			a = ignore(http.StatusServiceUnavailable, again)
		}
	}()
	text, err := h.config.Push(ctx, fleet, p)
	switch {
	case errors.Is(err, ErrRefused):
		log.Info().Str("release", p.Commit).Str("reason", text).Msg("push refused")
		return answer{status: http.StatusOK, Reason: text, Commit: p.Commit}
	case err != nil:
		log.Error().AnErr("err", err).Str("release", p.Commit).Msg("push not taken")
		return ignore(http.StatusServiceUnavailable, again)
	}
	log.Info().Str("release", p.Commit).Str("branch", p.Branch).Str("by", p.Pusher).Msg("push accepted")
	return answer{status: http.StatusAccepted, Accepted: true, Commit: p.Commit, Text: text}
}

func ignore(status int, reason string) answer { return answer{status: status, Reason: reason} }

func orNothing(name string) string {
	if name == "" {
		return "nothing that has a name"
	}
	return name
}

func (a answer) write(w http.ResponseWriter) {
	body, err := json.Marshal(a)
	if err != nil {
		panic("webhook: an answer does not encode: " + err.Error())
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(a.status)
	_, _ = w.Write(append(body, '\n'))
}
