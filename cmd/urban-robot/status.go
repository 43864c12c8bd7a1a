package main

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/urban-robot/urban-robot/protocol/admin"
)

func newStatus() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "status [FLEET]",
		Short: "Say what the fleets want, run and try",
		Long: `Status asks a running service. With one fleet, or when there is but one, it says all that is known of it, else one line of each.

` + clientHelp,
		Example: `  urban-robot status
  urban-robot status helium -o json --token-file admin.token`,
		Args: fleetArguments(0, 1),
	}
	client := addClientFlags(cmd)
	format := addOutputFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		c, err := client.connect()
		if err != nil {
			return err
		}
		out := cmd.OutOrStdout()
		if len(args) == 0 {
			fleets, err := c.List(cmd.Context())
			if err != nil {
				return explain(err)
			}
			if *format == outputJSON {
				return printJSON(out, admin.FleetList{Fleets: fleets})
			}
			return writeFleets(out, fleets)
		}
		fleet, err := c.Status(cmd.Context(), args[0])
		if err != nil {
			return explain(err)
		}
		if *format == outputJSON {
			return printJSON(out, fleet)
		}
		return writeFleet(out, fleet)
	}
	return cmd
}

// writeFleets prints a line for each fleet; one alone is shown in full.
func writeFleets(w io.Writer, fleets []admin.Fleet) error {
	if len(fleets) == 1 && fleets[0].Unavailable == "" {
		return writeFleet(w, fleets[0])
	}
	t := newTable(w)
	t.row("FLEET", "SERVING", "DESIRED", "LAST GOOD", "ATTEMPT", "LAST ATTEMPT", "STANDBYS", "NOTE")
	for _, f := range fleets {
		if f.Unavailable != "" {
			t.row(f.Name, "?", "?", "?", "?", "?", "?", f.Unavailable)
			continue
		}
		desired, attempt, last, note := "", "", "", ""
		if f.Desired != nil {
			desired = short(f.Desired.Release)
		}
		if f.Attempt != nil {
			attempt = short(f.Attempt.Release) + " " + string(f.Attempt.Stage)
		}
		if f.LastAttempt != nil {
			last = short(f.LastAttempt.Release) + " " + string(f.LastAttempt.Stage)
		}
		if f.Halted != "" {
			note = "halted: " + f.Halted
		}
		t.row(f.Name, serving(f.Running), desired, short(f.LastGood), attempt, last, standbys(f.Standbys), note)
	}
	return t.flush()
}

// serving says which releases hold the seats, and what is wrong where one does not.
func serving(seats []admin.Seat) string {
	var all []string
	for _, s := range seats {
		text := short(s.Release)
		if s.Phase != admin.PhaseHeld {
			text = strings.TrimSpace(text + " " + string(s.Phase))
		}
		if !slices.Contains(all, text) {
			all = append(all, text)
		}
	}
	return strings.Join(all, ", ")
}

func standbys(s admin.Standbys) string { return fmt.Sprintf("%d of %d", s.Ready, s.Wanted) }

// writeFleet prints all that is known of a fleet.
func writeFleet(w io.Writer, f admin.Fleet) error {
	t := newTable(w)
	t.row("fleet", f.Name)
	if f.Halted != "" {
		t.row("halted", f.Halted+"; urban-robot try-again "+f.Name+" goes on")
	}
	desired := "nothing was deployed"
	if f.Desired != nil {
		desired = generation(f.Desired.Release, f.Desired.Generation)
	}
	t.row("desired", desired)
	t.row("last good", cmp.Or(f.LastGood, "none yet"))
	if a := f.Attempt; a != nil {
		text := generation(a.Release, a.Generation) + ": " + string(a.Stage) + " since " + when(a.At)
		if a.Who != "" {
			text += ", by " + a.Who
		}
		t.row("attempt", text)
	}
	if a := f.LastAttempt; a != nil {
		t.row("last attempt", generation(a.Release, a.Generation)+": "+ended(a)+" at "+when(a.At))
	}
	t.row("standbys", standbys(f.Standbys))
	t.row("logins", fmt.Sprintf("%d of %d in 24 hours, %d of them kept for the way back", f.Logins.Used, f.Logins.Daily, f.Logins.Reserve))
	if err := t.flush(); err != nil {
		return err
	}
	return writeParts(w, f)
}

// writeParts prints the seats, clients and processes of a fleet.
func writeParts(w io.Writer, f admin.Fleet) error {
	t := newTable(w)
	t.gap()
	t.row("SEAT", "PHASE", "RELEASE", "EPOCH", "INSTANCE", "SINCE")
	for _, s := range f.Running {
		t.row(fmt.Sprint(s.Seat), string(s.Phase), s.Release, fmt.Sprint(s.Epoch), s.Instance, when(s.Since))
	}
	if len(f.Clients) > 0 {
		t.gap()
		t.row("CLIENT", "STATE", "RELEASE", "SEAT", "INSTANCE", "HEALTH", "FAILING")
	}
	for _, c := range f.Clients {
		failing := strings.Join(c.Failing, ", ")
		if c.Detail != "" {
			failing = strings.TrimLeft(failing+": "+c.Detail, ": ")
		}
		t.row(c.ID, c.State, c.Release, fmt.Sprint(c.Seat), c.Instance, c.Verdict, failing)
	}
	if len(f.Processes) > 0 {
		t.gap()
		t.row("PROCESS", "RELEASE", "SEAT", "PID")
	}
	for _, p := range f.Processes {
		pid := ""
		if p.PID != 0 {
			pid = fmt.Sprint(p.PID)
		}
		t.row(p.Instance, p.Release, fmt.Sprint(p.Seat), pid)
	}
	return t.flush()
}

// generation is a release with its place in the order of deploys.
func generation(release string, n uint64) string {
	if n == 0 {
		return release
	}
	return fmt.Sprintf("%s (generation %d)", release, n)
}

// ended says how an attempt ended, and why.
func ended(a *admin.LastAttempt) string {
	text := string(a.Stage)
	if a.Reason != "" {
		text += ", " + a.Reason
	}
	if a.Detail != "" {
		text += " (" + a.Detail + ")"
	}
	return text
}
