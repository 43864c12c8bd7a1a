package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/urban-robot/urban-robot/protocol"
)

const demoFleet = "demo"

func newDemo() *cobra.Command {
	var keep bool
	cmd := &cobra.Command{
		Use:   "demo",
		Short: "Watch bots start, swap, be refused, crash and be replaced: no Discord, no configuration",
		Long: `Demo starts Urban Robot on a free port with bots of its own, real processes over real Socket.IO, and plays a story: a cold start, a
swap to a new version with its cache, a bad version refused, the active bot killed and the standby taking over. It holds each step to
the contract and says how long it took. Exit code: 0 if all of it happened as promised, else 1.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			ctx, stop := signal.NotifyContext(cmd.Context(), syscall.SIGINT, syscall.SIGTERM)
			defer stop()
			return runDemo(ctx, cmd.OutOrStdout(), keep)
		},
	}
	cmd.Flags().BoolVar(&keep, "keep", false, "leave service and bots running at the end, until interrupted")
	return cmd
}

func runDemo(ctx context.Context, out io.Writer, keep bool) (err error) {
	dir, err := os.MkdirTemp("", "urban-robot-demo-")
	if err != nil {
		return fmt.Errorf("make a folder for the demo: %w", err)
	}
	logFile, err := os.Create(filepath.Join(dir, "service.log")) //nolint:gosec // G304: in the folder just made
	if err != nil {
		return fmt.Errorf("write the demo's log: %w", err)
	}
	s, err := openService(ctx, demoConfig(dir), newLog(logConfig{Level: "info", Format: "json"}, logFile))
	if err != nil {
		return err
	}
	serving, stop := context.WithCancel(context.WithoutCancel(ctx))
	ended := make(chan error, 1)
	go func() { ended <- s.run(serving) }()
	c := newCast(s.url(), func(instance string) { s.system.Exited(demoFleet, instance) })
	defer func() {
		c.stop()
		stop()
		err = errors.Join(err, <-ended, logFile.Close())
		if err == nil {
			err = os.RemoveAll(dir)
		} else {
			fmt.Fprintf(out, "\nThe service's log is kept in %s\n", logFile.Name())
		}
	}()
	fmt.Fprintf(out, "Urban Robot on %s with one fleet %q. The bots are real processes, their work is a counter.\n", s.url(), demoFleet)
	tale := &story{out: out, cast: c, trail: s.awaitTrail, begun: time.Now()}
	if err := tale.play(ctx); err != nil {
		return err
	}
	if keep {
		fmt.Fprintf(out, "\nLeft running: %s, log in %s. Interrupt to end it.\n", s.url(), logFile.Name())
		<-ctx.Done()
	}
	if tale.fails > 0 {
		return fmt.Errorf("%d promises were not kept", tale.fails)
	}
	fmt.Fprintln(out, "\nAll of it happened as the contract says.")
	return nil
}

// awaitTrail returns the time of the first line of the demo's audit trail that says this of this release.
func (s *service) awaitTrail(ctx context.Context, event, release string) (time.Time, error) {
	within, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	poll := time.NewTicker(10 * time.Millisecond)
	defer poll.Stop()
	after := uint64(0)
	for {
		lines, err := s.store.Events(within, demoFleet, after, 100)
		if err != nil {
			return time.Time{}, fmt.Errorf("wait for %q of release %s: %w", event, release, err)
		}
		for _, line := range lines {
			if after = line.ID; line.Event == event && string(line.Release) == release {
				return line.At, nil
			}
		}
		select {
		case <-poll.C:
		case <-within.Done():
		}
	}
}

// demoConfig is the default configuration with a state of its own, short times, and no pause between logins: there is no Discord to
// be gentle with.
func demoConfig(dir string) config {
	c := defaultConfig()
	c.Listen, c.State = "127.0.0.1:0", filepath.Join(dir, "state.db")
	f := c.fleet(demoFleet)
	f.Token.Token = protocol.NewToken("there is no Discord in the demo")
	f.Seat.Lease = 10 * time.Second
	f.Login.Spacing = 0
	f.Health.VitalCogs = []string{"cogs.moderation"}
	f.Health.Interval, f.Health.Timeout, f.Health.Bake = time.Second, 500*time.Millisecond, time.Second
	c.finish()
	return c
}
