package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/urban-robot/urban-robot/actors"
	"github.com/urban-robot/urban-robot/protocol"
)

const demoFleet = "demo"

func newDemo() *cobra.Command {
	var keep bool
	cmd := &cobra.Command{
		Use:   "demo",
		Short: "Watch git pushes go into service, be refused and be taken back: no Discord, no configuration",
		Long: `Demo starts Urban Robot on a free port with a git repository and bots of its own, real processes over real Socket.IO, and plays a
story: a first start, a push that takes over with its cache, a push that is refused, a push that crashes and is taken back, the active
bot killed and a standby taking over. It holds each step to the contract and says how long it took. It needs git. Exit code: 0 if all of it
happened as promised, else 1.`,
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
	if _, err := exec.LookPath("git"); err != nil {
		return errors.New("the demo pushes to a git repository of its own: install git")
	}
	dir, err := os.MkdirTemp("", "urban-robot-demo-")
	if err != nil {
		return fmt.Errorf("make a folder for the demo: %w", err)
	}
	logFile, err := os.Create(filepath.Join(dir, "service.log")) //nolint:gosec // G304: in the folder just made
	if err != nil {
		return fmt.Errorf("write the demo's log: %w", err)
	}
	defer func() {
		err = errors.Join(err, logFile.Close())
		switch {
		case err == nil:
			err = os.RemoveAll(dir)
		case ctx.Err() != nil:
			err = errors.Join(errors.New("interrupted"), os.RemoveAll(dir))
		default:
			fmt.Fprintf(out, "\nEverything the demo wrote is kept in %s\n", dir)
		}
	}()
	theatre, err := openStage(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, theatre.close()) }()
	repository, err := newDemoRepository(ctx, dir)
	if err != nil {
		return err
	}
	first, err := repository.push(ctx, demoScript{Version: "1.0.0"})
	if err != nil {
		return err
	}
	c, err := demoConfig(dir, repository, theatre)
	if err != nil {
		return err
	}
	s, err := openService(ctx, c, newLog(logConfig{Level: "info", Format: "json"}, logFile))
	if err != nil {
		return err
	}
	repository.hook = s.url() + "/hooks/" + demoFleet
	tale := &story{
		out: out, stage: theatre, repository: repository, fleets: actors.Operations{System: s.system}, trail: s.awaitTrail, begun: time.Now(),
	}
	return s.perform(ctx, tale, first, keep)
}

// perform runs the service while the story is played, and ends its bots with it.
func (s *service) perform(ctx context.Context, tale *story, first string, keep bool) error {
	serving, stop := context.WithCancel(context.WithoutCancel(ctx))
	ended := make(chan error, 1)
	go func() { ended <- s.run(serving) }()
	fmt.Fprintf(tale.out, "Urban Robot on %s with one fleet, a git repository and a webhook. The bots are real processes, their work is a counter.\n", s.url())
	err := tale.play(ctx, first)
	if err == nil && keep {
		fmt.Fprintf(tale.out, "\nLeft running: %s, everything in %s. Interrupt to end it.\n", s.url(), filepath.Dir(s.config.State))
		<-ctx.Done()
	}
	for _, d := range s.drivers {
		err = errors.Join(err, stopAll(context.WithoutCancel(ctx), d))
	}
	stop()
	err = errors.Join(err, <-ended)
	switch {
	case err != nil:
		return err
	case tale.fails > 0:
		return fmt.Errorf("%d promises were not kept", tale.fails)
	}
	fmt.Fprintln(tale.out, "\nAll of it happened as the contract says.")
	return nil
}

// stopAll ends the processes that a driver started.
func stopAll(ctx context.Context, d driver) error {
	within, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	processes, err := d.Running(within)
	for _, p := range processes {
		err = errors.Join(err, d.Stop(within, p.Instance))
	}
	return err
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
func demoConfig(dir string, repository *demoRepository, theatre *stage) (config, error) {
	self, err := os.Executable()
	if err != nil {
		return config{}, fmt.Errorf("find this program: %w", err)
	}
	c := defaultConfig()
	c.Listen, c.State = "127.0.0.1:0", filepath.Join(dir, "state.db")
	f := c.fleet(demoFleet)
	f.Token.Token = protocol.NewToken("there is no Discord in the demo")
	f.Seat.Lease = 10 * time.Second
	f.Login.Spacing = 0
	f.Health.VitalCogs = []string{"cogs.moderation"}
	f.Health.Interval, f.Health.Timeout, f.Health.Bake = time.Second, 500*time.Millisecond, time.Second
	f.Restart.BackoffMin = 100 * time.Millisecond
	f.Deploy.Driver, f.Deploy.Dir, f.Deploy.Grace = driverGit, filepath.Join(dir, "deploy"), time.Second
	f.Deploy.Git.Repository, f.Deploy.Git.Command = repository.bare, []string{self, demoBotCommand, "--stage", theatre.address()}
	f.Deploy.Webhook.Provider, f.Deploy.Webhook.Secret.Token = "github", protocol.NewToken(demoSecret)
	c.finish()
	return c, nil
}
