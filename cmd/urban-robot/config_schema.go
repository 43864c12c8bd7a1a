package main

import (
	"strconv"

	"github.com/urban-robot/urban-robot/actors/store"
	"github.com/urban-robot/urban-robot/protocol"
)

// field is one key of the configuration. Exactly one of value, secret, fields, each and items is set.
type field struct {
	name   string
	what   string                    // for people, in a line
	value  value                     // a setting
	secret *secret                   // a secret, named by env or file
	fields []field                   // a group of keys
	each   func(name string) []field // a group whose keys the operator names
	items  *list                     // a list of groups
}

// list is a list of groups of keys.
type list struct {
	most    int
	example string
	count   func() int
	at      func(i int) []field // adds what is missing up to there
}

// schema lists every key. Reading through it fills c; showing through it shows c. Nothing else knows the keys.
func schema(c *config) []field {
	return []field{
		{name: "listen", what: "where bots connect and webhooks come in; beyond loopback every fleet needs a key", value: address(&c.Listen)},
		{name: "admin", what: "the API behind deploy, rollback and try-again", fields: []field{
			{name: "listen", what: "where it is served, if there is an admin.token", value: address(&c.Admin.Listen)},
			{name: "token", what: "what its callers show; none: it is not served", secret: &c.Admin.Token},
		}},
		{name: "state", what: "where everything is kept that must survive", value: database(&c.State)},
		{name: "log", what: "the log, on standard error", fields: []field{
			{name: "level", what: "the least that is logged", value: choice(&c.Log.Level, "trace", "debug", "info", "warn", "error")},
			{name: "format", what: "auto: text on a terminal, else json", value: choice(&c.Log.Format, "auto", "json", "text")},
		}},
		{name: "limits", what: "what one client or one address may cost", fields: limitsSchema(&c.Limits)},
		{name: "fleets", what: "one for each Discord application, by a name of a-z, 0-9, - and _", each: func(name string) []field {
			return fleetSchema(c.fleet(name))
		}},
	}
}

func limitsSchema(l *limitsConfig) []field {
	const million = 1_000_000
	return []field{
		{name: "connections", what: "connected clients in all", value: number(&l.Connections, 1, million)},
		{name: "connections_per_address", what: "connected clients from one address", value: number(&l.PerAddress, 1, million)},
		{name: "strikes", what: "bad events before a client is disconnected", value: number(&l.Strikes, 1, million)},
		{name: "ping_interval", what: "how often a client is pinged", value: duration(&l.PingEvery, true)},
		{name: "ping_timeout", what: "how long its answer may take", value: duration(&l.PingTimeout, true)},
		{
			name: "queued_bytes", what: "what may wait to be sent to one client; default: twice the largest cache, at least 32MiB",
			value: size(&l.QueuedBytes, 4*store.MaxCacheBytes),
		},
	}
}

func fleetSchema(f *fleetConfig) []field {
	const hundred, million = 100, 1_000_000
	return []field{
		{name: "token", what: "Discord's bot token", secret: &f.Token},
		{name: "key", what: "what the fleet's bots show; none: only clients on this machine", secret: &f.Key},
		{name: "lease", what: "a holder out of touch for so long stops by itself; 0: never", value: duration(&f.Seat.Lease, false)},
		{name: "lease_margin", what: "on top of it, before another client gets the seat", value: duration(&f.Seat.Margin, true)},
		{name: "standbys", what: "clients kept in coma", value: number(&f.Seat.Standbys, 0, hundred)},
		{name: "shards", what: "shard groups, each with a seat of its own", value: number(&f.Seat.Shards, 1, protocol.MaxShards)},
		{name: "health", what: "how clients are checked", fields: healthSchema(&f.Health)},
		{name: "handover", what: "how a seat moves on purpose", fields: []field{
			{name: "to", what: "what the old holder becomes", value: choice(&f.Handover.To, toComa, toShutdown)},
			{name: "drain", what: "time to finish what it has begun", value: duration(&f.Handover.Drain, false)},
			{name: "cache_sync", what: "whether it sends its cache first", value: truth(&f.Handover.CacheSync)},
			{name: "deadline", what: "for its answer; then the swap is aborted", value: duration(&f.Handover.Deadline, true)},
		}},
		{name: "outdated", what: "what becomes of a client of an older release", value: choice(&f.Outdated, toComa, toShutdown)},
		{name: "cache", what: "the cache that moves with the seat", fields: []field{
			{name: "max_bytes", what: "its largest size", value: size(&f.CacheMax, store.MaxCacheBytes)},
		}},
		{name: "restart", what: "of processes that crash", fields: restartSchema(&f.Restart)},
		{name: "rollback", what: "to the last good release", fields: rollbackSchema(&f.Rollback)},
		{name: "identify", what: "Discord's login limits", fields: []field{
			{name: "daily", what: "logins in 24 hours", value: number(&f.Login.Daily, 1, million)},
			{name: "reserve", what: "of them, kept for the way back", value: number(&f.Login.Reserve, 0, million)},
			{name: "spacing", what: "between two logins", value: duration(&f.Login.Spacing, false)},
			{name: "concurrency", what: "Discord's max_concurrency", value: number(&f.Login.Concurrency, 1, 1024)},
		}},
		{name: "deadlines", what: "for what a client must do", fields: []field{
			{name: "identify", what: "from connecting to identify", value: duration(&f.Deadlines.Identify, true)},
			{name: "ready", what: "from hello to ready", value: duration(&f.Deadlines.Ready, true)},
			{name: "answer", what: "from a command to its answer", value: duration(&f.Deadlines.Answer, true)},
		}},
		{
			name: "command_event", what: "the event that carries commands; cmd: clients of the first Urban Robot",
			value: choice(&f.CommandEvent, protocol.EventCommand, "cmd"),
		},
		{name: "deploy", what: "how releases are put into service", fields: deploySchema(&f.Deploy)},
		{name: "alerts", what: "who is told", items: &list{
			most: maxItems, example: "[{url: {env: HELIUM_ALERT_URL}}]", count: func() int { return len(f.Alerts) },
			at: func(i int) []field { return alertSchema(f.alert(i)) },
		}},
	}
}

func healthSchema(h *healthConfig) []field {
	const thousand = 1000
	return []field{
		{name: "healthy_percentage", what: "the least that passes", value: percentage(&h.HealthyPercentage)},
		{name: "vital_cogs", what: "cogs that must work", value: texts(&h.VitalCogs, protocol.MaxCogs, protocol.MaxStringBytes)},
		{name: "timeout", what: "for one answer", value: duration(&h.Timeout, true)},
		{name: "interval", what: "between two checks", value: duration(&h.Interval, true)},
		{name: "failures", what: "in a row, until a running client has failed", value: number(&h.Failures, 1, thousand)},
		{name: "candidate", what: "before promotion", fields: []field{
			{name: "successes", what: "in a row, until it has passed", value: number(&h.Successes, 1, thousand)},
			{name: "deadline", what: "for those", value: duration(&h.CandidateDeadline, true)},
		}},
		{name: "bake", what: "after promotion, until the release counts as good", value: duration(&h.Bake, true)},
	}
}

// anyFleet stands for a fleet's name in the documentation.
const anyFleet = "<fleet>"

// maxItems is the most that a list of groups may have.
const maxItems = 16

// eachSetting calls visit for every setting, depth first. A group named by the operator is gone through once for each of the
// names, a list of groups for its first item.
func eachSetting(fields []field, path string, names []string, visit func(path string, f field)) {
	eachSettingOf(fields, path, names, 1, visit)
}

// eachSettingOf is eachSetting with so many items in every list.
func eachSettingOf(fields []field, path string, names []string, items int, visit func(path string, f field)) {
	for _, f := range fields {
		here := joinPath(path, f.name)
		switch {
		case f.each != nil:
			for _, name := range names {
				eachSettingOf(f.each(name), joinPath(here, name), nil, items, visit)
			}
		case f.items != nil:
			for i := range items {
				eachSettingOf(f.items.at(i), joinPath(here, strconv.Itoa(i)), nil, items, visit)
			}
		case f.fields != nil:
			eachSettingOf(f.fields, here, names, items, visit)
		default:
			visit(here, f)
		}
	}
}
