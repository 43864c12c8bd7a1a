package main

import (
	"context"
	"fmt"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"
)

func newServe() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "serve",
		Short: "Run Urban Robot: take connections from bots and decide who processes commands",
		Long: `Serve runs until it is told to stop. SIGTERM or SIGINT ends it in good order: bots are told nothing, keep processing within their
lease, and come back to the next one. A second signal ends it at once.

With no configuration there is one fleet "default" with the token in DISCORD_TOKEN, for bots on this machine. "urban-robot check --help"
explains every key.`,
		Args: noConfigArgument,
	}
	flags := addConfigFlags(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		c, err := flags.load()
		if err != nil {
			return err
		}
		ctx, stop := signal.NotifyContext(cmd.Context(), syscall.SIGINT, syscall.SIGTERM)
		defer stop()
		context.AfterFunc(ctx, stop) // the second signal is not ours any more
		log := newLog(c.Log, cmd.ErrOrStderr())
		s, err := openService(ctx, c, log)
		if err != nil {
			return err
		}
		if err := s.run(ctx); err != nil {
			return fmt.Errorf("stopped: %w", err)
		}
		return nil
	}
	return cmd
}
