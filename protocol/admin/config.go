package admin

import (
	"errors"
	"fmt"
	"time"

	"github.com/rs/zerolog"

	"github.com/urban-robot/urban-robot/protocol"
)

// Config is what the API needs.
type Config struct {
	Fleets Fleets         // required
	Trail  Trail          // required
	Token  protocol.Token // required; at least MinTokenLength characters
	Log    zerolog.Logger // default: logs nothing
	Ready  func() error   // what /readyz says, nil being ready; default: always ready

	Timeout time.Duration // from a request to its answer; default 10 s
}

// MinTokenLength is the least that a token has, in bytes: nobody guesses it then, at whatever rate.
const MinTokenLength = 16

const (
	maxBodyBytes   = 64 << 10
	maxHeaderBytes = 16 << 10
)

func (c Config) withDefaults() Config {
	if c.Timeout == 0 {
		c.Timeout = 10 * time.Second
	}
	if c.Ready == nil {
		c.Ready = func() error { return nil }
	}
	return c
}

func (c Config) validate() error {
	switch {
	case c.Fleets == nil:
		return errors.New("admin: Config.Fleets is missing")
	case c.Trail == nil:
		return errors.New("admin: Config.Trail is missing")
	case len(c.Token.Reveal()) < MinTokenLength:
		return fmt.Errorf("admin: Config.Token is missing or too short, want at least %d characters", MinTokenLength)
	case c.Timeout < time.Millisecond:
		return fmt.Errorf("admin: Config.Timeout is %s, want at least 1ms", c.Timeout)
	}
	return nil
}
