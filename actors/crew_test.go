package actors

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/urban-robot/urban-robot/actors/fleet"
	"github.com/urban-robot/urban-robot/deploy"
	"github.com/urban-robot/urban-robot/deploy/deploytest"
	"github.com/urban-robot/urban-robot/protocol/admin"
)

// crew is a driver whose processes behave like bots: they connect, get ready, answer and come back by themselves. It outlives the
// System, as processes do. No two of its robots may ever be active.
type crew struct {
	*deploytest.Fake
	w         *world
	name      string // of the fleet
	system    atomic.Pointer[System]
	deafStart atomic.Bool // Start returns when this is false again, whatever its context says
	mute      atomic.Bool // deaths are reported to nobody

	mu      sync.Mutex
	robots  map[string]*robot // that live, by instance
	buried  map[string]bool   // those that have ended, by instance
	tempers map[string]temper // by release
	alerts  []string
	last    int
	panics  map[deploytest.Method]int // how often a method is still to panic
	halves  int                       // how often Start is still to fail after it has started the process
}

// temper is how the robots of a release behave. The zero temper is that of a good bot.
type temper struct {
	silent  bool // never identifies
	unready bool // never gets ready
	sick    bool // fails its health checks
	percent float64
	deaf    bool // does not leave when it is told to
	crashes bool // when it becomes active
}

func drivenPolicy() fleet.Policy {
	p := testPolicy()
	p.Rollout = fleet.RolloutPolicy{
		Driven: true, SetupTimeout: 5 * time.Minute, Keep: 5, Reverts: 3, RevertWindow: time.Hour, Restarts: 5, RestartWindow: 10 * time.Minute,
		BackoffMin: time.Second, BackoffMax: 5 * time.Minute,
	}
	return p
}

// crew gives a fleet of the world a driver, before start.
func (w *world) crew(number int) *crew {
	f := &w.config.Fleets[number]
	c := &crew{w: w, name: f.Name, robots: map[string]*robot{}, buried: map[string]bool{}, tempers: map[string]temper{}, panics: map[deploytest.Method]int{}}
	c.Fake = deploytest.NewFake(func(e deploy.Exit) {
		c.buries(e.Instance)
		if system := c.system.Load(); !c.mute.Load() {
			system.ProcessExited(c.name, e)
		}
	})
	f.Driver, f.Policy, f.URL = c, drivenPolicy(), "http://127.0.0.1:8080"
	f.Alert = func(a fleet.Alert) {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.alerts = append(c.alerts, strings.TrimSpace(fmt.Sprintf("%s: %s %s %s", a.Level, a.What, a.Release, a.Reason)))
	}
	return c
}

// inDriven is inBubble with a driver.
func inDriven(t *testing.T, story func(w *world, c *crew)) {
	t.Helper()
	inBubble(t, func(w *world) {
		c := w.crew(0)
		story(w, c)
		c.quiet()
	})
}

// Resolve implements deploy.Driver.
func (c *crew) Resolve(ctx context.Context, reference string) (deploy.Revision, error) {
	c.mayPanic(deploytest.Resolve)
	return c.Fake.Resolve(ctx, reference)
}

// Prepare implements deploy.Driver.
func (c *crew) Prepare(ctx context.Context, release string) error {
	c.mayPanic(deploytest.Prepare)
	return c.Fake.Prepare(ctx, release)
}

// Running implements deploy.Driver.
func (c *crew) Running(ctx context.Context) ([]deploy.Process, error) {
	c.mayPanic(deploytest.Running)
	return c.Fake.Running(ctx)
}

// Collect implements deploy.Driver.
func (c *crew) Collect(ctx context.Context, keep []string) error {
	c.mayPanic(deploytest.Collect)
	return c.Fake.Collect(ctx, keep)
}

// Start implements deploy.Driver.
func (c *crew) Start(ctx context.Context, l deploy.Launch) (deploy.Process, error) {
	c.mayPanic(deploytest.Start)
	for c.deafStart.Load() {
		time.Sleep(time.Second)
	}
	p, err := c.Fake.Start(ctx, l)
	if err != nil {
		return p, err
	}
	c.mu.Lock()
	r := &robot{crew: c, instance: l.Instance, release: l.Release, temper: c.tempers[l.Release]}
	if !c.buried[l.Instance] {
		c.robots[l.Instance] = r
	}
	c.halves--
	half := c.halves >= 0
	c.mu.Unlock()
	r.later(100 * time.Millisecond)
	if half {
		return deploy.Process{}, errors.New("the answer was lost")
	}
	return p, nil
}

// Stop implements deploy.Driver.
func (c *crew) Stop(ctx context.Context, instance string) error {
	c.mayPanic(deploytest.Stop)
	return c.Fake.Stop(ctx, instance)
}

// start starts the System and lets everything happen that follows at once.
func (c *crew) start() {
	c.w.t.Helper()
	c.w.run()
	c.system.Store(c.w.system)
	c.w.pass(time.Second)
	c.comeBack()
}

// stop ends the System. The processes live on.
func (c *crew) stop() {
	c.w.t.Helper()
	c.w.stop()
	for _, r := range c.all() {
		r.loses()
	}
}

// quiet has nobody come back any more.
func (c *crew) quiet() {
	c.mu.Lock()
	defer c.mu.Unlock()
	clear(c.robots)
}

func (c *crew) all() []*robot {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Collect(maps.Values(c.robots))
}

// comeBack has all robots connect that are not connected.
func (c *crew) comeBack() {
	for _, r := range c.all() {
		r.connects()
	}
	c.w.pass(time.Second)
}

// push makes a release what the driver follows.
func (c *crew) push(release string, how ...temper) {
	c.Push("", deploy.Revision{Release: release, Message: "this is " + release})
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, t := range how {
		c.tempers[release] = t
	}
}

// pushed is a push whose webhook comes, and a minute.
func (c *crew) pushed(release string, how ...temper) admin.Outcome {
	c.w.t.Helper()
	c.push(release, how...)
	o := c.hook(release)
	c.w.pass(time.Minute)
	return o
}

// hook is the webhook of a push.
func (c *crew) hook(commit string) admin.Outcome {
	c.w.t.Helper()
	o, err := Operations{c.w.system}.Push(context.Background(), c.name, commit, "webhook")
	if err != nil {
		c.w.t.Errorf("Push() = %v, want nil", err)
	}
	return o
}

// good has a first release, a, become good, with its standby.
func (c *crew) good() {
	c.w.t.Helper()
	c.push("a")
	c.start()
	c.w.pass(11 * time.Minute)
	c.serves("a")
	if f := c.status(); f.LastGood != "a" || f.Standbys.Ready != f.Standbys.Wanted {
		c.w.t.Errorf("last good is %q with %+v, want a", f.LastGood, f.Standbys)
	}
}

// status is what people see.
func (c *crew) status() admin.Fleet {
	c.w.t.Helper()
	f, err := Operations{c.w.system}.Status(context.Background(), c.name)
	if err != nil {
		c.w.t.Errorf("Status() = %v, want nil", err)
	}
	return f
}

// serves fails unless exactly one robot is active, of that release.
func (c *crew) serves(release string) {
	c.w.t.Helper()
	if got := c.active(); len(got) != 1 || got[0].release != release {
		c.w.t.Errorf("active are %v, want one of %s", got, release)
	}
}

func (c *crew) active() []*robot {
	return slices.DeleteFunc(c.all(), func(r *robot) bool { return !r.isActive() })
}

// lives lists the processes that run, by instance.
func (c *crew) lives() []string {
	c.w.t.Helper()
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Sorted(maps.Keys(c.robots))
}

// has fails unless exactly these processes run.
func (c *crew) has(want ...string) {
	c.w.t.Helper()
	if got := c.lives(); !slices.Equal(got, want) {
		c.w.t.Errorf("the processes are %q, want %q", got, want)
	}
}

// called lists the calls of a method.
func (c *crew) called(m deploytest.Method) []string {
	var args []string
	for _, call := range c.Calls() {
		if call.Method == m {
			args = append(args, call.Argument)
		}
	}
	return args
}

// ended fails unless the newest attempt ended so.
func (c *crew) ended(release string, stage admin.Stage, reason string) {
	c.w.t.Helper()
	f := c.status()
	if f.LastAttempt == nil || f.LastAttempt.Release != release || f.LastAttempt.Stage != stage || f.LastAttempt.Reason != reason {
		c.w.t.Errorf("the last attempt is %+v, want %s %s for %q", f.LastAttempt, release, stage, reason)
	}
}

// told fails unless people were told exactly this since the last told.
func (c *crew) told(want ...string) {
	c.w.t.Helper()
	c.mu.Lock()
	got := c.alerts
	c.alerts = nil
	c.mu.Unlock()
	if !slices.Equal(got, want) {
		c.w.t.Errorf("the alerts are %q, want %q", got, want)
	}
}

// kill ends a process as the machine does.
func (c *crew) kill(instance string) {
	if !c.Exit(instance, -1, "killed", "") {
		c.w.t.Errorf("%s does not run, want it to be killed", instance)
	}
}

// buries takes note that a process has ended.
func (c *crew) buries(instance string) {
	c.mu.Lock()
	r := c.robots[instance]
	delete(c.robots, instance)
	c.buried[instance] = true
	c.mu.Unlock()
	if r != nil {
		r.loses()
	}
}

// throw has the next calls of a method panic.
func (c *crew) throw(m deploytest.Method, times int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.panics[m] = times
}

// halfway has the next starts fail although they start the process.
func (c *crew) halfway(times int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.halves = times
}

func (c *crew) mayPanic(m deploytest.Method) {
	c.mu.Lock()
	c.panics[m]--
	now := c.panics[m] >= 0
	c.mu.Unlock()
	if now {
		panic(errors.New("the driver is broken"))
	}
}
