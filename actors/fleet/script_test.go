package fleet

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/urban-robot/urban-robot/protocol"
)

var rewrite = flag.Bool("rewrite", false, "write into testdata what the scenarios bring now")

// TestScenarios plays testdata/*.txt. A line that begins at the margin is a step, or several with ";" between them; the
// indented lines below are what it brings, and -rewrite writes them anew. A step after "given" is played silently. "#" begins
// a comment. What the steps mean stands in steps.
func TestScenarios(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("testdata/*.txt")
	require.NoError(t, err)
	require.NotEmpty(t, files)
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txt"), func(t *testing.T) {
			t.Parallel()
			text, err := os.ReadFile(file)
			require.NoError(t, err)
			got := newScript(t).run(string(text))
			if *rewrite {
				require.NoError(t, os.WriteFile(file, []byte(got), 0o644))
				return
			}
			assert.Equal(t, string(text), got)
		})
	}
}

// script plays one scenario.
type script struct {
	*bench
	mood   map[ClientID]string // how a client answers the checks that come while time passes
	silent bool
	out    strings.Builder
	last   time.Time // up to which time has been written
	ticket uint64
}

// words are the arguments of a step: bare ones, and key=value.
type words struct {
	bare []string
	with map[string]string
}

// get returns a bare word, or what else.
func (w words) get(i int, otherwise string) string {
	if i < len(w.bare) {
		return w.bare[i]
	}
	return otherwise
}

// rest returns the bare words from i on.
func (w words) rest(i int) string { return strings.Join(w.bare[min(i, len(w.bare)):], " ") }

func newScript(t testing.TB) *script {
	return &script{bench: newBench(t, drivenPolicy()), mood: map[ClientID]string{}, last: epoch0}
}

func (s *script) run(text string) string {
	for line := range strings.Lines(text) {
		line = strings.TrimRight(line, "\n")
		if strings.HasPrefix(line, " ") {
			continue
		}
		s.out.WriteString(line + "\n")
		steps, comment, _ := strings.Cut(line, "#")
		_ = comment
		steps, s.silent = strings.CutPrefix(strings.TrimSpace(steps), "given ")
		for step := range strings.SplitSeq(steps, ";") {
			s.play(step)
		}
	}
	return s.out.String()
}

// play plays one step.
func (s *script) play(step string) {
	if fields := strings.Fields(step); len(fields) > 0 {
		s.step(fields)
	}
}

func (s *script) step(fields []string) {
	do, ok := steps()[fields[0]]
	if !ok {
		s.t.Fatalf("no step is called %q", fields[0])
	}
	args := words{with: map[string]string{}}
	for _, f := range fields[1:] {
		if key, value, ok := strings.Cut(f, "="); ok {
			args.with[key] = value
		} else {
			args.bare = append(args.bare, f)
		}
	}
	do(s, args)
}

// steps is the language of the scenarios.
func steps() map[string]func(*script, words) {
	return map[string]func(*script, words){
		"fleet":   (*script).fleet,
		"restart": func(s *script, _ words) { s.restart() },
		"running": func(s *script, w words) {
			s.fact("", Running{Instances: w.bare, Unknown: w.get(0, "") == "unknown"})
		},
		"prepared": func(s *script, w words) {
			s.fact("", Prepared{Release: Release(w.get(0, "")), Failure: Failure(w.get(1, "")), Detail: w.rest(2)})
		},
		"launched": func(s *script, w words) {
			s.fact("", Launched{Instance: w.get(0, ""), Failure: Failure(w.get(1, "")), Detail: w.rest(2)})
		},
		"exited": func(s *script, w words) {
			s.fact("", Exited{Instance: w.get(0, ""), How: w.get(1, "exit_status_1"), Detail: w.rest(2)})
		},
		"deploy":    (*script).deploy,
		"rollback":  func(s *script, w words) { s.request(Rollback{Release: Release(w.get(0, "")), Who: "maria"}) },
		"try-again": func(s *script, _ words) { s.request(TryAgain{Who: "maria"}) },
		"join":      (*script).join,
		"ready":     func(s *script, w words) { s.fact(w.get(0, ""), Ready{}) },
		"health":    func(s *script, w words) { s.health(ClientID(w.get(0, "")), w.get(1, "ok")) },
		"mood":      func(s *script, w words) { s.mood[ClientID(w.get(0, ""))] = w.get(1, "ok") },
		"coma": func(s *script, w words) {
			s.fact(w.get(0, ""), Coma{Epoch: s.number(w, "epoch"), Handled: list(w.with["handled"])})
		},
		"leave": func(s *script, w words) {
			s.fact(w.get(0, ""), Shutdown{Reason: w.with["reason"], Epoch: s.number(w, "epoch"), Handled: list(w.with["handled"])})
		},
		"close": func(s *script, w words) {
			s.fact(w.get(0, ""), Disconnect{Said: w.get(1, "") == "said", Reason: "transport close"})
		},
		"cache": (*script).cache,
		"wait":  (*script).pass,
		"show":  (*script).show,
		// several in one
		"serving":   (*script).serving,
		"push":      (*script).push,
		"arrive":    func(s *script, w words) { s.play("join " + w.rest(0)); s.play("ready " + w.get(0, "")) },
		"promote":   (*script).promote,
		"arriveall": func(s *script, _ words) { s.arriveAll() },
	}
}

// fleet changes the policy, before anything has happened.
func (s *script) fleet(w words) {
	p := drivenPolicy()
	p.Rollout.Driven = w.get(0, "driven") == "driven"
	whole := map[string]*int{
		"standbys": &p.Standbys, "shards": &p.Shards, "reverts": &p.Rollout.Reverts, "restarts": &p.Rollout.Restarts, "daily": &p.Login.Daily,
		"reserve": &p.Login.Reserve, "failures": &p.Health.Failures, "successes": &p.Health.CandidateSuccesses,
	}
	long := map[string]*time.Duration{"lease": &p.Lease, "spacing": &p.Login.Spacing, "bake": &p.Health.Bake, "interval": &p.Health.Interval}
	for key, value := range w.with {
		var err error
		switch {
		case whole[key] != nil:
			*whole[key], err = strconv.Atoi(value)
		case long[key] != nil:
			*long[key], err = time.ParseDuration(value)
		case key == "to" && value == "shutdown":
			p.Handover.To = PartingShutdown
		case key == "outdated" && value == "shutdown":
			p.Outdated = PartingShutdown
		default:
			s.t.Fatalf("no policy is called %q", key)
		}
		require.NoError(s.t, err)
	}
	s.state = Restore(p, Stored{}, s.at)
}

func (s *script) deploy(w words) {
	fact := Deploy{Release: Release(w.get(0, "")), Who: w.get(1, "webhook"), Message: w.with["message"]}
	switch w.with["only"] {
	case "new":
		fact.Only = IfNew
	case "first":
		fact.Only = IfFirst
	case "wanted":
		fact.Only = IfWanted
	}
	s.request(fact)
}

// join identifies: with a release a process that somebody started, without one a process of ours, which has its launch secret.
// What follows a "/" tells a process's later connections apart.
func (s *script) join(w words) {
	id := w.get(0, "")
	instance, _, again := strings.Cut(id, "/")
	fact := Identify{Instance: instance, Release: Release(w.get(1, "")), Launched: len(w.bare) == 1}
	if given, ok := w.with["instance"]; ok {
		fact.Instance = given
	}
	if active, ok := w.with["active"]; ok || again {
		fact.Session = &protocol.Session{Epoch: s.number(w, "epoch"), Active: active == "yes", Ready: w.with["ready"] != "no"}
	}
	if shard, ok := w.with["shard"]; ok {
		n, err := strconv.Atoi(shard)
		require.NoError(s.t, err)
		fact.Shard = &n
	}
	s.fact(id, fact)
}

// health answers the outstanding check, if there is one.
func (s *script) health(id ClientID, how string) {
	c, _ := s.state.Client(id)
	switch how {
	case "malformed":
		s.fact(string(id), Health{Err: protocol.Errorf(protocol.CodeMalformed, "percentage", "percentage: want 0 to 100, got 250")})
	case "wrong_id":
		r := report("ok")
		r.CheckID = "other"
		s.fact(string(id), Health{Report: r})
	default:
		r := report(how)
		r.CheckID = c.Check.ID
		s.fact(string(id), Health{Report: r})
	}
}

// cache sends a cache, which is stored at once, or after the step "cache stored".
func (s *script) cache(w words) {
	for _, effect := range s.fact(w.get(0, ""), Cache{Size: 100}) {
		if keep, ok := effect.(KeepCache); ok {
			s.fact(string(keep.Client), CacheStored{Record: keep.Record})
		}
	}
}

// pass lets time pass; every check that comes is answered, as the client's mood is.
func (s *script) pass(w words) {
	d, err := time.ParseDuration(w.get(0, ""))
	require.NoError(s.t, err)
	s.answerChecks()
	s.wait(d, func(effects []Effect) {
		s.write(slices.DeleteFunc(effects, routine))
		s.answerChecks()
	})
}

// routine is a check that is answered at once.
func routine(effect Effect) bool {
	tell, ok := effect.(Tell)
	if !ok {
		return false
	}
	_, check := tell.Command.(protocol.HealthCheck)
	return check
}

func (s *script) answerChecks() {
	for answered := true; answered; { // one may bring the next
		answered = false
		for _, c := range s.state.View(s.at).Clients {
			known, _ := s.state.Client(c.ID)
			mood := s.mood[c.ID]
			if mood == "" {
				mood = "ok"
			}
			if known.Check.ID != "" && mood != "mute" {
				s.health(c.ID, mood)
				answered = true
			}
		}
	}
}

func (s *script) request(fact Fact) {
	s.ticket++
	s.write(s.ask("", s.ticket, fact))
}

func (s *script) fact(id string, fact Fact) []Effect {
	effects := s.do(ClientID(id), fact)
	s.write(effects)
	return effects
}

func (s *script) number(w words, key string) uint64 {
	text, ok := w.with[key]
	if !ok {
		return 0
	}
	n, err := strconv.ParseUint(text, 10, 64)
	require.NoError(s.t, err)
	return n
}

func list(text string) []string {
	if text == "" {
		return nil
	}
	return strings.Split(text, ",")
}

// write writes effects down, after the time if it has passed.
func (s *script) write(effects []Effect) {
	var lines []string
	for _, effect := range effects {
		lines = append(lines, describeEffect(effect)...)
	}
	if s.silent || len(lines) == 0 {
		return
	}
	if s.at != s.last {
		fmt.Fprintf(&s.out, "  %v later\n", s.at.Sub(s.last))
		s.last = s.at
	}
	for _, line := range lines {
		s.out.WriteString("    " + strings.TrimRight(line, " ") + "\n")
	}
}

// push deploys a release and has the driver do what it is told: its processes are started.
func (s *script) push(w words) {
	s.deploy(w)
	s.play("prepared " + w.get(0, ""))
}

// serving brings a first release into service: good, with its standbys.
func (s *script) serving(w words) {
	s.play("running")
	s.push(w)
	s.arriveAll()
	s.play("wait 11m")
	s.arriveAll()
	s.play("wait 2m")
}

// arriveAll has every process that was started, and not told to go, join and get ready, and do what it is told then.
func (s *script) arriveAll() {
	for _, p := range s.state.View(s.at).Running {
		if _, connected := s.state.instances.Get(p.Instance); connected || p.Retired {
			continue
		}
		s.play("arrive " + p.Instance)
		if c, _ := s.state.Client(ClientID(p.Instance)); c.Owed > 0 {
			s.play("coma " + p.Instance)
		}
	}
}

// promote has a candidate pass its check and take the seat.
func (s *script) promote(w words) {
	id := w.get(0, "")
	c, _ := s.state.Client(ClientID(id))
	s.play("health " + id)
	if from := s.state.Seat(c.Seat).Swap.From; from != "" {
		s.play("coma " + string(from))
	}
	s.play("ready " + id)
}

// show writes the fleet down as people see it.
func (s *script) show(words) {
	v := s.state.View(s.at)
	r := v.Rollout
	line := func(format string, args ...any) { fmt.Fprintf(&s.out, "    "+format+"\n", args...) }
	line("desired %s, last good %s, halted %q, reverts %d, restarts %d", orNone(v.Desired), orNone(v.LastGood), v.Halted, len(r.Reverts), len(r.Restarts))
	for _, a := range []Attempt{r.Attempt, r.Last} {
		if a.Release != "" {
			line("attempt %d of %s: %s", a.Generation, a.Release, strings.TrimSpace(a.Stage.String()+" "+a.Reason))
		}
	}
	for _, seat := range v.Seats {
		line("seat %d: %s, epoch %d, %s of %s, baking %v", seat.Seat, seat.Phase, seat.Epoch, orNone(Release(seat.Instance)), orNone(seat.Release), seat.Baking)
	}
	for _, c := range v.Clients {
		line("client %s of %s: %s", c.ID, c.Release, c.State)
	}
	for _, p := range v.Running {
		line("process %s of %s, retired %v", p.Instance, p.Release, p.Retired)
	}
	for _, known := range v.Releases {
		line("release %s: %s", known.Release, strings.TrimSpace(known.State.String()+" "+known.Reason))
	}
}

func orNone(r Release) Release {
	if r == "" {
		return "none"
	}
	return r
}
