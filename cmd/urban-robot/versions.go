package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/urban-robot/urban-robot/protocol/admin"
)

func newVersions() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "versions FLEET",
		Short: "List the releases of a fleet with what is known of them, newest first",
		Long: `Versions asks a running service. A good release stayed healthy through a whole bake; a bad one failed and is refused until try-again.

` + clientHelp,
		Example: "  urban-robot versions helium",
		Args:    fleetArguments(1, 1),
	}
	client := addClientFlags(cmd)
	format := addOutputFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		c, err := client.connect()
		if err != nil {
			return err
		}
		versions, err := c.Versions(cmd.Context(), args[0])
		if err != nil {
			return explain(err)
		}
		if *format == outputJSON {
			return printJSON(cmd.OutOrStdout(), admin.VersionList{Versions: versions})
		}
		t := newTable(cmd.OutOrStdout())
		t.row("GENERATION", "RELEASE", "STATE", "STAGE", "AT", "REASON", "EVIDENCE")
		for _, v := range versions {
			number := ""
			if v.Generation != 0 {
				number = fmt.Sprint(v.Generation)
			}
			t.row(number, v.Release, string(v.State), string(v.Stage), when(v.At), v.Reason, v.Evidence)
		}
		return t.flush()
	}
	return cmd
}
