package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/urban-robot/urban-robot/protocol/admin"
)

// ask tells the service to do something to the fleet and, perhaps, the release in args.
type ask func(ctx context.Context, c *admin.Client, args []string) (admin.Outcome, error)

func newDeploy() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "deploy FLEET RELEASE",
		Short: "Put a release into service: a branch, a tag, a commit",
		Long: `Deploy tells a running service to try a release. The one that serves goes on until the new one has proved its health; if it
fails, the last good one is back. Without --wait it is enough that the service has accepted.

`,
		Example: `  urban-robot deploy helium v1.4.0
  urban-robot deploy helium main --wait`,
		Args: fleetArguments(2, 2),
	}
	return rollout(cmd, func(ctx context.Context, c *admin.Client, args []string) (admin.Outcome, error) {
		return c.Deploy(ctx, args[0], args[1], caller())
	})
}

func newRollback() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "rollback FLEET [RELEASE]",
		Short: "Go back to an earlier release, or to the last good one",
		Long: `Rollback tells a running service to go back. Without a release it is the last known good one.

`,
		Example: "  urban-robot rollback helium --wait",
		Args:    fleetArguments(1, 2),
	}
	return rollout(cmd, func(ctx context.Context, c *admin.Client, args []string) (admin.Outcome, error) {
		release := ""
		if len(args) > 1 {
			release = args[1]
		}
		return c.Rollback(ctx, args[0], release, caller())
	})
}

func newTryAgain() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "try-again FLEET",
		Short: "Lift a halt, and the refusal of the release that failed last",
		Long: `Try-again tells a running service that somebody has looked: a halted fleet goes on, and the release that failed last may be tried
once more.

`,
		Example: "  urban-robot try-again helium",
		Args:    fleetArguments(1, 1),
	}
	return rollout(cmd, func(ctx context.Context, c *admin.Client, args []string) (admin.Outcome, error) {
		return c.TryAgain(ctx, args[0], caller())
	})
}

// rolloutReport is what -o json prints.
type rolloutReport struct {
	admin.Outcome

	Ended *admin.LastAttempt `json:"ended,omitempty"` // with --wait
}

// failure says why it was not done, or how it went wrong.
func (r rolloutReport) failure() error {
	switch {
	case r.Result == admin.ResultRefused:
		return errors.New("refused: " + visible(r.Text))
	case r.Ended != nil && r.Ended.Stage != admin.StageGood:
		return fmt.Errorf("%s ended %s", visible(generation(cmp.Or(r.Ended.Release, r.Release), r.Ended.Generation)), visible(ended(r.Ended)))
	}
	return nil
}

// rollout completes a command that asks for something which takes its time.
func rollout(cmd *cobra.Command, do ask) *cobra.Command {
	cmd.Long += clientHelp
	client := addClientFlags(cmd)
	format := addOutputFlag(cmd)
	wait := cmd.Flags().Bool("wait", false, "wait until the attempt has ended, bake and all; exit code 0 only if it is good")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		c, err := client.connect()
		if err != nil {
			return err
		}
		ctx, stop := signal.NotifyContext(cmd.Context(), syscall.SIGINT, syscall.SIGTERM)
		defer stop()
		out := cmd.OutOrStdout()
		if *format == outputJSON {
			report, err := followRollout(ctx, c, args, do, *wait, func(string) {})
			if err != nil {
				return err
			}
			if err := printJSON(out, report); err != nil {
				return err
			}
			if report.failure() != nil {
				return errReported
			}
			return nil
		}
		lines := &lineWriter{w: out}
		report, err := followRollout(ctx, c, args, do, *wait, lines.say)
		return cmp.Or(err, report.failure(), lines.err)
	}
	return cmd
}

// followRollout asks for it and, if told to, waits for its end. say gets each line for people, except what failure says.
func followRollout(
	ctx context.Context, c *admin.Client, args []string, do ask, wait bool, say func(line string),
) (report rolloutReport, err error) {
	if report.Outcome, err = do(ctx, c, args); err != nil {
		return report, explain(err)
	}
	if report.Result == admin.ResultRefused {
		return report, nil
	}
	say(string(report.Result) + ": " + visible(report.Text))
	switch {
	case !wait:
		return report, nil
	case report.Generation == 0:
		say("there is no attempt to wait for")
		return report, nil
	}
	w := waiter{
		status: func(ctx context.Context) (admin.Fleet, error) { return c.Status(ctx, args[0]) }, say: say, generation: report.Generation,
	}
	end, err := w.wait(ctx)
	if err != nil {
		return report, explain(err)
	}
	if report.Ended = &end; end.Stage == admin.StageGood {
		say(visible(generation(end.Release, end.Generation)) + " is good")
	}
	return report, nil
}

// lineWriter prints lines and keeps the first error.
type lineWriter struct {
	w   io.Writer
	err error
}

func (l *lineWriter) say(line string) {
	if _, err := fmt.Fprintln(l.w, line); l.err == nil {
		l.err = err
	}
}
