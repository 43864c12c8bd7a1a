package main

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"
	"unicode"

	"github.com/spf13/cobra"

	"github.com/urban-robot/urban-robot/protocol/admin"
)

// clientHelp is said of every command that talks to a running service.
const clientHelp = `The service is found by --url or ` + clientURLVariable + `, else at ` + defaultClientURL + `. Its token, the one that
admin.token names, is read from the file that --token-file names or from ` + clientTokenVariable + `; it is never written on
the command line. Exit code: 0 fine, 1 failed or refused, 2 wrong usage.`

// fleetArguments wants from least to most of FLEET and RELEASE, and says which one is missing.
func fleetArguments(least, most int) cobra.PositionalArgs {
	names := []string{"FLEET", "RELEASE"}
	return func(cmd *cobra.Command, args []string) error {
		switch {
		case len(args) < least:
			return fmt.Errorf("%s is missing: write urban-robot %s", names[len(args)], cmd.Use)
		case len(args) > most:
			return fmt.Errorf("%s takes %s: write urban-robot %s", cmd.Name(), count(most, "argument"), cmd.Use)
		}
		for i, arg := range args {
			if arg == "" {
				return fmt.Errorf("%s is empty: write urban-robot %s", names[i], cmd.Use)
			}
		}
		return nil
	}
}

// explain adds to an error of the service what the command line can do about it.
func explain(err error) error {
	if errors.Is(err, admin.ErrUnauthorized) {
		return fmt.Errorf("%w; %s", err, howToGiveToken)
	}
	return err
}

// table prints columns for people. What it prints comes from bots as well: nothing of it may steer a terminal.
type table struct {
	out     io.Writer
	text    strings.Builder // takes everything
	columns *tabwriter.Writer
}

func newTable(w io.Writer) *table {
	t := &table{out: w}
	t.columns = tabwriter.NewWriter(&t.text, 0, 0, 2, ' ', 0)
	return t
}

func (t *table) row(cells ...string) {
	for i := range cells {
		cells[i] = visible(cells[i])
	}
	fmt.Fprintln(t.columns, strings.Join(cells, "\t"))
}

// gap ends a group of columns that belong together.
func (t *table) gap() { fmt.Fprintln(t.columns) }

// flush prints it, without the blanks that empty cells leave at the end of a line.
func (t *table) flush() error {
	if err := t.columns.Flush(); err != nil {
		return err
	}
	for line := range strings.Lines(t.text.String()) {
		if _, err := fmt.Fprintln(t.out, strings.TrimRight(line, " \n")); err != nil {
			return err
		}
	}
	return nil
}

// visible makes a text one line that a terminal shows as it is.
func visible(text string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r == '\n' || r == '\r' || r == '\t':
			return ' '
		case !unicode.IsPrint(r):
			return '?'
		}
		return r
	}, text)
}

// short cuts a commit to what is enough to know it by.
func short(release string) string {
	const commit, enough = 40, 12
	if len(release) >= commit && strings.Trim(release, "0123456789abcdef") == "" {
		return release[:enough]
	}
	return release
}

// when is a time as the log writes it, without the fraction.
func when(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format(time.RFC3339)
}
