package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// leaseInPings is how many ping intervals a lease has at least: a delayed ping must not make a holder stop.
const leaseInPings = 3

// checker refuses what contradicts itself. A rule about a key that is refused already is not applied.
type checker struct {
	root   *node
	lookup func(string) (string, bool) // of the environment
	*decoder
}

// checkRules resolves the secrets and applies every rule.
func checkRules(c *config, root *node, d *decoder, lookup func(string) (string, bool)) {
	v := checker{root: root, lookup: lookup, decoder: d}
	v.service(c)
	v.admin(c)
	for _, f := range c.Fleets {
		path := joinPath("fleets", f.Name)
		v.secrets(f, path)
		v.fleet(c, f, path)
		v.restart(f, joinPath(path, "restart"))
		v.deploy(f, joinPath(path, "deploy"))
		v.environment(c, f, joinPath(path, "deploy.environment"))
		v.alerts(f, joinPath(path, "alerts"))
	}
	v.sameToken(c.Fleets)
	v.sameSecret(c)
	v.sameDirectory(c.Fleets)
}

// against refuses the first of the paths that somebody wrote, or the first.
func (v checker) against(message string, paths ...string) {
	for _, path := range paths {
		if v.refused[path] {
			return
		}
	}
	blamed := paths[0]
	for _, path := range paths {
		if _, written := v.root.find(path); written {
			blamed = path
			break
		}
	}
	at, _ := v.root.find(blamed)
	v.refuse(at, blamed, message)
}

// span is a duration with the path of its key.
type span struct {
	path string
	time.Duration
}

// String is the key with its value: health.bake (10m).
func (s span) String() string { return shown(s.path, showDuration(s.Duration)) }

// shown is a key with its value, the fleet left out: the problem's own path names it.
func shown(path, value string) string {
	if parts := splitPath(path); parts[0] == "fleets" {
		path = strings.Join(parts[2:], ".")
	}
	return path + " (" + value + ")"
}

// atLeast refuses a below b.
func (v checker) atLeast(a, b span, why string) {
	if a.Duration < b.Duration {
		message := fmt.Sprintf("%s is shorter than %s: %s; write %s or more, or a shorter %s", a, b, why, showDuration(b.Duration), lastKey(b.path))
		v.against(message, a.path, b.path)
	}
}

// below refuses a from b on.
func (v checker) below(a, b span, why string) {
	if a.Duration >= b.Duration {
		message := fmt.Sprintf("%s is not shorter than %s: %s; write less than %s, or a longer %s", a, b, why, showDuration(b.Duration), lastKey(b.path))
		v.against(message, a.path, b.path)
	}
}

func lastKey(path string) string { return path[strings.LastIndex(path, ".")+1:] }

// service applies the rules that are about no one fleet.
func (v checker) service(c *config) {
	if len(c.Fleets) == 0 && !v.refusedBelow("fleets") {
		v.against("there is no fleet; write one, such as fleets: {helium: {token: {env: HELIUM_DISCORD_TOKEN}}}", "fleets")
	}
	if c.Limits.PerAddress > c.Limits.Connections {
		v.against(
			fmt.Sprintf("limits.connections_per_address (%d) is more than limits.connections (%d) in all; write at most that, or raise it",
				c.Limits.PerAddress, c.Limits.Connections),
			"limits.connections_per_address", "limits.connections")
	}
	v.atLeast(span{"limits.ping_timeout", c.Limits.PingTimeout}, span{"limits.ping_interval", c.Limits.PingEvery},
		"slow clients would be lost")
	directory := filepath.Dir(c.State)
	if info, err := os.Stat(directory); err != nil || !info.IsDir() {
		v.against(fmt.Sprintf("the directory %s does not exist; make it, or write another path", directory), "state")
	}
	if info, err := os.Stat(c.State); err == nil && info.IsDir() {
		v.against(fmt.Sprintf("%s is a directory; write the path of a file", c.State), "state")
	}
}

// refusedBelow reports whether something at or below the path is refused.
func (v checker) refusedBelow(path string) bool {
	for refused := range v.refused {
		if refused == path || strings.HasPrefix(refused, path+".") {
			return true
		}
	}
	return false
}

// secrets fetches the secrets of a fleet.
func (v checker) secrets(f *fleetConfig, path string) {
	token, key := joinPath(path, "token"), joinPath(path, "key")
	if f.Token.isZero() && !v.refused[path] {
		v.against("is missing: Discord's bot token; "+howToName, token)
	}
	hint := ""
	if f.Token.Env == defaultTokenEnv && v.root.at.from == fromDefault {
		hint = ", or name a configuration file with --config"
	}
	v.resolve(&f.Token, token, hint)
	v.resolve(&f.Key, key, hint)
	if !f.Token.Token.IsZero() && f.Token.Token.Equal(f.Key.Token) {
		v.against("is the same secret as the token; make another one up for the key", key, token)
	}
}

// resolve fetches one secret, if there is one.
func (v checker) resolve(s *secret, path, hint string) {
	if s.isZero() || v.refused[path] {
		return
	}
	if err := s.resolve(v.lookup); err != nil {
		v.against(err.Error()+hint, path)
	}
}

// sameToken refuses two fleets of one Discord application.
func (v checker) sameToken(fleets []*fleetConfig) {
	for i, f := range fleets {
		for _, earlier := range fleets[:i] {
			if f.Token.Token.IsZero() || !f.Token.Token.Equal(earlier.Token.Token) {
				continue
			}
			v.against(fmt.Sprintf("is the same token as that of the fleet %s: two fleets would answer every command twice; "+
				"write one fleet for each Discord application", earlier.Name), joinPath("fleets", joinPath(f.Name, "token")))
		}
	}
}

// fleet applies the rules of one fleet.
func (v checker) fleet(c *config, f *fleetConfig, path string) {
	key := func(name string) string { return joinPath(path, name) }
	if f.Key.isZero() && public(c.Listen) && !v.refused[path] && !v.refused["listen"] {
		v.against("is missing, and "+c.Listen+" can be reached from other machines; "+howToName+", or listen on 127.0.0.1", key("key"))
	}
	v.lease(c, f, path)
	h := f.Health
	interval, timeout := span{key("health.interval"), h.Interval}, span{key("health.timeout"), h.Timeout}
	v.below(timeout, interval, "the next check would begin before this one ends")
	v.atLeast(span{key("health.bake"), h.Bake}, interval, "a bake would end without a check")
	v.atLeast(span{key("health.candidate.deadline"), h.CandidateDeadline}, timeout, "a candidate would fail before it could answer")
	v.atLeast(span{key("handover.deadline"), f.Handover.Deadline}, span{key("handover.drain"), f.Handover.Drain},
		"a client that drains would be late")
	if f.Login.Reserve >= f.Login.Daily {
		v.against(fmt.Sprintf("identify.reserve (%d) leaves nothing of identify.daily (%d); write less than %d, or raise it",
			f.Login.Reserve, f.Login.Daily, f.Login.Daily), key("identify.reserve"), key("identify.daily"))
	}
	if c.Limits.QueuedBytes < f.CacheMax {
		v.against(fmt.Sprintf("cache.max_bytes (%s) is more than limits.queued_bytes (%s): it could not be sent; write at most that, or raise it",
			showSize(f.CacheMax), showSize(c.Limits.QueuedBytes)), key("cache.max_bytes"), "limits.queued_bytes")
	}
}

// lease refuses a lease that ordinary delays would end.
func (v checker) lease(c *config, f *fleetConfig, path string) {
	lease, ping := span{joinPath(path, "lease"), f.Seat.Lease}, span{"limits.ping_interval", c.Limits.PingEvery}
	if least := leaseInPings * ping.Duration; lease.Duration != 0 && lease.Duration < least {
		v.against(fmt.Sprintf("%s is shorter than %d times %s: a delayed ping would stop the bot; write %s or more, or a shorter ping_interval",
			lease, leaseInPings, ping, showDuration(least)), lease.path, ping.path)
	}
}
