package main

import (
	"cmp"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"text/tabwriter"
)

// writeReport says in readable words what serve would do. Secrets appear by name alone.
func writeReport(w io.Writer, c config) error {
	var b strings.Builder
	source := "no configuration file"
	if c.Source != "" {
		source = c.Source
	}
	fmt.Fprintf(&b, "The configuration is fine. With %s, serve would run %s.\n\n", source, count(len(c.Fleets), "fleet"))
	table := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	row := func(name, format string, args ...any) {
		fmt.Fprintf(table, "%s\t%s\n", name, fmt.Sprintf(format, args...))
	}
	reportService(row, &c)
	for _, f := range c.Fleets {
		if err := table.Flush(); err != nil {
			return err
		}
		fmt.Fprintf(&b, "\nfleet %s\n", f.Name)
		reportFleet(func(name, format string, args ...any) { row("  "+name, format, args...) }, f)
	}
	if err := table.Flush(); err != nil {
		return err
	}
	for i, note := range notes(&c) {
		if i == 0 {
			b.WriteString("\n")
		}
		fmt.Fprintf(&b, "note: %s\n", note)
	}
	_, err := io.WriteString(w, b.String())
	return err
}

type rowFunc func(name, format string, args ...any)

func reportService(row rowFunc, c *config) {
	row("listen", "%s, for %s", c.Listen, reachOf(c.Listen))
	admin := "not served, for want of admin.token: nobody can say deploy, rollback or try-again"
	if c.Admin.served() {
		admin = fmt.Sprintf("%s, for %s; token %s", c.Admin.Listen, reachOf(c.Admin.Listen), c.Admin.Token)
	}
	row("admin", "%s", admin)
	path, known := absolute(c.State), "a new file"
	if _, err := os.Stat(path); err == nil {
		known = "which exists"
	}
	row("state", "SQLite, %s, %s", path, known)
	row("log", "from level %s, as %s", c.Log.Level, map[string]string{
		"auto": "text on a terminal, else JSON", "json": "JSON", "text": "text",
	}[c.Log.Format])
	row("limits", "%s, %d from one address; %s queued to one; out after %s",
		count(c.Limits.Connections, "client"), c.Limits.PerAddress, showSize(c.Limits.QueuedBytes), count(c.Limits.Strikes, "bad event"))
	row("pings", "every %s, answered within %s", showDuration(c.Limits.PingEvery), showDuration(c.Limits.PingTimeout))
}

func reachOf(listen string) string {
	if public(listen) {
		return "other machines too"
	}
	return "this machine only"
}

func reportFleet(row rowFunc, f *fleetConfig) {
	row("token", "%s", f.Token)
	row("key", "%s", keyInWords(f))
	row("lease", "%s", leaseInWords(f.Seat))
	row("standbys", "%s; an outdated client %s", standbysInWords(f.Seat.Standbys), becomes(f.Outdated))
	if f.Seat.Shards > 1 {
		row("shards", "%d, each with a seat of its own", f.Seat.Shards)
	}
	h := f.Health
	row("health", "every %s, answered within %s, at least %g %%; failed after %s in a row",
		showDuration(h.Interval), showDuration(h.Timeout), h.HealthyPercentage, count(h.Failures, "failure"))
	row("vital cogs", "%s", cmp.Or(strings.Join(h.VitalCogs, ", "), "none"))
	row("candidate", "must succeed %s in a row within %s; then bakes for %s",
		count(h.Successes, "time"), showDuration(h.CandidateDeadline), showDuration(h.Bake))
	row("handover", "%s", handoverInWords(f.Handover))
	row("cache", "at most %s", showSize(f.CacheMax))
	row("logins", "%d at a time, %s apart; at most %d in 24 hours, %d of them kept for the way back",
		f.Login.Concurrency, showDuration(f.Login.Spacing), f.Login.Daily, f.Login.Reserve)
	row("deadlines", "identify %s, ready %s, answers %s",
		showDuration(f.Deadlines.Identify), showDuration(f.Deadlines.Ready), showDuration(f.Deadlines.Answer))
	if f.CommandEvent != "command" {
		row("commands", "in the event %s", f.CommandEvent)
	}
	reportDeploy(row, f)
}

func keyInWords(f *fleetConfig) string {
	if f.Key.isZero() {
		return "none: only clients on this machine"
	}
	return f.Key.String()
}

func leaseInWords(s seatConfig) string {
	if s.Lease == 0 {
		return "none: a holder never stops by itself"
	}
	return fmt.Sprintf("a holder out of touch for %s stops by itself; %s later another may have the seat",
		showDuration(s.Lease), showDuration(s.Margin))
}

func standbysInWords(n int) string {
	if n == 0 {
		return "none"
	}
	return fmt.Sprintf("%d kept in coma", n)
}

func becomes(what string) string {
	if what == toShutdown {
		return "is shut down"
	}
	return "goes to coma"
}

func handoverInWords(h handoverConfig) string {
	cache := ""
	if h.CacheSync {
		cache = ", sends its cache"
	}
	return fmt.Sprintf("the old holder drains for %s%s and %s; without its answer within %s the swap is aborted",
		showDuration(h.Drain), cache, becomes(h.To), showDuration(h.Deadline))
}

// absolute is a path from the root, where that can be told.
func absolute(path string) string {
	if whole, err := filepath.Abs(path); err == nil {
		return whole
	}
	return path
}

// discordDaily is what Discord grants an ordinary bot in 24 hours; beyond it, it resets the token.
const discordDaily = 1000

// notes are what is allowed and still worth a second look.
func notes(c *config) []string {
	var found []string
	if c.Admin.served() && public(c.Admin.Listen) {
		found = append(found, "admin.listen: it is not encrypted, and neither is its token on the way; put a proxy with TLS in front of it")
	}
	for _, f := range c.Fleets {
		note := func(format string, args ...any) {
			found = append(found, "fleets."+f.Name+"."+fmt.Sprintf(format, args...))
		}
		if f.Seat.Lease == 0 {
			note("lease: with 0 the seat of a lost holder moves only when it is proven dead, or by force")
		}
		if f.Seat.Standbys == 0 {
			note("standbys: with 0 nobody takes over at once when the holder dies")
		}
		if f.Login.Daily > discordDaily {
			note("identify.daily: Discord resets the token of an ordinary bot above %d; only very large bots are granted more", discordDaily)
		}
		if f.Handover.To == toShutdown {
			note("handover.to: after shutdown no old client is left to go back to when a release fails in its bake%s", anew(&f.Deploy))
		}
		deployNotes(c, f, note)
	}
	return found
}
