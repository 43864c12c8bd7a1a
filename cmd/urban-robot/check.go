package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"
)

func newCheck() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "check",
		Short: "Check a configuration and say what serve would do with it",
		Long:  checkHelp(),
		Example: `  urban-robot check --config urban-robot.yaml
  urban-robot check --config urban-robot.yaml --set fleets.helium.lease=10s -o json`,
		Args: noConfigArgument,
	}
	flags := addConfigFlags(cmd)
	format := addOutputFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		c, err := flags.load()
		if *format == outputJSON {
			return printCheck(cmd.OutOrStdout(), c, err)
		}
		if err != nil {
			return err
		}
		return writeReport(cmd.OutOrStdout(), c)
	}
	return cmd
}

// noConfigArgument refuses arguments, and helps whoever left out --config.
func noConfigArgument(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	if _, err := os.Stat(args[0]); err == nil {
		return fmt.Errorf("%s takes no argument; write --config %s", cmd.Name(), args[0])
	}
	return fmt.Errorf("%s takes no argument", cmd.Name())
}

// checkReport is what check -o json prints. OK and Settings, or Problems.
type checkReport struct {
	OK       bool           `json:"ok"`
	Config   string         `json:"config,omitempty"` // the file; empty: none
	Problems []problem      `json:"problems,omitempty"`
	Settings map[string]any `json:"settings,omitempty"` // all of them, defaults too, as in a file; secrets by name
	Notes    []string       `json:"notes,omitempty"`
}

// printCheck prints the report for programs. A refused configuration is a report too.
func printCheck(w io.Writer, c config, loaded error) error {
	refused, isConfig := errors.AsType[*configError](loaded)
	switch {
	case isConfig:
		if err := printJSON(w, checkReport{Problems: refused.problems}); err != nil {
			return err
		}
		return errReported
	case loaded != nil:
		return loaded
	}
	var names []string
	for _, f := range c.Fleets {
		names = append(names, f.Name)
	}
	return printJSON(w, checkReport{OK: true, Config: c.Source, Settings: settings(schema(&c), names), Notes: notes(&c)})
}

// settings shows a configuration as nested keys.
func settings(fields []field, names []string) map[string]any {
	shown := map[string]any{}
	for _, f := range fields {
		switch {
		case f.secret != nil && f.secret.isZero():
		case f.secret != nil:
			shown[f.name] = *f.secret
		case f.each != nil:
			each := map[string]any{}
			for _, name := range names {
				each[name] = settings(f.each(name), nil)
			}
			shown[f.name] = each
		case f.items != nil:
			items := make([]any, 0, f.items.count())
			for i := range f.items.count() {
				items = append(items, settings(f.items.at(i), nil))
			}
			shown[f.name] = items
		case f.fields != nil:
			shown[f.name] = settings(f.fields, names)
		default:
			shown[f.name] = f.value.data()
		}
	}
	return shown
}

// checkHelp explains the configuration. Its table is the schema's.
func checkHelp() string {
	var b strings.Builder
	b.WriteString(`Check reads the configuration exactly as serve does and says what serve would do, or everything that is wrong with it:
where, what, and what to write instead. It starts nothing. Exit code: 0 fine, 1 refused, 2 wrong usage.

A key is taken from its flag, else its environment variable, else the file (YAML), else its default. The variable of
fleets.helium.health.timeout is URBAN_ROBOT_FLEETS_HELIUM_HEALTH_TIMEOUT, - being written _; an empty variable counts as not set.
URBAN_ROBOT_CONFIG names the file. Every key can be given as --set path=value. Unknown keys and variables are refused. Relative
paths start from the working directory.

In flags and variables a list has commas (python3,main.py) or is written as JSON (["sh", "-c", "a, b"]). Items that have keys are
numbered: --set fleets.helium.alerts.0.level=error, URBAN_ROBOT_FLEETS_HELIUM_ALERTS_0_LEVEL.

A secret is never written, only named: {env: NAME} or {file: path}; the file must not be open to every user of the machine. As a
flag or variable: --set fleets.helium.token.file=path, URBAN_ROBOT_FLEETS_HELIUM_TOKEN_FILE=path, or _ENV.

Of the keys below deploy, those that begin with "git:" or "command:" in the table are for that driver alone.

With no file and no fleet there is one fleet "default", whose token is in DISCORD_TOKEN, for bots on this machine.

Keys:

`)
	table := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	scratch := defaultConfig()
	eachSetting(schema(&scratch), "", []string{anyFleet}, func(path string, f field) {
		if f.secret != nil {
			fmt.Fprintf(table, "  %s\tsecret\t\t%s\n", path, f.what)
			return
		}
		text := f.value.show()
		if path == "limits.queued_bytes" {
			text = ""
		}
		fmt.Fprintf(table, "  %s\t%s\t%s\t%s\n", path, f.value.kind, text, f.what)
	})
	if err := table.Flush(); err != nil {
		panic(err) // a strings.Builder takes everything
	}
	return strings.TrimRight(b.String(), "\n")
}
