package fleet

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/urban-robot/urban-robot/protocol"
)

// Process is a bot process that the driver was told to start.
type Process struct {
	Instance string
	Release  Release
	Seat     int
	PID      int       // 0: it is not known
	Number   uint64    // by start
	By       time.Time // it has identified by then; zero: it has
	StopBy   time.Time // it was told to leave and is stopped then; zero: not
	Retired  bool      // it is not wanted any more: its end is no crash
}

func (p Process) next() time.Time { return earliest(p.By, p.StopBy) }

func (t *turn) putProcess(p Process) {
	t.processes = t.processes.Set(p.Instance, p)
	t.wake = earliest(t.wake, p.next())
}

func (t *turn) recordProcess(p Process, gone bool) {
	t.record(ProcessRecord{Instance: p.Instance, Release: p.Release, Seat: p.Seat, Number: p.Number, Retired: p.Retired, Gone: gone, At: t.at})
}

// processesOf lists the processes for which keep is true, in the order they were started.
func (t *turn) processesOf(keep func(Process) bool) []Process {
	var found []Process
	for it := t.processes.Iterator(); !it.Done(); {
		_, p, _ := it.Next()
		if keep(p) {
			found = append(found, p)
		}
	}
	slices.SortFunc(found, func(a, b Process) int { return cmp.Compare(a.Number, b.Number) })
	return found
}

// running takes note of which processes live, after a start of the service. Those that were known and do not live have
// ended while nobody looked; those that were not known are nobody's and end.
func (t *turn) running(fact Running) {
	t.surveyed = true
	if fact.Unknown {
		fact.Instances = nil
		for _, p := range t.processesOf(func(Process) bool { return true }) {
			fact.Instances = append(fact.Instances, p.Instance)
		}
	}
	for _, p := range t.processesOf(func(p Process) bool { return !slices.Contains(fact.Instances, p.Instance) }) {
		t.processes = t.processes.Delete(p.Instance)
		t.recordProcess(p, true)
		t.dead(p.Instance, "its process had ended")
	}
	for _, instance := range fact.Instances {
		p, known := t.processes.Get(instance)
		switch {
		case !known, p.Retired:
			t.do(StopProcess{Instance: instance})
		default:
			p.By, p.PID = t.at.Add(t.Policy.Ready), fact.PIDs[instance]
			t.putProcess(p)
		}
	}
}

// staff brings the processes to where they should be: what is missing is prepared and started, what is not needed leaves.
func (t *turn) staff() {
	if !t.Policy.Rollout.Driven || !t.surveyed || t.tokenRejected {
		return
	}
	for seat := range t.Policy.Shards {
		t.staffSeat(t.seat(seat))
	}
}

func (t *turn) staffSeat(s Seat) {
	if a := t.rollout.Attempt; a.underWay() && !t.present(s.ID, a.Release) {
		t.start(s.ID, a.Release, a.Crashes > 0)
	}
	base := t.base()
	if base == "" {
		return
	}
	here := t.processesOf(func(p Process) bool { return p.Seat == s.ID && p.Release == base && !p.Retired })
	wanted := 1
	if !t.rollout.Attempt.underWay() {
		wanted += t.Policy.Standbys
	}
	if _, ours := t.processes.Get(s.Instance); !ours && s.Phase != SeatVacant && s.Release == base {
		wanted-- // somebody else has started its holder
	}
	for range wanted - len(here) {
		if !t.start(s.ID, base, true) {
			return
		}
	}
	t.retireSurplus(s, base)
}

// base is the release that should be in service where no rollout is under way: the last known good one, or what was asked for as long
// as there is none.
func (t *turn) base() Release {
	desired := t.rollout.Desired
	if desired == "" || t.bad(desired) || t.lastGood != "" && !t.good(desired) {
		return t.lastGood
	}
	return desired
}

// present reports whether a process or a client of a release is there for a seat.
func (t *turn) present(seat int, r Release) bool {
	if len(t.processesOf(func(p Process) bool { return p.Seat == seat && p.Release == r && !p.Retired })) > 0 {
		return true
	}
	return t.crowdOf(seat, r).present > 0
}

// start starts a process, or has its release prepared first. again tells that one ended before: then the backoff holds.
func (t *turn) start(seat int, r Release, again bool) bool {
	if again && (t.rollout.Halted == HaltedCrashes || t.at.Before(t.rollout.NotBefore)) {
		return false
	}
	if !t.prepared[r] {
		t.prepare(r)
		return false
	}
	t.rollout.Started++
	t.changed = true
	p := Process{
		Instance: fmt.Sprintf("%s-%d", slug(r), t.rollout.Started), Release: r, Seat: seat, Number: t.rollout.Started,
		By: t.at.Add(t.Policy.Ready),
	}
	t.putProcess(p)
	t.recordProcess(p, false)
	t.note(EventRecord{Event: "process starting", Release: r, Seat: seat, Detail: p.Instance})
	t.do(Launch{Instance: p.Instance, Release: r, Seat: seat})
	return true
}

// setups is how many releases may be prepared at the same time: of many pushes in a row the last one waits for no more than the first
// of them.
const setups = 2

// prepare has the driver prepare a release. The way back waits for nobody.
func (t *turn) prepare(r Release) {
	if t.preparing[r] || len(t.preparing) >= setups && !t.good(r) {
		return
	}
	t.preparing = with(t.preparing, r, true)
	t.do(Prepare{Release: r})
}

// slug is the part of a release that goes into an instance's name.
func slug(r Release) string {
	keep := func(c rune) rune {
		if c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' {
			return c
		}
		return '-'
	}
	s := strings.Map(keep, string(r))
	return strings.Trim(s[:min(len(s), 12)], "-")
}

// retireSurplus lets go of processes that neither serve, nor stand by, nor are on trial. The release before stays in coma until the
// new one is good and has its standbys.
func (t *turn) retireSurplus(s Seat, base Release) {
	if s.Phase != SeatHeld || s.Swap.active() {
		return
	}
	ready := t.crowdOf(s.ID, base).waiting
	if t.rollout.Attempt.underWay() || s.Release != base {
		if t.lastGood == "" || s.Release == base || ready > 0 {
			t.retireOthers(s, base)
		}
		return
	}
	if ready < t.Policy.Standbys {
		return
	}
	spare := 0
	for _, p := range t.processesOf(func(p Process) bool { return p.Seat == s.ID && !p.Retired }) {
		switch {
		case p.Instance == s.Instance:
		case p.Release == base && spare < t.Policy.Standbys:
			spare++
		default:
			t.retire(p, protocol.ReasonOutdated)
		}
	}
}

// retireOthers lets go of what many pushes in a row have left: processes of releases that neither serve, nor are on trial, nor are the way
// back.
func (t *turn) retireOthers(s Seat, base Release) {
	before, _ := t.clients.Get(s.Before)
	for _, p := range t.processesOf(func(p Process) bool { return p.Seat == s.ID && !p.Retired }) {
		if p.Release != base && p.Release != s.Release && p.Release != before.Release && !t.onTrial(p.Release) {
			t.retire(p, protocol.ReasonOutdated)
		}
	}
}

// retire lets a process go: it is told to leave, and stopped if it does not.
func (t *turn) retire(p Process, reason protocol.Reason) {
	if p.Retired {
		return
	}
	p.Retired, p.By = true, time.Time{}
	p.StopBy = t.at.Add(t.Policy.Answer)
	id, connected := t.instances.Get(p.Instance)
	c, known := t.clients.Get(id)
	switch {
	case connected && known && c.State == StateShuttingDown:
	case connected && known && t.seat(c.Seat).Holder != c.ID:
		t.dismiss(c, reason)
	case !connected:
		p.StopBy = time.Time{}
		t.do(StopProcess{Instance: p.Instance})
	}
	t.putProcess(p)
	t.recordProcess(p, false)
}

// retireHolder takes note that a holder was told to leave for good. If it does not, its process is stopped, and its death frees the seat.
func (t *turn) retireHolder(c Client, stopBy time.Time) {
	p, ok := t.processes.Get(c.Instance)
	if !ok || p.Retired {
		return
	}
	p.Retired, p.By, p.StopBy = true, time.Time{}, stopBy
	t.putProcess(p)
	t.recordProcess(p, false)
}

// tickProcesses does what is due for processes.
func (t *turn) tickProcesses() {
	for _, p := range t.processesOf(func(p Process) bool { return due(p.next(), t.at) }) {
		switch {
		case due(p.StopBy, t.at):
			p.StopBy = time.Time{}
			t.putProcess(p)
			t.do(StopProcess{Instance: p.Instance})
		case due(p.By, t.at):
			p.By = time.Time{}
			t.putProcess(p)
			t.silent(p)
		}
	}
	if due(t.rollout.NotBefore, t.at) {
		t.rollout.NotBefore = time.Time{}
		t.changed = true
	}
}

// silent deals with a process that did not identify in time, unless it is here by now: it may have been before the driver said what
// runs, or on a connection that took the place of another.
func (t *turn) silent(p Process) {
	if _, connected := t.instances.Get(p.Instance); connected {
		return
	}
	t.note(EventRecord{Event: "process silent", Release: p.Release, Seat: p.Seat, Detail: p.Instance, Warn: true})
	s, held := t.seatOf(p.Instance)
	t.retire(p, protocol.ReasonStartupTimeout) // what it holds is free once it is proven dead
	if !t.ended(s, held, p, FailureStartupTimeout, "its process did not identify in time") {
		t.crashed(p, FailureStartupTimeout)
	}
}

// launched takes note of a process that could not be started.
func (t *turn) launched(fact Launched) {
	p, ok := t.processes.Get(fact.Instance)
	if !ok {
		return
	}
	if fact.Failure == "" {
		p.PID = fact.PID
		t.putProcess(p)
		return
	}
	t.processes = t.processes.Delete(p.Instance)
	t.recordProcess(p, true)
	t.note(EventRecord{Event: "process not started", Release: p.Release, Seat: p.Seat, Reason: string(fact.Failure), Detail: fact.Detail, Warn: true})
	t.prepared = with(t.prepared, p.Release, false) // what it needs may be gone
	switch {
	case p.Retired:
	case t.onTrial(p.Release):
		t.end(StageAborted, fact.Failure, fact.Detail)
	default:
		t.crashed(p, fact.Failure)
	}
}

// exited ends a process's claims: it is proven dead.
func (t *turn) exited(fact Exited) {
	p, known := t.processes.Get(fact.Instance)
	s, held := t.seatOf(fact.Instance)
	if known {
		t.processes = t.processes.Delete(p.Instance)
		t.recordProcess(p, true)
		t.note(EventRecord{
			Event: "process exited", Release: p.Release, Seat: p.Seat, Reason: fact.How, Detail: fact.Detail, Warn: !p.Retired,
		})
	} else {
		p.Release, p.Seat = s.Release, s.ID // of one that somebody else has started
	}
	t.dead(fact.Instance, "process exited")
	if p.Retired || !known && !held {
		return
	}
	if !t.ended(s, held, p, FailureExited, cmpDetail(fact)) && known {
		t.crashed(p, FailureExited)
	}
}

// ended judges the release of a process that has ended, or is lost, without being told to; s is the seat that it held before, if it did. In its bake
// the release before gets the seat back, and before its promotion the old one was never stopped. It returns false where that is no
// matter of releases.
func (t *turn) ended(s Seat, held bool, p Process, why Failure, detail string) bool {
	switch {
	case t.tokenRejected || t.bad(p.Release):
		return true // it is not its fault, or nothing new
	case !t.fallback(p.Seat, p.Release):
		return false
	case held && t.bakes(s):
		t.fail(p.Release, FailureCrashed, detail)
		t.countRevert(p.Release)
	case t.onTrial(p.Release) && !t.good(p.Release): // one that was good before is started again
		t.fail(p.Release, why, detail)
	default:
		return false
	}
	return true
}

// bakes reports whether a seat's release holds it and is not proven yet.
func (t *turn) bakes(s Seat) bool {
	if t.good(s.Release) || s.Phase == SeatVacant || s.Phase == SeatGranted && !s.Adopted {
		return false
	}
	return !s.BakeUntil.IsZero() || t.onTrial(s.Release) && t.rollout.Attempt.Stage == StageBaking
}

func cmpDetail(fact Exited) string {
	if fact.Detail == "" {
		return fact.How
	}
	return fact.How + ": " + fact.Detail
}

// holds reports whether an instance holds a seat.
func (t *turn) holds(instance string) bool {
	_, held := t.seatOf(instance)
	return held
}

// seatOf returns the seat that an instance holds, if it does.
func (t *turn) seatOf(instance string) (Seat, bool) {
	for it := t.seats.Iterator(); !it.Done(); {
		if _, s, _ := it.Next(); s.Instance == instance && s.Phase != SeatVacant {
			return s, true
		}
	}
	return Seat{}, false
}

// dead frees what a dead process held.
func (t *turn) dead(instance, why string) {
	if id, ok := t.instances.Get(instance); ok {
		if c, ok := t.clients.Get(id); ok {
			t.do(Hangup{Client: id, Abort: true})
			t.gone(c, why)
		}
	}
	for it := t.seats.Iterator(); !it.Done(); {
		_, s, _ := it.Next()
		if s.Instance == instance && s.Phase == SeatLost {
			t.vacate(s, why, nil)
			t.unsettle(s.ID)
		}
	}
}

// crashed counts an unexpected end of a process that is not on trial, or that nothing could replace. It is started again, later each
// time, and not for ever.
func (t *turn) crashed(p Process, why Failure) {
	r := t.Policy.Rollout
	if !r.Driven || t.tokenRejected {
		return
	}
	window := r.RestartWindow
	if why == FailureStartupTimeout { // each took so long to be noticed
		window += time.Duration(r.Restarts+1) * t.Policy.Ready
	}
	t.rollout.Restarts = within(t.rollout.Restarts, t.at.Add(-window))
	t.rollout.Restarts = append(t.rollout.Restarts, t.at)
	t.changed = true
	if t.onTrial(p.Release) {
		t.rollout.Attempt.Crashes++
	}
	n := len(t.rollout.Restarts)
	detail := fmt.Sprintf("its processes ended %d times within %s", n, window)
	switch {
	case n > r.Restarts && t.onTrial(p.Release):
		t.fail(p.Release, why, detail) // that ends it: nothing needs to be halted
		return
	case n > r.Restarts:
		t.halt(HaltedCrashes, p.Release, detail)
		return
	}
	backoff := min(r.BackoffMax, r.BackoffMin<<min(n-1, 20))
	t.rollout.NotBefore = t.at.Add(backoff)
	t.wake = earliest(t.wake, t.rollout.NotBefore)
}

// within returns the times after a moment, in a list of its own.
func within(times []time.Time, after time.Time) []time.Time {
	kept := make([]time.Time, 0, len(times)+1)
	for _, at := range times {
		if at.After(after) {
			kept = append(kept, at)
		}
	}
	return kept
}

// with returns a copy of a set with one more entry, or without it.
func with(set map[Release]bool, r Release, in bool) map[Release]bool {
	next := make(map[Release]bool, len(set)+1)
	maps.Copy(next, set)
	if next[r] = in; !in {
		delete(next, r)
	}
	return next
}
