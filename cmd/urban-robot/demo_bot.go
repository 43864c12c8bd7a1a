package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
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
	demoBotFile    = "bot.json"             // in the bot's repository: a demoScript
	demoBotPace    = 5 * time.Millisecond   // between two pieces of work of an active bot
	demoBotShare   = 100 * time.Millisecond // between two caches of an active bot
)

// demoScript is the code of a bot of the demo, as its repository holds it.
type demoScript struct {
	Version string `json:"version"`
	Broken  string `json:"broken,omitempty"`   // a cog that does not load
	CrashMS int    `json:"crash_ms,omitempty"` // it exits so long after it became active; 0: it does not
}

// sighting is what a bot of the demo says of itself: what happened to it, and when.
type sighting struct {
	At       time.Time `json:"at"`
	Event    string    `json:"event"` // started, ready, active, coma, cache, shutdown; gone is found by its end
	Version  string    `json:"version"`
	Instance string    `json:"instance"`
	PID      int       `json:"pid"`
	Epoch    uint64    `json:"epoch,omitempty"`
	Reason   string    `json:"reason,omitempty"`
	Counter  int64     `json:"counter"` // the state that is handed on
}

// demoBot is a bot without Discord: its work is a counter, which must go on where the one before it stopped.
type demoBot struct {
	script   demoScript
	instance string
	counter  atomic.Int64
	client   *urbanrobot.Client

	mu  sync.Mutex
	out *json.Encoder
}

func newDemoBot() *cobra.Command {
	var stage string
	cmd := &cobra.Command{
		Use: demoBotCommand, Short: "A bot of the demo", Hidden: true, Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			ctx, stop := signal.NotifyContext(cmd.Context(), syscall.SIGTERM, syscall.SIGINT)
			defer stop()
			return runDemoBot(ctx, stage)
		},
	}
	cmd.Flags().StringVar(&stage, "stage", "", "where the demo listens")
	return cmd
}

// runDemoBot runs the bot whose code is in the working directory.
func runDemoBot(ctx context.Context, stage string) error {
	b := &demoBot{}
	code, err := os.ReadFile(demoBotFile)
	if err != nil {
		return fmt.Errorf("read the bot's code: %w", err)
	}
	if err := json.Unmarshal(code, &b.script); err != nil {
		return fmt.Errorf("read the bot's code: %w", err)
	}
	conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", stage)
	if err != nil {
		return fmt.Errorf("find the demo: %w", err)
	}
	b.out = json.NewEncoder(conn)
	options, err := urbanrobot.FromEnvironment(urbanrobot.Options{})
	if err != nil {
		return err
	}
	b.instance = options.Instance
	b.print(sighting{Event: "started"})
	return errors.Join(b.run(ctx, options), conn.Close())
}

// run is what a bot's author would write.
func (b *demoBot) run(ctx context.Context, o urbanrobot.Options) (err error) {
	o.Version = cmp.Or(o.Version, b.script.Version)
	o.Login = func(context.Context, protocol.Token) error {
		b.print(sighting{Event: "ready"})
		return nil
	}
	o.Health = b.health
	o.Cache = func() []byte { return fmt.Appendf(nil, `{"counter":%d}`, b.counter.Load()) }
	o.OnCache = b.adopt
	o.OnActive = b.activated
	o.OnComa = func(reason protocol.Reason) { b.print(sighting{Event: "coma", Reason: string(reason)}) }
	o.OnShutdown = func(reason protocol.Reason) { b.print(sighting{Event: "shutdown", Reason: string(reason)}) }
	if b.client, err = urbanrobot.New(o); err != nil {
		return err
	}
	go b.work(ctx)
	return b.client.Run(ctx)
}

func (b *demoBot) activated(a urbanrobot.Activation) {
	b.print(sighting{Event: "active", Epoch: a.Epoch})
	if b.script.CrashMS > 0 {
		time.AfterFunc(time.Duration(b.script.CrashMS)*time.Millisecond, func() { panic("the demo's bad version crashes, as it should") })
	}
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
	if b.script.Broken != "" {
		report.Cogs[b.script.Broken] = protocol.Cog{Error: "ImportError: no module named 'moderation_rules'"}
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
	s.At, s.Version, s.Instance, s.PID, s.Counter = time.Now(), b.script.Version, b.instance, os.Getpid(), b.counter.Load()
	_ = b.out.Encode(s) // the demo has gone, and the bot ends with it
}

func demoCogs() []string { return []string{"cogs.fun", "cogs.moderation", "cogs.music"} }
