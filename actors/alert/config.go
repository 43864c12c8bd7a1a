package alert

import (
	"cmp"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/rs/zerolog"

	"github.com/urban-robot/urban-robot/protocol"
)

// Level says how much an alert matters.
type Level int

// The levels, from the least on.
const (
	LevelInfo    Level = iota + 1 // as it should be: a rollout started, a release was promoted
	LevelWarning                  // taken care of, but look at it: a release was refused or reverted
	LevelError                    // somebody must act: a fleet is halted, its token was rejected
)

// Levels returns all of them, from the least on.
func Levels() []Level { return []Level{LevelInfo, LevelWarning, LevelError} }

// String returns the one spelling of the level.
func (l Level) String() string {
	switch l {
	case LevelInfo:
		return "info"
	case LevelWarning:
		return "warning"
	case LevelError:
		return "error"
	}
	return fmt.Sprintf("Level(%d)", int(l))
}

// ParseLevel returns the level that is spelled so.
func ParseLevel(text string) (Level, error) {
	for _, l := range Levels() {
		if l.String() == text {
			return l, nil
		}
	}
	return 0, fmt.Errorf("level is %q, want one of %v", text, Levels())
}

// Target is somewhere to send alerts to.
type Target struct {
	URL   protocol.Token // required; see the package's documentation
	Level Level          // the least that it is sent; default info
	Fleet string         // default: alerts of every fleet
	Name  string         // for our log, where the URL must not be; default: the kind and a number, such as discord-1
}

// Config says where alerts go and how they are joined.
type Config struct {
	Targets []Target       // none: alerts are dropped
	Log     zerolog.Logger // default: logs nothing

	Window    time.Duration     // alerts of a fleet within it are one message; default 5 s
	Quiet     time.Duration     // what was said last is not said again for so long; default 10 min
	Timeout   time.Duration     // for one try to send; default 10 s
	Attempts  int               // tries to send a message; default 4
	Backoff   time.Duration     // before the second try, doubled for each further one; default 1 s
	Queue     int               // alerts that wait to be joined; default 256
	Transport http.RoundTripper // sends to Discord and plain https; default: as http.DefaultTransport
}

const (
	maxMessages = 16              // that wait for one target
	maxLines    = 20              // kinds of alerts in one message
	maxBackoff  = time.Minute     // between two tries, whatever the target asks for
	farewell    = 3 * time.Second // to send what is left when the context has ended
	maxAnswer   = 4 << 10         // bytes that are read of an answer
	maxHanging  = 4               // sends of the library that were given up on and still run, for each target
	userAgent   = "urban-robot"   // sent to targets
	everyone    = "Urban Robot"   // the name of what concerns no fleet
)

func (c Config) withDefaults() Config {
	c.Window = cmp.Or(c.Window, 5*time.Second)
	c.Quiet = cmp.Or(c.Quiet, 10*time.Minute)
	c.Timeout = cmp.Or(c.Timeout, 10*time.Second)
	c.Attempts = cmp.Or(c.Attempts, 4)
	c.Backoff = cmp.Or(c.Backoff, time.Second)
	c.Queue = cmp.Or(c.Queue, 256)
	return c
}

func (c Config) validate() error {
	if c.Window < 0 || c.Quiet < 0 || c.Timeout <= 0 || c.Attempts < 1 || c.Backoff <= 0 || c.Queue < 1 {
		return errors.New("alert: Config has a limit below its least value")
	}
	for i, t := range c.Targets {
		if t.Level < 0 || t.Level > LevelError {
			return fmt.Errorf("alert: target %d: level is %s, want one of %v", i+1, t.Level, Levels())
		}
	}
	return nil
}
