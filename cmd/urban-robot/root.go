package main

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// Exit codes of every command.
const (
	exitOK     = 0
	exitFailed = 1 // it was tried and failed; a configuration was refused
	exitUsage  = 2 // the command line itself is wrong; nothing was tried
)

// errReported means that the command has already printed why it failed.
var errReported = errors.New("reported")

// run carries out one command line and returns its exit code.
func run(args []string, stdout, stderr io.Writer) int {
	root, begun := newRoot()
	root.SetArgs(append([]string{}, args...)) // nil would mean the process's own
	root.SetFlagErrorFunc(flagError)
	root.SetOut(stdout)
	root.SetErr(stderr)
	cmd, err := root.ExecuteContextC(context.Background())
	switch {
	case err == nil:
		return exitOK
	case !*begun:
		fmt.Fprintf(stderr, "urban-robot: %v\n\n%s", err, cmd.UsageString())
		return exitUsage
	case !errors.Is(err, errReported):
		fmt.Fprintf(stderr, "urban-robot: %v\n", err)
	}
	return exitFailed
}

// flagError says what is wrong with a flag without repeating its value, which may be a secret in the wrong place.
func flagError(_ *cobra.Command, err error) error {
	if invalid, ok := errors.AsType[*pflag.InvalidValueError](err); ok {
		return fmt.Errorf("--%s: %w", invalid.GetFlag().Name, invalid.Unwrap())
	}
	if unknown, ok := errors.AsType[*pflag.NotExistError](err); ok && unknown.GetSpecifiedShortnames() != "" {
		return fmt.Errorf("unknown flag: -%s", unknown.GetSpecifiedName())
	}
	return err
}

// newRoot makes the command tree. begun becomes true when a command starts to run: whatever went wrong before that is
// wrong usage.
func newRoot() (root *cobra.Command, begun *bool) {
	begun = new(bool)
	root = &cobra.Command{
		Use:           "urban-robot",
		Short:         "Keep Discord bots answering while their code changes and their processes die",
		SilenceErrors: true,
		SilenceUsage:  true,
		PersistentPreRun: func(cmd *cobra.Command, _ []string) {
			*begun = cmd != root
		},
		RunE: func(*cobra.Command, []string) error {
			return errors.New("say what to do")
		},
	}
	root.AddCommand(newServe(), newDemo(), newCheck(), newVersion(), newDemoBot())
	root.AddCommand(newStatus(), newVersions(), newDeploy(), newRollback(), newTryAgain())
	return root, begun
}
