package alert

import (
	"slices"
	"time"
)

// joiner makes messages of alerts. Time is handed to it.
type joiner struct {
	window, quiet time.Duration
	fleets        map[string]*fleetAlerts
}

// fleetAlerts is what waits to be said of one fleet, and what was said last.
type fleetAlerts struct {
	due     time.Time // zero if nothing waits
	waiting message
	saidAt  time.Time
	said    map[key]line // what was held back of it since then; its count may be zero
}

// key is what identical alerts have in common.
type key struct {
	level                        Level
	what, fleet, release, reason string
}

// line is an alert, the newest of n identical ones.
type line struct {
	Alert
	n     int
	since time.Time // the first of them
}

func (a Alert) key() key { return key{a.Level, a.What, a.Fleet, a.Release, a.Reason} }

func (l line) plus(o line) line {
	if l.n == 0 {
		return o
	}
	if o.n == 0 {
		return l
	}
	newest := l.Alert
	if !o.At.Before(l.At) {
		newest = o.Alert
	}
	since := l.since
	if o.since.Before(since) {
		since = o.since
	}
	return line{Alert: newest, n: l.n + o.n, since: since}
}

func newJoiner(window, quiet time.Duration) *joiner {
	return &joiner{window: window, quiet: quiet, fleets: make(map[string]*fleetAlerts)}
}

func (j *joiner) add(now time.Time, alerts ...Alert) {
	for _, a := range alerts {
		f := j.fleets[a.Fleet]
		if f == nil {
			f = &fleetAlerts{}
			j.fleets[a.Fleet] = f
		}
		if f.due.IsZero() {
			f.due, f.waiting = now.Add(j.window), message{fleet: a.Fleet}
		}
		f.waiting.add(a)
	}
}

// wait returns how long nothing is due. any is false if nothing waits.
func (j *joiner) wait(now time.Time) (d time.Duration, any bool) {
	for _, f := range j.fleets {
		if left := max(0, f.due.Sub(now)); !f.due.IsZero() && (!any || left < d) {
			d, any = left, true
		}
	}
	return d, any
}

// flush returns the messages that are due, or all of them, and those that are held back because their fleet's last message
// said the same.
func (j *joiner) flush(now time.Time, all bool) (messages, quiet []message) {
	for name, f := range j.fleets {
		switch {
		case f.due.IsZero():
			if now.Sub(f.saidAt) >= j.quiet && !f.held() {
				delete(j.fleets, name)
			}
			continue
		case !all && f.due.After(now):
			continue
		}
		m := f.waiting
		f.due, f.waiting = time.Time{}, message{}
		if now.Sub(f.saidAt) < j.quiet && !slices.ContainsFunc(m.lines, f.isNew) {
			f.hold(m)
			quiet = append(quiet, m)
			continue
		}
		messages = append(messages, f.say(now, m))
	}
	slices.SortFunc(messages, func(a, b message) int { return a.head().At.Compare(b.head().At) })
	return messages, quiet
}

func (f *fleetAlerts) isNew(l line) bool {
	_, known := f.said[l.key()]
	return !known
}

func (f *fleetAlerts) held() bool {
	for _, l := range f.said {
		if l.n > 0 {
			return true
		}
	}
	return false
}

// hold counts a message that is not sent, for when it is said again.
func (f *fleetAlerts) hold(m message) {
	for _, l := range m.lines {
		f.said[l.key()] = f.said[l.key()].plus(l)
	}
}

// say returns the message with the counts of what was held back.
func (f *fleetAlerts) say(now time.Time, m message) message {
	for i, l := range m.lines {
		m.lines[i] = f.said[l.key()].plus(l)
	}
	f.saidAt, f.said = now, make(map[key]line, len(m.lines))
	for _, l := range m.lines {
		f.said[l.key()] = line{}
	}
	return m
}
