package main

import (
	"errors"
	"slices"
	"time"
)

// restartConfig says how often a crashed process is started again.
type restartConfig struct {
	Max        int // in the window; one crash more halts the fleet
	Window     time.Duration
	BackoffMin time.Duration // before the first; doubled for each more
	BackoffMax time.Duration
}

// rollbackConfig says how often a fleet goes back to its last good release.
type rollbackConfig struct {
	Max    int // in the window; the last one halts the fleet
	Window time.Duration
}

// deployConfig says how releases of a fleet are put into service.
type deployConfig struct {
	Driver      string   // none, git, command
	Dir         string   // for all that the driver keeps; empty: there is no driver
	Environment []string // names of variables that bots get of ours; a * at the end stands for any ending
	Grace       time.Duration
	LogBytes    int64         // of all the log files of one process together, about
	LogForward  bool          // what processes print goes to the service's log too
	Keep        int           // good releases whose files are kept
	Poll        time.Duration // how often the branch is looked at; 0: never
	Git         gitConfig
	Webhook     webhookConfig
}

// gitConfig is the driver git.
type gitConfig struct {
	Repository   string // holds no password
	Branch       string
	Setup        []string // run once for each release; empty: nothing
	SetupTimeout time.Duration
	Command      []string // starts a bot
}

// webhookConfig says who may announce a push.
type webhookConfig struct {
	Provider string // none, github, gitlab, gitea
	Secret   secret // that its calls are signed with
	Only     string // what the message of a commit must contain; empty: any will do
}

// alertConfig is one place where people are told.
type alertConfig struct {
	URL   secret
	Level string // the least that is told: info, warning, error
}

// The drivers.
const (
	driverNone    = "none"
	driverGit     = "git"
	driverCommand = "command"
)

// noProvider is the webhook provider of a fleet without webhook.
const noProvider = "none"

// deployDirectory holds a directory for each fleet, beside the state, where nobody says otherwise.
const deployDirectory = "urban-robot.d"

// leastKept is how many good releases are kept at least: CONTRACT section 6.
const leastKept = 5

// driven reports whether a driver starts the fleet's processes.
func (d *deployConfig) driven() bool { return d.Driver != driverNone }

func defaultDeploy() deployConfig {
	return deployConfig{
		Driver: driverNone, Grace: 10 * time.Second, LogBytes: 40 << 20, Keep: leastKept,
		Git:     gitConfig{Branch: "main", SetupTimeout: 10 * time.Minute},
		Webhook: webhookConfig{Provider: noProvider},
	}
}

// alert returns the alert at that place, and adds it with its defaults if there is none.
func (f *fleetConfig) alert(i int) *alertConfig {
	for len(f.Alerts) <= i {
		f.Alerts = append(f.Alerts, &alertConfig{Level: "warning"})
	}
	return f.Alerts[i]
}

func restartSchema(r *restartConfig) []field {
	return []field{
		{name: "max", what: "in the window; one crash more halts the fleet", value: number(&r.Max, 0, 1000)},
		{name: "window", what: "in which they are counted", value: duration(&r.Window, true)},
		{name: "backoff", what: "before the first, doubled for each more up to the second", value: durations(&r.BackoffMin, &r.BackoffMax)},
	}
}

func rollbackSchema(r *rollbackConfig) []field {
	return []field{
		{name: "max", what: "in the window; the last one halts the fleet until try-again", value: number(&r.Max, 1, 1000)},
		{name: "window", what: "in which they are counted", value: duration(&r.Window, true)},
	}
}

func deploySchema(d *deployConfig) []field {
	const most = 100
	return []field{
		{name: "driver", what: "who starts bots; none: you do, Urban Robot watches and decides", value: driver(&d.Driver)},
		{name: "repository", what: "for git: where it fetches from; without a password", value: repository(&d.Git.Repository)},
		{name: "branch", what: "for git: what is followed", value: branch(&d.Git.Branch)},
		{name: "dir", what: "for releases, logs and records of processes; default: " + deployDirectory + "/<fleet> beside the state", value: directory(&d.Dir)},
		{name: "setup", what: "for git: run in each new release, once, before it starts; no shell reads it", value: arguments(&d.Git.Setup)},
		{name: "setup_timeout", what: "for it; then the release is refused", value: duration(&d.Git.SetupTimeout, true)},
		{name: "command", what: "for git: starts a bot, in the release's directory; no shell reads it", value: arguments(&d.Git.Command)},
		{name: "environment", what: "variables that bots get beside the usual ones; X_* means all that begin so", value: variables(&d.Environment, most)},
		{name: "grace", what: "from SIGTERM to SIGKILL", value: duration(&d.Grace, true)},
		{name: "logs", what: "what bots print", fields: []field{
			{name: "max_bytes", what: "of all the log files of one process together", value: size(&d.LogBytes, 1<<40)},
			{name: "to_service", what: "whether it goes to this service's log too", value: truth(&d.LogForward)},
		}},
		{name: "keep", what: "good releases that stay on the disk", value: number(&d.Keep, leastKept, most)},
		{name: "poll", what: "how often the branch is looked at, for those whom no webhook can reach; 0s: never", value: duration(&d.Poll, false)},
		{name: "webhook", what: "pushes that are announced", fields: []field{
			{name: "provider", what: "by whom", value: choice(&d.Webhook.Provider, noProvider, "github", "gitlab", "gitea")},
			{name: "secret", what: "that the provider was given too", secret: &d.Webhook.Secret},
			{name: "only", what: "only commits whose message contains it, such as [DEPLOY]", value: line(&d.Webhook.Only)},
		}},
	}
}

func alertSchema(a *alertConfig) []field {
	return []field{
		{name: "url", what: "where to, such as a Discord webhook; the second one's is alerts.1.url", secret: &a.URL},
		{name: "level", what: "the least that is told", value: choice(&a.Level, "info", "warning", "error")},
	}
}

// driver is one of the drivers there are.
func driver(to *string) value {
	v := choice(to, driverNone, driverGit, driverCommand)
	set := v.set
	v.set = func(n *node) error {
		if n.shape == shapeScalar && slices.Contains([]string{"docker", "kubernetes"}, n.text) {
			return errors.New(n.text + " is not yet supported by this version; write " + v.kind)
		}
		return set(n)
	}
	return v
}
