package main

import (
	"cmp"
	"fmt"
	"runtime/debug"

	"github.com/spf13/cobra"

	"github.com/urban-robot/urban-robot/protocol"
)

// versionReport says what this binary is.
type versionReport struct {
	Version  string `json:"version"`          // of the module
	Commit   string `json:"commit,omitempty"` // empty: it was not built in a working copy
	Time     string `json:"time,omitempty"`   // the commit's
	Modified bool   `json:"modified"`         // the working copy held more than the commit
	Go       string `json:"go"`
	Contract int    `json:"contract"` // the protocol's version that it speaks
}

func newVersion() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "version",
		Short: "Say which Urban Robot this is",
		Args:  cobra.NoArgs,
	}
	format := addOutputFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		info, _ := debug.ReadBuildInfo()
		report := reportVersion(info)
		if *format == outputJSON {
			return printJSON(cmd.OutOrStdout(), report)
		}
		_, err := fmt.Fprintln(cmd.OutOrStdout(), report)
		return err
	}
	return cmd
}

// reportVersion reads the build information; nil means that there is none.
func reportVersion(info *debug.BuildInfo) versionReport {
	r := versionReport{Version: "unknown", Go: "unknown", Contract: protocol.Version}
	if info == nil {
		return r
	}
	r.Version, r.Go = cmp.Or(info.Main.Version, r.Version), cmp.Or(info.GoVersion, r.Go)
	for _, setting := range info.Settings {
		switch setting.Key {
		case "vcs.revision":
			r.Commit = setting.Value
		case "vcs.time":
			r.Time = setting.Value
		case "vcs.modified":
			r.Modified = setting.Value == "true"
		}
	}
	return r
}

// String is the report for people.
func (r versionReport) String() string {
	commit := cmp.Or(r.Commit, "unknown")
	if r.Modified {
		commit += " (modified)"
	}
	return fmt.Sprintf("urban-robot %s\ncommit   %s\ngo       %s\ncontract %d", r.Version, commit, r.Go, r.Contract)
}
