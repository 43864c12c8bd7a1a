package main

import (
	"cmp"
	"fmt"
	"strings"
)

// reportDeploy says how releases come into service and who hears of it.
func reportDeploy(row rowFunc, f *fleetConfig) {
	d := &f.Deploy
	switch d.Driver {
	case driverNone:
		row("deploy", "by nobody here: releases come when somebody starts them")
	case driverGit:
		row("deploy", "with git from %s, branch %s%s", d.Git.Repository, d.Git.Branch, pollInWords(d))
		row("setup", "%s", setupInWords(d.Git))
		row("start", "%s", showCommand(d.Git.Command))
		row("stop", "SIGTERM, and %s later SIGKILL", showDuration(d.Grace))
		row("output", "%s of log files for each process%s", showSize(d.LogBytes), forwardInWords(d))
	case driverCommand:
		row("deploy", "with commands of yours, each within %s%s", showDuration(d.Commands.Timeout), pollInWords(d))
		reportCommands(row, d.Commands)
	}
	if d.driven() {
		row("environment", "%s", environmentInWords(d))
		row("directory", "%s, with at least %s", absolute(d.Dir), count(d.Keep, "good release"))
		row("restarts", "%s", restartsInWords(f.Restart))
	}
	if d.Webhook.Provider != noProvider {
		row("webhook", "of %s, signed with the secret %s%s", d.Webhook.Provider, d.Webhook.Secret, onlyInWords(d.Webhook))
	}
	row("rollbacks", "at most %d in %s; with the last one the fleet is halted", f.Rollback.Max, showDuration(f.Rollback.Window))
	row("alerts", "%s", alertsInWords(f.Alerts))
}

func reportCommands(row rowFunc, c commandsConfig) {
	for _, command := range []struct {
		name      string
		arguments []string
		none      string
	}{
		{"resolve", c.Resolve, "a reference is the release"},
		{"prepare", c.Prepare, "nothing to do"},
		{"start", c.Start, ""},
		{"stop", c.Stop, ""},
		{"status", c.Status, "nobody says what runs"},
		{"collect", c.Collect, "nothing is removed"},
	} {
		row(command.name, "%s", cmp.Or(showCommand(command.arguments), "none: "+command.none))
	}
}

func pollInWords(d *deployConfig) string {
	if d.Poll == 0 {
		return ""
	}
	return fmt.Sprintf("; looked for news every %s", showDuration(d.Poll))
}

func setupInWords(g gitConfig) string {
	if len(g.Setup) == 0 {
		return "none"
	}
	return fmt.Sprintf("%s, within %s", showCommand(g.Setup), showDuration(g.SetupTimeout))
}

func environmentInWords(d *deployConfig) string {
	if len(d.Environment) == 0 {
		return "the usual variables"
	}
	return "the usual variables and " + strings.Join(d.Environment, ", ")
}

func forwardInWords(d *deployConfig) string {
	if d.LogForward {
		return ", and in the service's log"
	}
	return ""
}

func restartsInWords(r restartConfig) string {
	if r.Max == 0 {
		return "none: the first crash halts the fleet"
	}
	after := showDuration(r.BackoffMin)
	if r.BackoffMax > r.BackoffMin {
		after += ", then twice as long each time up to " + showDuration(r.BackoffMax)
	}
	return fmt.Sprintf("of a crashed process after %s; at most %d in %s, then the fleet is halted", after, r.Max, showDuration(r.Window))
}

func onlyInWords(w webhookConfig) string {
	if w.Only == "" {
		return ""
	}
	return fmt.Sprintf("; only commits whose message contains %q", w.Only)
}

func alertsInWords(alerts []*alertConfig) string {
	if len(alerts) == 0 {
		return "none"
	}
	var all []string
	for _, a := range alerts {
		level := a.Level + " and above"
		if a.Level == "error" {
			level = "error"
		}
		all = append(all, fmt.Sprintf("%s to the address %s", level, a.URL))
	}
	return strings.Join(all, "; ")
}

// showCommand writes a command so that one sees where its arguments end. It is for people: no shell reads it.
func showCommand(arguments []string) string {
	shown := make([]string, 0, len(arguments))
	for _, argument := range arguments {
		if argument == "" || strings.ContainsFunc(argument, func(r rune) bool { return r <= ' ' || r == '"' || r == 0x7f }) {
			argument = fmt.Sprintf("%q", argument)
		}
		shown = append(shown, argument)
	}
	return strings.Join(shown, " ")
}

// anew says what a driver does where no old client is left.
func anew(d *deployConfig) string {
	if !d.driven() {
		return ""
	}
	return "; the last good release is started again then, which takes as long as a start"
}

// deployNotes are the notes on how releases come into service.
func deployNotes(c *config, f *fleetConfig, note func(format string, args ...any)) {
	d := &f.Deploy
	webhook := d.Webhook.Provider != noProvider
	if !d.driven() {
		return
	}
	if insecure(d.Git.Repository) {
		note("deploy.repository: it is not encrypted: whoever is on the way can change what runs here; use https or ssh")
	}
	if d.Driver == driverCommand && len(d.Commands.Status) == 0 {
		note("deploy.status: without it nobody sees a bot die before its connection is lost and its lease is over, " +
			"nor, after a restart of Urban Robot, what runs")
	}
	if webhook && !public(c.Listen) {
		note("deploy.webhook: listen is for this machine only, so %s needs a proxy in front of it", d.Webhook.Provider)
	}
	if !webhook && d.Poll == 0 {
		note("deploy: with neither webhook nor poll a push goes unnoticed until somebody says urban-robot deploy")
	}
	if !c.Admin.served() {
		note("deploy: without admin.token nobody can say try-again, and a halted fleet stays halted")
	}
	if len(f.Alerts) == 0 {
		note("alerts: without one nobody is told when a release is refused or the fleet is halted")
	}
}
