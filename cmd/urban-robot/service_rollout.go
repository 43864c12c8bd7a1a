package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"time"

	"github.com/rs/zerolog"

	"github.com/urban-robot/urban-robot/actors"
	"github.com/urban-robot/urban-robot/actors/alert"
	"github.com/urban-robot/urban-robot/actors/fleet"
	"github.com/urban-robot/urban-robot/deploy"
	"github.com/urban-robot/urban-robot/deploy/driver/command"
	"github.com/urban-robot/urban-robot/deploy/driver/git"
	"github.com/urban-robot/urban-robot/protocol/admin"
	"github.com/urban-robot/urban-robot/protocol/webhook"
)

// driver is a deploy driver that looks after processes of its own.
type driver interface {
	deploy.Driver
	Run(ctx context.Context) error
}

// openDriver makes a fleet's driver; nil if it has none. exited hears of each death.
func openDriver(f *fleetConfig, log zerolog.Logger, exited func(deploy.Exit)) (driver, error) {
	d := f.Deploy
	log = log.With().Str("component", "driver").Str("fleet", f.Name).Logger()
	switch d.Driver {
	case driverGit:
		made, err := git.New(git.Config{
			Repository: d.Git.Repository, Branch: d.Git.Branch, Dir: d.Dir, Setup: d.Git.Setup, SetupTimeout: d.Git.SetupTimeout,
			Command: d.Git.Command, Passthrough: d.Environment, Grace: d.Grace, LogBytes: d.LogBytes, Forward: d.LogForward,
			OnExit: exited, Log: log,
		})
		if err != nil {
			return nil, fmt.Errorf("fleet %s: driver git: %w", f.Name, err)
		}
		return made, nil
	case driverCommand:
		k := d.Commands
		made, err := command.New(command.Config{
			Fleet: f.Name, Dir: d.Dir, Resolve: k.Resolve, Prepare: k.Prepare, Start: k.Start, Stop: k.Stop, Status: k.Status, Collect: k.Collect,
			Timeout: k.Timeout, Passthrough: d.Environment, OnExit: exited, Log: log,
		})
		if err != nil {
			return nil, fmt.Errorf("fleet %s: driver command: %w", f.Name, err)
		}
		return made, nil
	case driverNone:
		return nil, nil //nolint:nilnil // no driver is no error
	}
	return nil, fmt.Errorf("fleet %s: there is no driver %s", f.Name, d.Driver)
}

// openAlerts makes what tells people about a fleet; nil if nobody wants to know.
func openAlerts(f *fleetConfig, log zerolog.Logger) (*alert.Notifier, error) {
	if len(f.Alerts) == 0 {
		return nil, nil //nolint:nilnil // nobody to tell is no error
	}
	c := alert.Config{Log: log.With().Str("component", "alert").Logger()}
	for _, a := range f.Alerts {
		c.Targets = append(c.Targets, alert.Target{URL: a.URL.Token, Level: alertLevel(a.Level)})
	}
	n, err := alert.New(c)
	if err != nil {
		return nil, fmt.Errorf("fleet %s: %w", f.Name, err)
	}
	return n, nil
}

func alertLevel(text string) alert.Level {
	switch text {
	case "info":
		return alert.LevelInfo
	case "error":
		return alert.LevelError
	}
	return alert.LevelWarning
}

// teller returns what a fleet's rules tell people through.
func teller(name string, n *alert.Notifier) func(fleet.Alert) {
	if n == nil {
		return nil
	}
	return func(a fleet.Alert) {
		n.Send(alert.Alert{
			Level: alertLevel(a.Level.String()), What: a.What, Fleet: name, Release: string(a.Release), Reason: a.Reason, Detail: a.Detail, At: a.At,
		})
	}
}

// openHooks makes the webhooks of all fleets.
func openHooks(c config, operations actors.Operations, log zerolog.Logger) (*webhook.Handler, error) {
	hooks := webhook.Config{Fleets: map[string]webhook.Hook{}, Push: pusher(operations), Log: log.With().Str("component", "webhook").Logger()}
	for _, f := range c.Fleets {
		if w := f.Deploy.Webhook; w.Provider != noProvider {
			hooks.Fleets[f.Name] = webhook.Hook{
				Provider: webhook.Provider(w.Provider), Secret: w.Secret.Token, Branch: f.Deploy.Git.Branch, Only: w.Only,
			}
		}
	}
	return webhook.New(hooks)
}

// pusher hands pushes to the fleets. What takes longer than a provider waits goes on without it.
func pusher(operations actors.Operations) webhook.PushFunc {
	return func(ctx context.Context, name string, p webhook.Push) (string, error) {
		within, cancel := context.WithTimeout(ctx, 5*time.Second)
		defer cancel()
		answer, err := operations.Push(within, name, p.Commit, "webhook, push by "+p.Pusher)
		switch {
		case errors.Is(err, context.DeadlineExceeded):
			return "it is being fetched; the audit trail says what comes of it", nil
		case err != nil:
			return "", err
		case answer.Result == admin.ResultRefused:
			return answer.Text, webhook.ErrRefused
		}
		return answer.Text, nil
	}
}

// reachable is the address at which processes on this machine find a listener.
func reachable(at net.Addr) string {
	host, port, err := net.SplitHostPort(at.String())
	if ip := net.ParseIP(host); err == nil && ip != nil && ip.IsUnspecified() {
		host = "127.0.0.1"
		if ip.To4() == nil {
			host = "::1"
		}
	}
	return "http://" + net.JoinHostPort(host, port)
}
