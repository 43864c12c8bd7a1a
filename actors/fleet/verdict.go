package fleet

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/urban-robot/urban-robot/protocol"
)

// Result is what a health check came to.
type Result uint8

// Every result.
const (
	ResultOK           Result = iota + 1 // 100 % and nothing failing
	ResultDegraded                       // good enough to serve, not to be the last known good
	ResultInconclusive                   // an outage elsewhere: it says nothing about the release
	ResultFail                           // below the bar
	ResultError                          // no usable answer: a failure, never a pass
)

// Results lists every result.
func Results() []Result {
	return []Result{ResultOK, ResultDegraded, ResultInconclusive, ResultFail, ResultError}
}

// String is the one spelling for logs, metrics, JSON and the database.
func (r Result) String() string {
	return enumName("Result", int(r), "ok", "degraded", "inconclusive", "fail", "error")
}

// Verdict is the judgement on one health check. The zero Verdict says that there was none.
type Verdict struct {
	Result     Result
	Reason     protocol.Reason // for fail and error; empty otherwise
	Percentage float64         // the lower of the client's and our own
	Failing    []string        // sorted
	External   bool            // all that fails is elsewhere: it may fail in others, too
	Detail     string          // for people: what failed and why
}

// Passed reports whether the client may hold a seat.
func (v Verdict) Passed() bool { return v.Result == ResultOK || v.Result == ResultDegraded }

// Judge is the verdict on a report. expected are the cogs that the last good release reported; running is the newest report
// of the client that serves now, nil if there is none to compare with.
func Judge(report protocol.HealthReport, p HealthPolicy, expected []string, running *protocol.HealthReport) Verdict {
	items := itemsOf(report, p.VitalCogs, expected)
	failing := make([]string, 0, len(items))
	for _, name := range slices.Sorted(maps.Keys(items)) {
		if !items[name].ok {
			failing = append(failing, name)
		}
	}
	v := Verdict{Percentage: percentage(report, len(items), len(failing)), Failing: failing}
	v.Detail = describe(items, failing)
	v.External = len(failing) > 0 && !slices.ContainsFunc(failing, func(name string) bool { return items[name].external == "" })
	vital := slices.ContainsFunc(p.VitalCogs, func(cog string) bool { return !items[cogItem(cog)].ok })
	below := v.Percentage < p.HealthyPercentage
	switch {
	case sameOutage(items, failing, running):
		v.Result = ResultInconclusive
	case vital:
		v.Result, v.Reason = ResultFail, protocol.ReasonVitalCogFailure
	case below:
		v.Result, v.Reason = ResultFail, protocol.ReasonHealthCheckFailure
		v.Detail = strings.TrimSuffix(fmt.Sprintf("%.4g %% is below %.4g %%: %s", v.Percentage, p.HealthyPercentage, v.Detail), ": ")
	case v.Percentage == 100 && len(failing) == 0 && (report.OK == nil || *report.OK):
		v.Result = ResultOK
	default:
		v.Result = ResultDegraded
		v.Detail = strings.TrimSuffix(fmt.Sprintf("%.4g %%: %s", v.Percentage, v.Detail), ": ")
	}
	return v
}

// noAnswer is the verdict where no usable report came.
func noAnswer(detail string) Verdict {
	return Verdict{Result: ResultError, Reason: protocol.ReasonHealthCheckFailure, Detail: detail}
}

// item is one thing that works or does not: a cog, or a component of the checks.
type item struct {
	ok       bool
	problem  string
	external string
}

// cogItem and checkItem keep the two name spaces apart.
func cogItem(name string) string   { return name }
func checkItem(name string) string { return "check " + name }

// itemsOf collects what is reported and what should have been.
func itemsOf(r protocol.HealthReport, vital, expected []string) map[string]item {
	items := make(map[string]item, len(r.Cogs)+len(r.Checks)+len(vital))
	for name, cog := range r.Cogs {
		items[cogItem(name)] = item{ok: cog.OK, problem: cog.Error, external: cog.External}
	}
	for _, name := range slices.Concat(vital, expected) {
		if _, reported := items[cogItem(name)]; !reported {
			items[cogItem(name)] = item{problem: "not reported"}
		}
	}
	for name, checks := range r.Checks {
		it := item{ok: true}
		for _, c := range checks {
			if c.Status == protocol.CheckFail {
				it = item{problem: c.Output, external: c.External}
			}
		}
		items[checkItem(name)] = it
	}
	return items
}

// percentage is the lower of the client's own word and our count.
func percentage(r protocol.HealthReport, items, failing int) float64 {
	percent := 100.0
	if items > 0 {
		percent = 100 * float64(items-failing) / float64(items)
	}
	if r.Percentage != nil {
		return min(percent, *r.Percentage)
	}
	if r.OK != nil && !*r.OK && failing == 0 {
		return 0
	}
	return percent
}

// sameOutage reports whether all that fails is external and fails in the running client too.
func sameOutage(items map[string]item, failing []string, running *protocol.HealthReport) bool {
	if running == nil || len(failing) == 0 {
		return false
	}
	theirs := itemsOf(*running, nil, nil)
	for _, name := range failing {
		other, known := theirs[name]
		if items[name].external == "" || !known || other.ok || other.external != items[name].external {
			return false
		}
	}
	return true
}

// describe says in a line what failed and why; it names ten at most.
func describe(items map[string]item, failing []string) string {
	var b strings.Builder
	for i, name := range failing {
		if i == 10 {
			fmt.Fprintf(&b, "; and %d more", len(failing)-i)
			break
		}
		if i > 0 {
			b.WriteString("; ")
		}
		b.WriteString(name)
		if p := items[name].problem; p != "" {
			b.WriteString(": " + p)
		}
	}
	return b.String()
}

// worksIn lists the cogs of a report that work: what the next release is expected to have.
func worksIn(r protocol.HealthReport) []string {
	var cogs []string
	for name, cog := range r.Cogs {
		if cog.OK {
			cogs = append(cogs, name)
		}
	}
	slices.Sort(cogs)
	return cogs
}
