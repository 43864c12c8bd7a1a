package alert

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/nicholas-fedor/shoutrrr/pkg/router"
	"github.com/nicholas-fedor/shoutrrr/pkg/types"

	"github.com/urban-robot/urban-robot/protocol"
)

// library sends through the notification library, for all services that are not ours.
type library struct {
	service string
	url     protocol.Token
	hanging chan struct{} // one for each send that runs
}

// newLibrary checks the URL as far as the library does without a connection. Matrix logs in at once, so it is checked when it
// is sent to.
func newLibrary(secret protocol.Token, scheme string) (sender, error) {
	service, _, _ := strings.Cut(scheme, "+")
	services := new(router.ServiceRouter).ListServices()
	slices.Sort(services)
	services = slices.DeleteFunc(services, func(s string) bool { return s == "logger" }) // which tells nobody
	if !slices.Contains(services, service) {
		return nil, fmt.Errorf("the URL begins with neither https:// nor one of %s", strings.Join(services, ", "))
	}
	if service != "matrix" {
		if _, err := locate(secret); err != nil {
			return nil, fmt.Errorf("the URL is none of %s: %w", service, newRedactor(secret).error(err))
		}
	}
	return &library{service: service, url: secret, hanging: make(chan struct{}, maxHanging)}, nil
}

// locate returns the service of a URL. Each send gets its own: they are not safe for concurrent use.
func locate(secret protocol.Token) (types.Service, error) {
	return new(router.ServiceRouter).Locate(strings.TrimSpace(secret.Reveal()))
}

func (l *library) kind() string { return l.service }

// send runs aside, since the library cannot be stopped. What never ends is given up on, and so many times only.
func (l *library) send(ctx context.Context, m message) error {
	select {
	case l.hanging <- struct{}{}:
	default:
		return errors.New("earlier messages are still under way")
	}
	text, done := m.text(plain()), make(chan error, 1)
	go func() {
		defer func() { <-l.hanging }()
		done <- l.deliver(text)
	}()
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
		return fmt.Errorf("not sent in time: %w", ctx.Err())
	}
}

func (l *library) deliver(text string) (err error) {
	defer func() {
		if reason := recover(); reason != nil {
			err = &failure{err: fmt.Errorf("the library panicked: %v", reason), final: true}
		}
	}()
	service, err := locate(l.url)
	if err != nil {
		return err
	}
	return service.Send(text, &types.Params{})
}
