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
	Driver      string        // none, git, command
	Dir         string        // for all that the driver keeps; empty: there is no driver
	Environment []string      // names of variables that bots get of ours; a * at the end stands for any ending
	Grace       time.Duration // git: between asking a process to end and forcing it
	LogBytes    int64         // git: of all the log files of one process together, about
	LogForward  bool          // git: what processes print goes to the service's log too
	Keep        int           // good releases whose files are kept
	Poll        time.Duration // how often the branch is looked at; 0: never
	Git         gitConfig
	Commands    commandsConfig
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

// commandsConfig is the driver command: the operator's own. Start and Stop are there.
type commandsConfig struct {
	Start   []string // starts a bot
	Stop    []string // ends one
	Status  []string // lists those that run; empty: nobody knows
	Prepare []string // puts the code of a release in place; empty: nothing to do
	Resolve []string // says which release a reference stands for; empty: a reference is the release
	Collect []string // removes old releases; empty: nobody does
	Timeout time.Duration
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
		Git:      gitConfig{Branch: "main", SetupTimeout: 10 * time.Minute},
		Commands: commandsConfig{Timeout: 5 * time.Minute},
		Webhook:  webhookConfig{Provider: noProvider},
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
	fields := []field{
		{name: "driver", what: "who starts bots; none: you do, Urban Robot watches and decides", value: driverName(&d.Driver)},
		{name: "dir", what: "for releases, logs and records of processes; default: " + deployDirectory + "/<fleet> beside the state", value: directory(&d.Dir)},
		{name: "environment", what: "variables that bots get beside the usual ones; X_* means all that begin so", value: variables(&d.Environment, most)},
		{name: "keep", what: "good releases that are kept", value: number(&d.Keep, leastKept, most)},
		{name: "poll", what: "how often the branch is looked at, for those whom no webhook can reach; 0s: never", value: duration(&d.Poll, false)},
		{name: "webhook", what: "pushes that are announced", fields: []field{
			{name: "provider", what: "by whom", value: choice(&d.Webhook.Provider, noProvider, "github", "gitlab", "gitea")},
			{name: "secret", what: "that the provider was given too", secret: &d.Webhook.Secret},
			{name: "only", what: "only commits whose message contains it, such as [DEPLOY]", value: line(&d.Webhook.Only)},
		}},
	}
	return slices.Concat(fields, gitSchema(d), commandsSchema(&d.Commands))
}

func gitSchema(d *deployConfig) []field {
	return []field{
		{name: "repository", what: "git: where it fetches from; without a password", value: repository(&d.Git.Repository)},
		{name: "branch", what: "git: what is followed", value: branch(&d.Git.Branch)},
		{name: "setup", what: "git: run in each new release, once, before it starts; no shell reads it", value: arguments(&d.Git.Setup)},
		{name: "setup_timeout", what: "git: for it; then the release is refused", value: duration(&d.Git.SetupTimeout, true)},
		{name: "command", what: "git: starts a bot, in the release's directory; no shell reads it", value: arguments(&d.Git.Command)},
		{name: "grace", what: "git: from SIGTERM to SIGKILL", value: duration(&d.Grace, true)},
		{name: "logs", what: "git: what bots print", fields: []field{
			{name: "max_bytes", what: "git: of all the log files of one process together", value: size(&d.LogBytes, 1<<40)},
			{name: "to_service", what: "git: whether it goes to this service's log too", value: truth(&d.LogForward)},
		}},
	}
}

func commandsSchema(c *commandsConfig) []field {
	return []field{
		{name: "start", what: "command: starts the bot URBAN_ROBOT_INSTANCE of URBAN_ROBOT_RELEASE, and ends", value: arguments(&c.Start)},
		{name: "stop", what: "command: ends that bot; one that is not there is fine", value: arguments(&c.Stop)},
		{name: "status", what: "command: prints a line for each bot that runs: INSTANCE RELEASE [PID]", value: arguments(&c.Status)},
		{name: "prepare", what: "command: puts the code of URBAN_ROBOT_RELEASE in place; none: nothing to do", value: arguments(&c.Prepare)},
		{name: "resolve", what: "command: prints the release that URBAN_ROBOT_REFERENCE stands for; none: it is the release", value: arguments(&c.Resolve)},
		{name: "collect", what: "command: removes all releases but those of URBAN_ROBOT_KEEP and those that run", value: arguments(&c.Collect)},
		{name: "timeout", what: "command: for each of them", value: duration(&c.Timeout, true)},
	}
}

func alertSchema(a *alertConfig) []field {
	return []field{
		{name: "url", what: "where to, such as a Discord webhook; the second one's is alerts.1.url", secret: &a.URL},
		{name: "level", what: "the least that is told", value: choice(&a.Level, "info", "warning", "error")},
	}
}

// driverName is one of the drivers there are.
func driverName(to *string) value {
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
