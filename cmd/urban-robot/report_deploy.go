package main

import (
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
	}
	if d.driven() {
		row("processes", "%s between SIGTERM and SIGKILL; %s", showDuration(d.Grace), environmentInWords(d))
		row("output", "%s of log files each%s", showSize(d.LogBytes), forwardInWords(d))
		row("directory", "%s, with at least %s", absolute(d.Dir), count(d.Keep, "good release"))
		row("restarts", "%s", restartsInWords(f.Restart))
	}
	if d.Webhook.Provider != noProvider {
		row("webhook", "of %s, signed with the secret %s%s", d.Webhook.Provider, d.Webhook.Secret, onlyInWords(d.Webhook))
	}
	row("rollbacks", "at most %d in %s; with the last one the fleet is halted", f.Rollback.Max, showDuration(f.Rollback.Window))
	row("alerts", "%s", alertsInWords(f.Alerts))
}

func pollInWords(d *deployConfig) string {
	if d.Poll == 0 {
		return ""
	}
	return fmt.Sprintf(", which is looked at every %s", showDuration(d.Poll))
}

func setupInWords(g gitConfig) string {
	if len(g.Setup) == 0 {
		return "none"
	}
	return fmt.Sprintf("%s, within %s", showCommand(g.Setup), showDuration(g.SetupTimeout))
}

func environmentInWords(d *deployConfig) string {
	if len(d.Environment) == 0 {
		return "of our variables they get the usual ones alone"
	}
	return "of our variables they get the usual ones and " + strings.Join(d.Environment, ", ")
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
