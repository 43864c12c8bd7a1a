package main

import (
	"cmp"
	"fmt"
	"net"
	"net/url"
	"os"
	"slices"
	"strings"
	"time"
)

const (
	// leastSecret is the shortest secret that lets its holder change what runs.
	leastSecret = 16
	// leastPoll spares the host of a repository.
	leastPoll = 10 * time.Second
	// leastLog is room for the end of what a process prints.
	leastLog = 64 << 10
)

// admin applies the rules of the admin API.
func (v checker) admin(c *config) {
	const listen, token = "admin.listen", "admin.token"
	v.longSecret(&c.Admin.Token, token)
	switch {
	case v.refused[listen] || v.refusedBelow(token):
	case !c.Admin.served() && public(c.Admin.Listen):
		v.against("is missing, and "+c.Admin.Listen+" can be reached from other machines; "+howToName+", or listen on 127.0.0.1", token)
	case c.Admin.served() && !v.refused["listen"] && sameSocket(c.Listen, c.Admin.Listen):
		v.against(fmt.Sprintf("admin.listen (%s) and listen (%s) want the same port; write two", c.Admin.Listen, c.Listen), listen, "listen")
	}
}

// sameSocket reports whether two listeners would be in each other's way.
func sameSocket(a, b string) bool {
	hostA, portA, errA := net.SplitHostPort(a)
	hostB, portB, errB := net.SplitHostPort(b)
	every := func(host string) bool { return host == "" || host == "0.0.0.0" || host == "::" }
	return errA == nil && errB == nil && portA == portB && portA != "0" && (hostA == hostB || every(hostA) || every(hostB))
}

// longSecret fetches a secret that must not be guessed by trying.
func (v checker) longSecret(s *secret, path string) {
	v.resolve(s, path, "")
	if !s.Token.IsZero() && len(s.Token.Reveal()) < leastSecret {
		v.against(fmt.Sprintf("has less than %d characters: %s; put a longer one there, such as what openssl rand -hex 32 prints",
			leastSecret, s), path)
	}
}

// restart refuses a limit that is never reached: a bot that always crashes would be restarted for ever.
func (v checker) restart(f *fleetConfig, path string) {
	r, total, backoff := f.Restart, time.Duration(0), f.Restart.BackoffMin
	for range r.Max {
		total += min(backoff, r.BackoffMax)
		backoff = min(2*backoff, r.BackoffMax)
	}
	if r.Max > 0 && total >= r.Window {
		v.against(fmt.Sprintf("restart.max (%d) is never reached in restart.window (%s): %s with restart.backoff (%s) take %s, "+
			"and a bot that always crashes would be restarted for ever; write a longer window, a smaller max or a shorter backoff",
			r.Max, showDuration(r.Window), count(r.Max, "restart"), durations(&r.BackoffMin, &r.BackoffMax).show(), showDuration(total)),
			joinPath(path, "max"), joinPath(path, "window"), joinPath(path, "backoff"))
	}
}

// deploy applies the rules of a fleet's deploys.
func (v checker) deploy(f *fleetConfig, path string) {
	d, key := &f.Deploy, func(name string) string { return joinPath(path, name) }
	v.webhook(d, key("webhook"))
	if d.Poll > 0 && d.Poll < leastPoll {
		v.against(fmt.Sprintf("deploy.poll (%s) is too often for the host of the repository; write %s or more, or 0s for never",
			showDuration(d.Poll), showDuration(leastPoll)), key("poll"))
	}
	if d.LogBytes < leastLog {
		v.against(fmt.Sprintf("deploy.logs.max_bytes (%s) has no room for the end of a crash; write %s or more",
			showSize(d.LogBytes), showSize(leastLog)), key("logs.max_bytes"))
	}
	if v.refused[key("driver")] {
		return
	}
	v.foreign(d, key)
	v.needed(d, key)
	if info, err := os.Stat(d.Dir); d.driven() && err == nil && !info.IsDir() {
		v.against(fmt.Sprintf("%s is not a directory; write the path of one, which need not exist", d.Dir), key("dir"))
	}
}

// needed refuses a driver that lacks something.
func (v checker) needed(d *deployConfig, key func(string) string) {
	for _, missing := range []struct {
		driver string
		yes    bool
		name   string
		text   string
	}{
		{driverGit, d.Git.Repository == "", "repository", "is missing: where the code of the bot is; write one such as " + exampleRepository},
		{driverGit, len(d.Git.Command) == 0, "command", "is missing: what starts the bot; write a list such as [python3, main.py]"},
		{driverCommand, len(d.Commands.Start) == 0, "start", "is missing: what starts the bot; write a list such as [./start.sh]"},
		{driverCommand, len(d.Commands.Stop) == 0, "stop", "is missing: what ends the bot; write a list such as [./stop.sh]"},
		{
			driverCommand, d.Poll > 0 && len(d.Commands.Resolve) == 0, "poll",
			"needs deploy.resolve, which says what there is to deploy; write one, or a webhook",
		},
	} {
		if missing.yes && missing.driver == d.Driver {
			v.against(missing.text, key(missing.name))
		}
	}
}

// foreign refuses what the driver does not know: somebody expects something of it.
func (v checker) foreign(d *deployConfig, key func(string) string) {
	for _, given := range []struct {
		name string
		yes  bool
		by   string // the driver that knows it; empty: every one but none
	}{
		{"repository", d.Git.Repository != "", driverGit},
		{"setup", len(d.Git.Setup) > 0, driverGit},
		{"command", len(d.Git.Command) > 0, driverGit},
		{"start", len(d.Commands.Start) > 0, driverCommand},
		{"stop", len(d.Commands.Stop) > 0, driverCommand},
		{"status", len(d.Commands.Status) > 0, driverCommand},
		{"prepare", len(d.Commands.Prepare) > 0, driverCommand},
		{"resolve", len(d.Commands.Resolve) > 0, driverCommand},
		{"collect", len(d.Commands.Collect) > 0, driverCommand},
		{"poll", d.Poll > 0, ""},
		{"webhook.provider", d.Webhook.Provider != noProvider, ""},
	} {
		if !given.yes || given.by == d.Driver || given.by == "" && d.driven() {
			continue
		}
		v.against(fmt.Sprintf("means nothing to the driver %s; write driver: %s, or leave this out", d.Driver, cmp.Or(given.by, driverGit)),
			key(given.name))
		return
	}
}

// webhook refuses calls that are not signed, and what belongs to no provider.
func (v checker) webhook(d *deployConfig, path string) {
	provider, secret, only := joinPath(path, "provider"), joinPath(path, "secret"), joinPath(path, "only")
	v.longSecret(&d.Webhook.Secret, secret)
	switch given := d.Webhook.Provider != noProvider; {
	case v.refused[provider]:
	case given && d.Webhook.Secret.isZero() && !v.refused[secret]:
		v.against("is missing: without it anybody could deploy; "+howToName+", and give it to "+d.Webhook.Provider+" too", secret)
	case !given && !d.Webhook.Secret.isZero():
		v.against("is missing: whose webhook the secret is for; write github, gitlab or gitea", provider)
	case !given && d.Webhook.Only != "":
		v.against("means nothing without a webhook; write its provider and secret, or leave this out", only)
	}
}

// environment refuses to hand secrets of this service to bots.
func (v checker) environment(c *config, f *fleetConfig, path string) {
	secrets := secretsOf(c)
	for _, name := range f.Deploy.Environment {
		start, open := strings.CutSuffix(name, "*")
		covers := func(s namedSecret) bool {
			return s.Env != "" && (s.Env == name || open && strings.HasPrefix(s.Env, start))
		}
		if i := slices.IndexFunc(secrets, covers); i >= 0 {
			v.against(fmt.Sprintf("would hand the bots the variable %s, which holds %s; leave it out, or put that secret into another one",
				secrets[i].Env, secrets[i].path), path)
			return
		}
		if strings.HasPrefix(name, environmentPrefix) || open && strings.HasPrefix(environmentPrefix, start) {
			v.against("would hand the bots variables that begin with "+environmentPrefix+", which Urban Robot sets for them itself; leave them out", path)
			return
		}
	}
}

// alerts fetches where people are told.
func (v checker) alerts(f *fleetConfig, path string) {
	for i, a := range f.Alerts {
		here := joinPath(path, fmt.Sprintf("%d.url", i))
		if a.URL.isZero() && !v.refusedBelow(joinPath(path, fmt.Sprint(i))) {
			v.against("is missing: the address of a webhook; "+howToName, here)
		}
		v.resolve(&a.URL, here, "")
		if a.URL.Token.IsZero() {
			continue
		}
		if u, err := url.Parse(a.URL.Token.Reveal()); err != nil || u.Scheme == "" || u.Host == "" {
			v.against(fmt.Sprintf("is no address: %s; put one there such as https://discord.com/api/webhooks/…", a.URL), here)
		}
		for j, earlier := range f.Alerts[:i] {
			if a.URL.Token.Equal(earlier.URL.Token) {
				v.against(fmt.Sprintf("is the same address as that of alerts.%d: everything would be told twice; write it once", j), here)
			}
		}
	}
}

// namedSecret is a secret with the path of its key.
type namedSecret struct {
	path string
	*secret
}

// secretsOf lists every secret that a configuration names.
func secretsOf(c *config) []namedSecret {
	all := []namedSecret{{"admin.token", &c.Admin.Token}}
	for _, f := range c.Fleets {
		path := joinPath("fleets", f.Name)
		all = append(all, namedSecret{joinPath(path, "token"), &f.Token}, namedSecret{joinPath(path, "key"), &f.Key},
			namedSecret{joinPath(path, "deploy.webhook.secret"), &f.Deploy.Webhook.Secret})
		for i, a := range f.Alerts {
			all = append(all, namedSecret{joinPath(path, fmt.Sprintf("alerts.%d.url", i)), &a.URL})
		}
	}
	return slices.DeleteFunc(all, func(s namedSecret) bool { return s.isZero() })
}

// sameSecret refuses an admin token or a webhook's secret that somebody else knows as well. Webhooks may share theirs.
func (v checker) sameSecret(c *config) {
	all := secretsOf(c)
	webhook := func(s namedSecret) bool { return lastKey(s.path) == "secret" }
	for _, s := range all {
		if s.path != "admin.token" && !webhook(s) {
			continue
		}
		for _, other := range all {
			if other.path != s.path && !webhook(other) && !s.Token.IsZero() && s.Token.Equal(other.Token) {
				v.against("is the same secret as "+other.path+"; make another one up", s.path)
			}
		}
	}
}

// sameDirectory refuses two drivers in one directory.
func (v checker) sameDirectory(fleets []*fleetConfig) {
	for i, f := range fleets {
		for _, earlier := range fleets[:i] {
			if f.Deploy.driven() && earlier.Deploy.driven() && absolute(f.Deploy.Dir) == absolute(earlier.Deploy.Dir) {
				v.against(fmt.Sprintf("is also the directory of the fleet %s; write one for each", earlier.Name),
					joinPath("fleets", joinPath(f.Name, "deploy.dir")), joinPath("fleets", joinPath(earlier.Name, "deploy.dir")))
			}
		}
	}
}
