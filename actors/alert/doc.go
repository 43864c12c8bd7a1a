// Package alert tells people what happened to a fleet: on Discord, and wherever else they want to hear it. It is handed alerts
// and never asks for any; it knows no actor.
//
//	n, err := alert.New(alert.Config{Targets: …})   // checks, and opens nothing
//	go n.Run(ctx)                                   // until ctx ends
//	n.Send(alert.Alert{…})                          // never waits
//
// What is sent is not one message for each alert. The alerts of a fleet that come within a window are one message, identical ones
// counted; a message that says nothing but what the fleet's last one said is not sent for a while. So a burst is one message,
// and the newest message always tells how things stand.
//
// Each target has its own queue, its own goroutine and its own least level, so one that hangs delays no other. A message that
// cannot be sent is tried again a few times, each time after a longer pause, and then it is logged. All queues are bounded and keep
// the newest; what they drop is counted and logged.
//
// # Targets
//
//   - the URL of a Discord webhook, as "Copy Webhook URL" gives it, or as discord://TOKEN@ID;
//   - any other https URL: a JSON object is posted to it (http for this machine alone);
//   - a URL of the notification library: telegram://, slack://, matrix://, ntfy://, smtp:// and twenty more.
//
// A URL is a secret. None of it is logged or part of an error: whatever a library or a server says is redacted first.
//
// # Which library, and what it is not used for
//
// github.com/nicholas-fedor/shoutrrr, the maintained fork of containrrr/shoutrrr (whose last release is of 2023): one URL
// says everything about a target, 25 services, and beside itself it brings golang.org/x/term alone into the program.
// github.com/nikoksr/notify wants code and configuration of ours for each service and requires the client of each in go.mod.
//
// Discord and plain https are sent by ourselves. The library's Discord service cannot turn mentions off, waits and tries again
// by itself for up to five minutes, and none of its sends can be cancelled. Those of the other services run aside and are given up
// on after the timeout.
package alert
