package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os/signal"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/urban-robot/urban-robot/protocol"
	urbanrobot "github.com/urban-robot/urban-robot/protocol/sdk/go"
)

const (
	demoBotCommand = "demo-bot"
	demoBotPace    = 5 * time.Millisecond   // between two pieces of work of an active bot
	demoBotShare   = 100 * time.Millisecond // between two caches of an active bot
)

// sighting is one line that a bot of the demo prints: what happened to it, and when.
type sighting struct {
	At      time.Time `json:"at"`
	Event   string    `json:"event"` // ready, active, coma, cache, shutdown, gone
	Epoch   uint64    `json:"epoch,omitempty"`
	Reason  string    `json:"reason,omitempty"`
	Counter int64     `json:"counter"` // the state that is handed on
}

// demoBot is a bot without Discord: its work is a counter, which must go on where the one before it stopped.
type demoBot struct {
	broken  string // a cog that does not load; empty: all do
	counter atomic.Int64
	client  *urbanrobot.Client

	mu  sync.Mutex
	out *json.Encoder
}

func newDemoBot() *cobra.Command {
	var options urbanrobot.Options
	var broken string
	cmd := &cobra.Command{
		Use: demoBotCommand, Short: "A bot of the demo", Hidden: true, Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			ctx, stop := signal.NotifyContext(cmd.Context(), syscall.SIGTERM, syscall.SIGINT)
			defer stop()
			return newDemoBotProcess(cmd.OutOrStdout(), broken).run(ctx, options)
		},
	}
	cmd.Flags().StringVar(&options.URL, "url", "", "where Urban Robot listens")
	cmd.Flags().StringVar(&options.Version, "version", "", "the bot's release")
	cmd.Flags().StringVar(&options.Instance, "instance", "", "the name of this process")
	cmd.Flags().StringVar(&broken, "broken", "", "a cog that does not load")
	return cmd
}

func newDemoBotProcess(w io.Writer, broken string) *demoBot {
	return &demoBot{broken: broken, out: json.NewEncoder(w)}
}

// run is what a bot's author would write.
func (b *demoBot) run(ctx context.Context, o urbanrobot.Options) (err error) {
	o.Login = func(context.Context, protocol.Token) error {
		b.print(sighting{Event: "ready"})
		return nil
	}
	o.Health = b.health
	o.Cache = func() []byte { return fmt.Appendf(nil, `{"counter":%d}`, b.counter.Load()) }
	o.OnCache = b.adopt
	o.OnActive = func(a urbanrobot.Activation) { b.print(sighting{Event: "active", Epoch: a.Epoch}) }
	o.OnComa = func(reason protocol.Reason) { b.print(sighting{Event: "coma", Reason: string(reason)}) }
	o.OnShutdown = func(reason protocol.Reason) { b.print(sighting{Event: "shutdown", Reason: string(reason)}) }
	if b.client, err = urbanrobot.New(o); err != nil {
		return err
	}
	go b.work(ctx)
	return b.client.Run(ctx)
}

// work counts while the bot is active, and shares the count now and then.
func (b *demoBot) work(ctx context.Context) {
	pace, share := time.NewTicker(demoBotPace), time.NewTicker(demoBotShare)
	defer pace.Stop()
	defer share.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-pace.C:
			if done, process := b.client.Begin(""); process {
				b.counter.Add(1)
				done()
			}
		case <-share.C:
			if b.client.Active() {
				b.client.SendCache()
			}
		}
	}
}

func (b *demoBot) health(context.Context, protocol.Phase) protocol.HealthReport {
	report := protocol.HealthReport{Cogs: map[string]protocol.Cog{}}
	for _, name := range demoCogs() {
		report.Cogs[name] = protocol.Cog{OK: true}
	}
	if b.broken != "" {
		report.Cogs[b.broken] = protocol.Cog{Error: "ImportError: no module named 'moderation_rules'"}
	}
	return report
}

// adopt takes the counter over from the bot before.
func (b *demoBot) adopt(cache []byte) {
	var state struct {
		Counter int64 `json:"counter"`
	}
	if json.Unmarshal(cache, &state) == nil && !b.client.Active() {
		b.counter.Store(state.Counter)
		b.print(sighting{Event: "cache"})
	}
}

func (b *demoBot) print(s sighting) {
	b.mu.Lock()
	defer b.mu.Unlock()
	s.At, s.Counter = time.Now(), b.counter.Load()
	_ = b.out.Encode(s) // the demo has gone, and the bot ends with it
}

func demoCogs() []string { return []string{"cogs.fun", "cogs.moderation", "cogs.music"} }
