package alert

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/rs/zerolog"

	"github.com/urban-robot/urban-robot/protocol"
)

// target sends the messages of one Target, one after the other.
type target struct {
	Target
	config   Config
	sender   sender
	redact   redactor
	messages *queue[message]
	log      zerolog.Logger
	copied   bool // another target has the same URL, and hears of what concerns no fleet
}

// sender is a way to send. send is called from one goroutine at a time and returns once the context ends. Its error, which may
// hold anything, is redacted by who calls it.
type sender interface {
	kind() string
	send(ctx context.Context, m message) error
}

// failure is an error of a sender that knows how to go on.
type failure struct {
	err   error
	final bool          // it would fail again
	after time.Duration // that the target wants to be left alone for; zero if it did not say
}

func (f *failure) Error() string { return f.err.Error() }

func (f *failure) Unwrap() error { return f.err }

// take queues what of a message is for this target.
func (t *target) take(m message) {
	if t.Fleet != "" && m.fleet != t.Fleet && (m.fleet != "" || t.copied) {
		return
	}
	m, ok := m.atLeast(t.Level)
	if ok && !t.messages.push(m) {
		t.log.Warn().Uint64("count", t.messages.dropped()).Msg("alert dropped, its target is too slow")
	}
}

// run sends until the queue is closed and empty. When ctx has ended nothing is tried again; when sending has ended, nothing is
// sent any more.
func (t *target) run(ctx, sending context.Context) {
	for {
		m, ok, more := t.messages.next()
		switch {
		case !more:
			return
		case ok:
			t.deliver(ctx, sending, m)
		default:
			<-t.messages.ready
		}
	}
}

// deliver sends a message, or logs that it could not.
func (t *target) deliver(ctx, sending context.Context, m message) {
	begun := time.Now()
	for attempt := 1; ; attempt++ {
		err := t.try(sending, m)
		if err == nil {
			t.log.Debug().EmbedObject(m).Int("attempt", attempt).Dur("took", time.Since(begun)).Msg("alert sent")
			return
		}
		var f *failure
		known := errors.As(err, &f)
		said := t.redact.error(err)
		if known && f.final || attempt == t.config.Attempts || ctx.Err() != nil {
			t.log.Error().EmbedObject(m).AnErr("err", said).Int("attempt", attempt).Dur("took", time.Since(begun)).Msg("alert not sent")
			return
		}
		t.log.Debug().AnErr("err", said).Int("attempt", attempt).Msg("alert is tried again")
		pause := t.config.Backoff << min(attempt-1, 16)
		if known {
			pause = max(pause, f.after)
		}
		select {
		case <-time.After(min(pause, maxBackoff)):
		case <-ctx.Done():
		}
	}
}

func (t *target) try(ctx context.Context, m message) error {
	ctx, cancel := context.WithTimeout(ctx, t.config.Timeout)
	defer cancel()
	return t.sender.send(ctx, m)
}

// newSender chooses the way to send by the URL. Its error says nothing of the URL.
func newSender(secret protocol.Token, transport http.RoundTripper) (sender, error) {
	u, err := parse(secret)
	switch {
	case err != nil:
		return nil, err
	case u.Scheme == "https" || u.Scheme == "http":
		return newPoster(u, transport)
	case u.Scheme == "discord":
		return newDiscord(u, transport)
	}
	return newLibrary(secret, u.Scheme)
}
