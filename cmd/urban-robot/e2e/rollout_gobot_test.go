package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"os/signal"
	"sync"
	"syscall"
	"time"

	"github.com/urban-robot/urban-robot/protocol"
	urbanrobot "github.com/urban-robot/urban-robot/protocol/sdk/go"
)

// goBotArgument makes this test program the bot in the working directory, on the Go client.
const goBotArgument = "rollout-bot"

// goBot does what testdata/rollout/main.py does.
type goBot struct {
	code   code
	out    *json.Encoder
	client *urbanrobot.Client

	mu     sync.Mutex // held while something is said: what it says of whether it is active is in the order of that
	active bool
	said   sighting
}

// runGoBot is the bot's main: it says at that address what happens to it.
func runGoBot(stage string) error {
	text, err := os.ReadFile("bot.json")
	if err != nil {
		return err
	}
	b := &goBot{}
	if err := json.Unmarshal(text, &b.code); err != nil {
		return err
	}
	conn, err := net.Dial("tcp", stage)
	if err != nil {
		return err
	}
	b.out = json.NewEncoder(conn)
	options, err := urbanrobot.FromEnvironment(urbanrobot.Options{})
	if err != nil {
		return err
	}
	b.said = sighting{Name: b.code.Name, Version: options.Version, Instance: options.Instance, PID: os.Getpid()}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	if b.code.Stubborn {
		ctx = context.WithoutCancel(ctx)
	}
	b.note("started", "")
	switch b.code.Start {
	case "exit":
		return fmt.Errorf("a bot that ends at once")
	case "silent":
		<-ctx.Done()
		return nil
	}
	return b.run(ctx, options)
}

func (b *goBot) run(ctx context.Context, o urbanrobot.Options) (err error) {
	o.Login = func(ctx context.Context, _ protocol.Token) error {
		b.note("hello", "")
		if b.code.Start == "unready" {
			<-ctx.Done()
		}
		return ctx.Err()
	}
	o.Health = func(_ context.Context, phase protocol.Phase) protocol.HealthReport { return b.health(phase) }
	o.Cache = func() []byte { return fmt.Appendf(nil, `{"name":%q}`, b.code.Name) }
	o.OnActive = func(a urbanrobot.Activation) { b.activate(a.Epoch) }
	o.OnComa = func(reason protocol.Reason) { b.stop("coma", string(reason)) }
	o.OnShutdown = func(reason protocol.Reason) {
		b.stop("shutdown", string(reason))
		b.note("told", string(reason))
	}
	if b.client, err = urbanrobot.New(o); err != nil {
		return err
	}
	go b.work(ctx)
	return b.client.Run(ctx)
}

// work says that the bot processes commands, for as long as it may.
func (b *goBot) work(ctx context.Context) {
	pace := time.NewTicker(25 * time.Millisecond)
	defer pace.Stop()
	for {
		select {
		case <-pace.C:
		case <-ctx.Done():
			return
		}
		b.mu.Lock()
		if b.active && b.client.Active() {
			b.say("work", "")
		}
		b.mu.Unlock()
	}
}

func (b *goBot) activate(epoch uint64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.active {
		return
	}
	b.active, b.said.Epoch = true, epoch
	b.say("active", "")
	if b.code.CrashMS > 0 {
		time.AfterFunc(time.Duration(b.code.CrashMS)*time.Millisecond, func() {
			b.mu.Lock()
			b.say("crash", "")
			os.Exit(3)
		})
	}
}

func (b *goBot) stop(event, reason string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.active {
		b.active = false
		b.say(event, reason)
	}
}

func (b *goBot) health(phase protocol.Phase) protocol.HealthReport {
	b.note("checked", string(phase))
	text := b.code.Health
	if phase == protocol.PhaseBake && b.code.Later != nil {
		text = b.code.Later
	}
	if text == nil {
		text = json.RawMessage(`{"cogs":{"cogs.core":true,"cogs.fun":true}}`)
	}
	event, failed := protocol.DecodeEvent(protocol.EventHealthCheck, text, nil)
	report, ok := event.(protocol.HealthReport)
	if failed != nil || !ok {
		b.note("bad test", string(text))
	}
	return report
}

func (b *goBot) note(event, reason string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.say(event, reason)
}

func (b *goBot) say(event, reason string) {
	b.said.At, b.said.Event, b.said.Reason = time.Now().UnixNano(), event, reason
	_ = b.out.Encode(b.said) // the test has gone
}
