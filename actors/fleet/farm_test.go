package fleet

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/urban-robot/urban-robot/protocol"
)

// nature is how the processes of a release behave.
type nature string

const (
	sound        nature = ""
	setupFails   nature = "setup fails"
	setupHangs   nature = "setup hangs"
	exitsAtOnce  nature = "exits at once"
	staysSilent  nature = "never identifies"
	neverReady   nature = "never gets ready"
	vitalFails   nature = "a vital cog is missing"
	percentLow   nature = "its percentage is low"
	crashesSoon  nature = "crashes in the bake"
	failsSoon    nature = "its health fails in the bake"
	cannotLaunch nature = "the driver cannot start it"
)

// farm is a driver and the processes it starts: honest ones, which do what the contract says as far as their nature lets them. What they
// say takes a moment each and arrives in order.
type farm struct {
	*bench
	natures  map[Release]nature
	robots   map[string]*robot
	queue    []func()
	opened   int
	launches int
	alerts   []Alert
	answers  []Respond
}

// robot is a process.
type robot struct {
	instance string
	release  Release
	conn     ClientID // empty: it is not connected
	epoch    uint64
	active   bool
	loggedIn bool
	checks   int
}

func newFarm(t testing.TB, p Policy) *farm {
	t.Helper()
	return &farm{bench: newBench(t, p), natures: map[Release]nature{}, robots: map[string]*robot{}}
}

// say lets the rules answer a fact, and the farm do what they want.
func (f *farm) say(id ClientID, fact Fact) {
	for _, effect := range f.do(id, fact) {
		f.react(effect)
	}
}

// request is say with a ticket.
func (f *farm) request(fact Fact) {
	for _, effect := range f.ask("", 1, fact) {
		f.react(effect)
	}
}

// later lets a robot do something after what is under way, unless it is dead by then.
func (f *farm) later(r *robot, do func()) {
	f.queue = append(f.queue, func() {
		if f.robots[r.instance] == r {
			do()
		}
	})
}

// step lets the next thing happen and reports whether there was one before the end.
func (f *farm) step(end time.Time) bool {
	wake := f.state.Wake()
	switch {
	case len(f.queue) > 0:
		f.at = f.at.Add(100 * time.Millisecond)
		next := f.queue[0]
		f.queue = f.queue[1:]
		next()
	case wake.IsZero() || wake.After(end):
		f.at = end
		return false
	default:
		if wake.After(f.at) {
			f.at = wake
		}
		f.say("", Tick{})
	}
	return true
}

// run lets time pass.
func (f *farm) run(d time.Duration) {
	end := f.at.Add(d)
	for range 100_000 {
		if !f.step(end) {
			return
		}
	}
	f.t.Fatalf("a hundred thousand steps within %v", d)
}

// reboot kills the supervisor and starts another; survive tells whether the processes outlive it.
func (f *farm) reboot(survive bool) {
	f.queue = nil
	f.restart()
	if !survive {
		clear(f.robots)
		clear(f.minds)
	}
	alive := slices.Sorted(maps.Keys(f.robots))
	f.queue = append(f.queue, func() { f.say("", Running{Instances: alive}) })
	for _, instance := range alive {
		r := f.robots[instance]
		r.conn = ""
		if f.natures[r.release] == exitsAtOnce {
			f.later(r, func() { f.die(r, "exit status 1") })
			continue
		}
		f.later(r, func() { f.identify(r) })
	}
}

func (f *farm) react(effect Effect) {
	switch effect := effect.(type) {
	case Prepare:
		f.prepare(effect.Release)
	case Launch:
		f.launch(effect)
	case StopProcess:
		if r := f.robots[effect.Instance]; r != nil {
			f.later(r, func() { f.die(r, "killed") })
		}
	case Alert:
		f.alerts = append(f.alerts, effect)
	case Respond:
		f.answers = append(f.answers, effect)
	case Say:
		f.withRobot(effect.Client, func(r *robot) { f.hello(r, effect.Hello) })
	case Tell:
		f.withRobot(effect.Client, func(r *robot) { f.command(r, effect.Command) })
	case Hangup:
		f.withRobot(effect.Client, func(r *robot) {
			f.leave(r, false)
			f.later(r, func() { f.identify(r) })
		})
	}
}

func (f *farm) withRobot(id ClientID, do func(*robot)) {
	for _, r := range f.robots {
		if r.conn == id {
			do(r)
			return
		}
	}
}

func (f *farm) prepare(release Release) {
	out := Prepared{Release: release}
	out.Failure = map[nature]Failure{setupFails: FailureSetup, setupHangs: FailureSetupTimeout}[f.natures[release]]
	f.queue = append(f.queue, func() { f.say("", out) })
}

func (f *farm) launch(effect Launch) {
	f.launches++
	if f.natures[effect.Release] == cannotLaunch {
		f.queue = append(f.queue, func() {
			f.say("", Launched{Instance: effect.Instance, Failure: FailureDriver, Detail: "no space left on device"})
		})
		return
	}
	r := &robot{instance: effect.Instance, release: effect.Release}
	f.robots[r.instance] = r
	f.later(r, func() { f.say("", Launched{Instance: r.instance}) })
	if f.natures[r.release] == exitsAtOnce {
		f.later(r, func() { f.die(r, "exit status 1") })
		return
	}
	f.later(r, func() { f.identify(r) })
}

func (f *farm) identify(r *robot) {
	if r.conn != "" || f.natures[r.release] == staysSilent {
		return
	}
	f.opened++
	r.conn = ClientID(fmt.Sprintf("%s/%d", r.instance, f.opened))
	fact := Identify{Instance: r.instance, Release: "whatever it says", Launched: true}
	if r.epoch > 0 || r.loggedIn {
		fact.Session = &protocol.Session{Epoch: r.epoch, Active: r.active, Ready: r.loggedIn}
	}
	f.say(r.conn, fact)
}

// leave closes a robot's connection.
func (f *farm) leave(r *robot, said bool) {
	if id := r.conn; id != "" {
		r.conn = ""
		f.queue = append(f.queue, func() { f.say(id, Disconnect{Said: said}) })
	}
}

func (f *farm) die(r *robot, how string) {
	delete(f.robots, r.instance)
	delete(f.minds, r.instance)
	f.leave(r, false)
	f.queue = append(f.queue, func() { f.say("", Exited{Instance: r.instance, How: how}) })
}

func (f *farm) hello(r *robot, h protocol.Hello) {
	switch {
	case h.Error != nil:
		f.later(r, func() { f.die(r, "exit status 3") })
		return
	case f.natures[r.release] == neverReady:
		return
	}
	r.active, r.epoch = r.active && h.ProcessCommands, max(r.epoch, h.Epoch)
	f.ready(r)
}

func (f *farm) ready(r *robot) {
	f.later(r, func() {
		if r.loggedIn = true; r.conn != "" {
			f.say(r.conn, Ready{})
		}
	})
}

func (f *farm) command(r *robot, command protocol.Command) {
	answer := func(fact Fact) {
		f.later(r, func() {
			if r.conn != "" {
				f.say(r.conn, fact)
			}
		})
	}
	switch c := command.(type) {
	case protocol.OK:
		r.active, r.epoch = true, c.Epoch
		if f.natures[r.release] == crashesSoon {
			f.later(r, func() { f.die(r, "exit status 1") })
		}
	case protocol.ProcessCommands:
		r.epoch = c.Epoch
		f.ready(r)
	case protocol.EnterComa:
		r.active = false
		answer(Coma{Epoch: c.Epoch})
	case protocol.ShutDown:
		r.active = false
		answer(Shutdown{Epoch: c.Epoch})
		f.later(r, func() { f.die(r, "exit status 0") })
	case protocol.HealthCheck:
		answer(Health{Report: f.health(r, c.CheckID)})
	}
}

func (f *farm) health(r *robot, id string) protocol.HealthReport {
	r.checks++
	how := "ok"
	switch n := f.natures[r.release]; {
	case n == vitalFails, n == failsSoon && r.active && r.checks > 2:
		how = "vital"
	case n == percentLow:
		how = "low"
	}
	out := report(how)
	out.CheckID = id
	return out
}

// holder is the release that holds a seat and processes.
func (f *farm) holder(seat int) Release {
	s := f.state.Seat(seat)
	if r := f.robots[s.Instance]; s.Phase == SeatHeld && r != nil && r.active {
		return r.release
	}
	return ""
}

// alerted counts the alerts of a kind.
func (f *farm) alerted(what string) int {
	n := 0
	for _, a := range f.alerts {
		if a.What == what {
			n++
		}
	}
	return n
}

// running lists the processes by release.
func (f *farm) running() string {
	var all []string
	for _, instance := range slices.Sorted(maps.Keys(f.robots)) {
		all = append(all, string(f.robots[instance].release))
	}
	slices.Sort(all)
	return strings.Join(all, " ")
}
