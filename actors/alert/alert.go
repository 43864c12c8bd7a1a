package alert

import (
	"cmp"
	"context"
	"fmt"
	"net/http"
	"sync"
	"time"

	"github.com/rs/zerolog"
)

// Alert is one thing that people should know. Two alerts are identical if they differ in Detail and At alone.
type Alert struct {
	Level   Level     // default error
	What    string    // happened, in a few words that go before the release: "refused", "rollout started"
	Fleet   string    // "" if it concerns them all
	Release string    // "" if it concerns none
	Reason  string    // from a list, such as vital_cog_failure, or ""
	Detail  string    // a sentence for people, or ""; text of any origin may stand here
	At      time.Time // default now
}

// Notifier sends alerts. It is safe for concurrent use.
type Notifier struct {
	config  Config
	inbox   *queue[Alert]
	targets []*target
	ours    *http.Transport // ours to close; nil if the configuration has one
}

// New checks the configuration. Nothing is opened or started.
func New(c Config) (*Notifier, error) {
	c = c.withDefaults()
	if err := c.validate(); err != nil {
		return nil, err
	}
	n := &Notifier{config: c, inbox: newQueue[Alert](c.Queue)}
	if c.Transport == nil {
		n.ours = &http.Transport{Proxy: http.ProxyFromEnvironment, ForceAttemptHTTP2: true, IdleConnTimeout: time.Minute}
		n.config.Transport = n.ours
	}
	urls := make(map[string]bool)
	for i, t := range c.Targets {
		t.Level = cmp.Or(t.Level, LevelInfo)
		s, err := newSender(t.URL, n.config.Transport)
		if err != nil {
			return nil, fmt.Errorf("alert: target %d: %w", i+1, err)
		}
		if t.Name == "" {
			t.Name = fmt.Sprintf("%s-%d", s.kind(), i+1)
		}
		n.targets = append(n.targets, &target{
			Target: t, config: n.config, sender: s, redact: newRedactor(t.URL), messages: newQueue[message](maxMessages),
			log: c.Log.With().Str("target", t.Name).Logger(), copied: urls[t.URL.Reveal()],
		})
		urls[t.URL.Reveal()] = true
	}
	return n, nil
}

// Send takes an alert. It never waits: if too many are waiting, the oldest is dropped for it.
func (n *Notifier) Send(a Alert) {
	if len(n.targets) == 0 {
		return
	}
	if a.At.IsZero() {
		a.At = time.Now()
	}
	if a.Level < LevelInfo || a.Level > LevelError {
		a.Level = LevelError // nobody should miss an alert for a fault of ours
	}
	n.inbox.push(a)
}

// Dropped returns how many alerts and messages there was no room for.
func (n *Notifier) Dropped() uint64 {
	dropped := n.inbox.dropped()
	for _, t := range n.targets {
		dropped += t.messages.dropped()
	}
	return dropped
}

// Run joins and sends alerts until the context ends. Then it tries once to send what is left, for three seconds at most. Only a
// send of the library that cannot be stopped may outlast it. Call it once.
func (n *Notifier) Run(ctx context.Context) {
	sending, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	var senders sync.WaitGroup
	for _, t := range n.targets {
		senders.Go(func() { t.run(ctx, sending) })
	}
	n.join(ctx)
	last := time.AfterFunc(farewell, stop)
	defer last.Stop()
	for _, t := range n.targets {
		t.messages.close()
	}
	senders.Wait()
	if n.ours != nil {
		n.ours.CloseIdleConnections()
	}
}

// join makes messages of alerts and hands them to the targets.
func (n *Notifier) join(ctx context.Context) {
	j := newJoiner(n.config.Window, n.config.Quiet)
	dropped := uint64(0)
	for {
		var due <-chan time.Time
		if wait, any := j.wait(time.Now()); any {
			due = time.After(wait)
		}
		select {
		case <-ctx.Done():
			j.add(time.Now(), n.inbox.take()...)
			n.hand(j.flush(time.Now(), true))
			return
		case <-n.inbox.ready:
			j.add(time.Now(), n.inbox.take()...)
		case <-due:
		}
		if d := n.inbox.dropped(); d > dropped {
			n.config.Log.Warn().Uint64("count", d-dropped).Msg("alerts dropped, too many at once")
			dropped = d
		}
		n.hand(j.flush(time.Now(), false))
	}
}

func (n *Notifier) hand(messages []message, quiet []message) {
	for _, m := range quiet {
		n.config.Log.Debug().EmbedObject(m).Msg("alert repeated, not sent")
	}
	for _, m := range messages {
		for _, t := range n.targets {
			t.take(m)
		}
	}
}

// MarshalZerologObject adds what a message is about to a line of our log.
func (m message) MarshalZerologObject(e *zerolog.Event) {
	head := m.head()
	e.Str("fleet", m.fleet).Stringer("severity", head.Level).Str("event", head.What).Str("release", head.Release).
		Str("reason", head.Reason).Str("detail", head.Detail).Int("count", m.count())
}
