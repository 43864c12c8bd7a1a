package fleet

import (
	"encoding/json"
	"fmt"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/urban-robot/urban-robot/protocol"
)

// decoded is a report as it comes over the wire.
func decoded(t *testing.T, text string) protocol.HealthReport {
	t.Helper()
	event, err := protocol.DecodeEvent(protocol.EventHealthCheck, json.RawMessage(text), nil)
	require.NoError(t, err)
	return event.(protocol.HealthReport)
}

// The rules of section 5, one after the other.
func TestJudge(t *testing.T) {
	t.Parallel()
	const down = `{"cogs": {"vital": true, "music": {"ok": false, "error": "no route", "external": "lavalink"}}}`
	for _, c := range []struct {
		rule, name string
		report     string
		expected   []string
		running    string
		want       Result
		reason     protocol.Reason
		percentage float64
		failing    []string
	}{
		{rule: "7. 100 % and nothing failing: ok", name: "a bare ok", report: `{"ok": true, "cogs": ["vital"]}`, want: ResultOK, percentage: 100},
		{rule: "7", name: "a list of cogs that work", report: `{"percentage": 100, "cogs": ["vital", "admin"]}`, want: ResultOK, percentage: 100},
		{rule: "7", name: "a map of cogs that work", report: `{"OK": true, "percent": 100, "cogs": {"vital": true, "admin": {"ok": true}}}`, want: ResultOK, percentage: 100},
		{
			rule: "7. else degraded", name: "a percentage between the bar and 100", report: `{"percentage": 95, "cogs": ["vital"]}`,
			want: ResultDegraded, percentage: 95,
		},
		{
			rule: "7", name: "one of many cogs fails", report: `{"cogs": {"vital": true, "a": true, "b": true, "c": true, "d": false}}`,
			want: ResultDegraded, percentage: 80, failing: []string{"d"},
		},
		{rule: "7", name: "a warning is no failure", report: `{"cogs": ["vital"], "checks": {"gateway": [{"status": "warn"}]}}`, want: ResultOK, percentage: 100},
		{
			rule: "2. the expected cogs are the reported, the vital ones and those of the last good release's report; a missing one is not ok", name: "a vital cog is missing from a list",
			report: `{"ok": true, "cogs": ["admin"]}`, want: ResultFail, reason: protocol.ReasonVitalCogFailure, percentage: 50, failing: []string{"vital"},
		},
		{
			rule: "2", name: "a bare ok names no vital cog", report: `{"ok": true}`,
			want: ResultFail, reason: protocol.ReasonVitalCogFailure, failing: []string{"vital"},
		},
		{
			rule: "2", name: "a cog that the last good release had is missing", report: `{"ok": true, "cogs": ["vital", "a", "b"]}`, expected: []string{"vital", "music"},
			want: ResultFail, reason: protocol.ReasonHealthCheckFailure, percentage: 75, failing: []string{"music"},
		},
		{
			rule: "3. a vital cog not ok: fail, reason vital_cog_failure, even beside ok:true", name: "and beside 100 %", report: `{"ok": true, "percentage": 100, "cogs": {"vital": false, "a": true, "b": true, "c": true, "d": true}}`,
			want: ResultFail, reason: protocol.ReasonVitalCogFailure, percentage: 80, failing: []string{"vital"},
		},
		{
			rule: "4. the percentage is the lower of the client's and the server's own count", name: "the client's is higher", report: `{"percentage": 100, "cogs": {"vital": true, "admin": false}}`,
			want: ResultFail, reason: protocol.ReasonHealthCheckFailure, percentage: 50, failing: []string{"admin"},
		},
		{
			rule: "4", name: "the client's is lower", report: `{"percentage": 10, "cogs": {"vital": true}}`,
			want: ResultFail, reason: protocol.ReasonHealthCheckFailure, percentage: 10,
		},
		{
			rule: "5. below healthy_percentage: fail, reason health_check_failure", name: "by a little", report: `{"percentage": 79.99, "cogs": ["vital"]}`,
			want: ResultFail, reason: protocol.ReasonHealthCheckFailure, percentage: 79.99,
		},
		{rule: "5", name: "the bar itself is enough", report: `{"percentage": 80, "cogs": ["vital"]}`, want: ResultDegraded, percentage: 80},
		{
			rule: "5", name: "ok:false alone is nothing", report: `{"ok": false, "cogs": ["vital"]}`,
			want: ResultFail, reason: protocol.ReasonHealthCheckFailure,
		},
		{
			rule: "5", name: "ok:false beside a percentage is never ok", report: `{"ok": false, "percentage": 100, "cogs": ["vital"]}`,
			want: ResultDegraded, percentage: 100,
		},
		{
			rule: "5", name: "a failing check counts as a cog does", report: `{"cogs": ["vital"], "checks": {"discord:gateway": [{"status": "pass"}, {"status": "fail", "output": "closed"}]}}`,
			want: ResultFail, reason: protocol.ReasonHealthCheckFailure, percentage: 50, failing: []string{"check discord:gateway"},
		},
		{
			rule: "6. every failing item is external and the running client reports the same one failing now: inconclusive", name: "an outage", report: down, running: down,
			want: ResultInconclusive, percentage: 50, failing: []string{"music"},
		},
		{
			rule: "6", name: "the running client has none", report: down, running: `{"cogs": ["vital", "music"]}`,
			want: ResultFail, reason: protocol.ReasonHealthCheckFailure, percentage: 50, failing: []string{"music"},
		},
		{
			rule: "6", name: "nobody is running", report: down,
			want: ResultFail, reason: protocol.ReasonHealthCheckFailure, percentage: 50, failing: []string{"music"},
		},
		{
			rule: "6", name: "the running client does not know the cog", report: down, running: `{"cogs": ["vital"]}`,
			want: ResultFail, reason: protocol.ReasonHealthCheckFailure, percentage: 50, failing: []string{"music"},
		},
		{
			rule: "6", name: "it fails there for another service", report: down, running: `{"cogs": {"vital": true, "music": {"ok": false, "external": "spotify"}}}`,
			want: ResultFail, reason: protocol.ReasonHealthCheckFailure, percentage: 50, failing: []string{"music"},
		},
		{
			rule: "6", name: "something else fails by its own fault", report: `{"cogs": {"vital": true, "music": {"ok": false, "external": "lavalink"}, "admin": false}}`, running: down,
			want: ResultFail, reason: protocol.ReasonHealthCheckFailure, percentage: 100.0 / 3, failing: []string{"admin", "music"},
		},
		{
			rule: "6", name: "a check fails in both", report: `{"cogs": ["vital"], "checks": {"api": [{"status": "fail", "external": "github"}]}}`,
			running: `{"cogs": ["vital"], "checks": {"api": [{"status": "fail", "external": "github"}]}}`,
			want:    ResultInconclusive, percentage: 50, failing: []string{"check api"},
		},
		{
			rule: "6", name: "a check is no cog of that name", report: `{"cogs": ["vital"], "checks": {"music": [{"status": "fail", "external": "lavalink"}]}}`, running: down,
			want: ResultFail, reason: protocol.ReasonHealthCheckFailure, percentage: 50, failing: []string{"check music"},
		},
		{
			rule: "6", name: "a vital cog fails by an outage that the running client has, too", report: `{"cogs": {"vital": {"ok": false, "external": "db"}}}`,
			running: `{"cogs": {"vital": {"ok": false, "external": "db"}}}`, want: ResultInconclusive, failing: []string{"vital"},
		},
	} {
		t.Run(c.rule+", "+c.name, func(t *testing.T) {
			t.Parallel()
			var running *protocol.HealthReport
			if c.running != "" {
				r := decoded(t, c.running)
				running = &r
			}
			p := HealthPolicy{HealthyPercentage: 80, VitalCogs: []string{"vital"}}
			got := Judge(decoded(t, c.report), p, c.expected, running)
			assert.Equal(t, c.want, got.Result, "Judge() = %+v", got)
			assert.Equal(t, c.reason, got.Reason)
			assert.InDelta(t, c.percentage, got.Percentage, 0.001)
			assert.ElementsMatch(t, c.failing, got.Failing)
			assert.Equal(t, c.want == ResultOK || c.want == ResultDegraded, got.Passed())
		})
	}
}

// "1. no answer in time, malformed, or the wrong check_id: error (counts as a failure, never as a pass)".
func TestNoAnswerIsAnError(t *testing.T) {
	t.Parallel()
	for _, how := range []string{"mute", "malformed", "wrong_id"} {
		t.Run(how, func(t *testing.T) {
			t.Parallel()
			s := newScript(t)
			s.silent = true
			for _, step := range []string{"fleet undriven", "join a 1.0.0", "ready a", "health a"} {
				s.play(step)
			}
			s.mood["a"] = how
			s.play("wait 1m10s")
			c, _ := s.state.Client("a")
			assert.Equal(t, ResultError, c.Verdict.Result)
			assert.Equal(t, protocol.ReasonHealthCheckFailure, c.Verdict.Reason)
			assert.Equal(t, 1, c.Failures)
			assert.False(t, c.Verdict.Passed())
		})
	}
}

// A report of its client's own accord, or the late answer to an earlier check, is news but no verdict.
func TestUnaskedReports(t *testing.T) {
	t.Parallel()
	s := newScript(t)
	s.silent = true
	for _, step := range []string{"fleet undriven", "join a 1.0.0", "ready a"} {
		s.play(step)
	}
	c, _ := s.state.Client("a")
	first := c.Check.ID
	s.wait(c.Check.By.Sub(s.at), func([]Effect) {}) // too late
	s.wait(s.state.Policy.Health.Interval, func([]Effect) {})
	r := report("vital")
	r.CheckID = first
	s.do("a", Health{Report: r})
	c, _ = s.state.Client("a")
	assert.NotEmpty(t, c.Check.ID, "the newer check is still to be answered")
	assert.Equal(t, ResultError, c.Verdict.Result)
	assert.Equal(t, &r, c.Report)
	s.health("a", "ok")
	s.do("a", Health{Report: r})
	c, _ = s.state.Client("a")
	assert.Equal(t, ResultOK, c.Verdict.Result)
	for _, other := range []string{"x", "-", "zz-1", "1-zz"} {
		turn := turn{Fleet: s.state}
		assert.False(t, turn.issued(other), "issued(%q)", other)
	}
}

func TestDetailNamesTenAtMost(t *testing.T) {
	t.Parallel()
	r := protocol.HealthReport{Cogs: map[string]protocol.Cog{}}
	for i := range 12 {
		r.Cogs[fmt.Sprintf("cog%02d", i)] = protocol.Cog{Error: "no"}
	}
	got := Judge(r, HealthPolicy{HealthyPercentage: 50}, nil, nil)
	assert.Equal(t, "0 % is below 50 %: cog00: no; cog01: no; cog02: no; cog03: no; cog04: no; cog05: no; cog06: no; cog07: no; cog08: no; cog09: no; and 2 more", got.Detail)
}
