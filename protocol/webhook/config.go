package webhook

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/rs/zerolog"

	"github.com/urban-robot/urban-robot/protocol"
)

// Pattern is where a Handler is mounted in an http.ServeMux.
const Pattern = "/hooks/{fleet}"

// MinSecretBytes is the least that a secret may have. GitLab sends it as it is, so it can be guessed at.
const MinSecretBytes = 16

// Provider is who sends the webhooks.
type Provider string

// The providers.
const (
	GitHub Provider = "github"
	GitLab Provider = "gitlab"
	Gitea  Provider = "gitea" // and Forgejo
)

// Providers returns all of them.
func Providers() []Provider { return []Provider{GitHub, GitLab, Gitea} }

// Hook is the webhook of one fleet. All fields but Only are required, save that without a secret there is no hook.
type Hook struct {
	Provider Provider
	Secret   protocol.Token // as entered at the provider; at least MinSecretBytes; without one the fleet has no hook
	Branch   string         // pushes to this one are taken, such as main; it is compared as text, not matched
	Only     string         // what the message of the pushed commit must contain, such as [DEPLOY]; default: nothing
}

// Push is an accepted push, told once for each delivery.
type Push struct {
	Commit   string // the whole id, 40 or 64 lower-case hexadecimal digits
	Branch   string // the hook's
	Message  string // of the commit, at most 4 KiB; "" if the provider did not send it
	Pusher   string // a name for people, at most 256 bytes
	Delivery string // the provider's id of the delivery, for logs; it is not signed
}

// PushFunc takes a push, or refuses it with an error that is ErrRefused. text is for people, in either case; it is sent to the
// provider. Any other error is logged and answered as "deliver it again". It must not wait for a deploy; the context ends
// after Config.PushTimeout. Calls may overlap.
type PushFunc func(ctx context.Context, fleet string, p Push) (text string, err error)

// ErrRefused is what a PushFunc returns if the push was understood and will not be deployed, now or when it is repeated.
var ErrRefused = errors.New("refused")

// Config says which hooks there are.
type Config struct {
	Fleets map[string]Hook // by the name of the fleet; a fleet that is not in it has no hook
	Push   PushFunc        // required
	Log    zerolog.Logger  // default: logs nothing

	MaxBody     int64         // bytes of a body; default 1 MiB
	BodyTimeout time.Duration // to read one; default 10 s
	PushTimeout time.Duration // for one call of Push; default 10 s
	Remember    int           // accepted deliveries that are remembered; default 1024
	RememberFor time.Duration // for how long; default 72 h, within which GitHub allows to redeliver
	Strikes     int           // wrong signatures from one address in a minute before it is refused unread; default 10
}

func (c Config) withDefaults() Config {
	c.MaxBody = cmp.Or(c.MaxBody, 1<<20)
	c.BodyTimeout = cmp.Or(c.BodyTimeout, 10*time.Second)
	c.PushTimeout = cmp.Or(c.PushTimeout, 10*time.Second)
	c.Remember = cmp.Or(c.Remember, 1024)
	c.RememberFor = cmp.Or(c.RememberFor, 72*time.Hour)
	c.Strikes = cmp.Or(c.Strikes, 10)
	return c
}

func (c Config) validate() error {
	if c.Push == nil {
		return errors.New("webhook: Config.Push is missing")
	}
	for name, hook := range c.Fleets {
		if err := hook.validate(); err != nil {
			return fmt.Errorf("webhook: fleet %s: %w", name, err)
		}
	}
	if c.MaxBody < 1 || c.BodyTimeout <= 0 || c.PushTimeout <= 0 || c.Remember < 1 || c.RememberFor <= 0 || c.Strikes < 1 {
		return errors.New("webhook: Config has a limit below its least value")
	}
	return nil
}

func (h Hook) validate() error {
	switch {
	case h.Provider != GitHub && h.Provider != GitLab && h.Provider != Gitea:
		return fmt.Errorf("provider is %q, want one of %v", h.Provider, Providers())
	case !h.Secret.IsZero() && len(h.Secret.Reveal()) < MinSecretBytes:
		return fmt.Errorf("the secret has %d bytes, want at least %d", len(h.Secret.Reveal()), MinSecretBytes)
	case h.Branch == "":
		return errors.New("the branch is missing")
	case strings.HasPrefix(h.Branch, "refs/"):
		return fmt.Errorf("branch is %q, want the name alone, such as main", h.Branch)
	}
	return nil
}
