package deploytest

import (
	"errors"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/urban-robot/urban-robot/deploy"
)

// patience is how long the suite waits for what should be there in a moment.
const patience = 20 * time.Second

// Kit is a driver under test and what it can put into service. Releases are as Resolve names them; an empty one is not there,
// and what needs it is not tested.
type Kit struct {
	Driver     deploy.Driver
	Exits      *Exits                // hears what the driver reports
	Restart    func() deploy.Driver  // stops the driver and makes another with the same state; nil: it keeps none
	References map[string]string     // and the releases that they stand for
	Unknown    []string              // references that stand for nothing
	Observes   bool                  // it cannot start and stop
	Blind      bool                  // it does not know what runs
	Collects   bool                  // it keeps something of releases
	Runs       string                // its process runs until it is asked to end
	Deaf       string                // its process does not end when it is asked to
	Ends       string                // its process prints "the end" and ends at once, with code 3
	Leaks      string                // its process prints the variable SECRET and ends
	Breaks     string                // its setup prints "broken" and fails
	Hangs      string                // its setup does not end in time
	Missing    string                // what could be a release and is none; empty: it does not know which there are
	Kill       func(deploy.Process)  // kills a process from outside
	Settle     func(instance string) // waits until a process has done what it does first
}

// Run holds a driver to account. open is called once for each test.
func Run(t *testing.T, open func(t *testing.T) Kit) {
	t.Helper()
	tests := []struct {
		name string
		run  func(t *testing.T, k Kit)
	}{
		{"a reference stands for a release", testResolve},
		{"a reference that stands for nothing is unknown", testUnknown},
		{"a release is made ready once", testPrepare},
		{"a release that does not exist is unknown", testMissing},
		{"a setup that fails is the release's fault", testBreaks},
		{"a setup that hangs is the release's fault", testHangs},
		{"what a driver cannot do it says", testObserves},
		{"a process runs until it is stopped", testStart},
		{"a start that is repeated starts nothing", testStartTwice},
		{"an instance needs a proper name", testInstance},
		{"a process that does not listen is forced to end", testDeaf},
		{"a death is reported once, with its code and output", testEnds},
		{"a process that is killed is reported", testKilled},
		{"secrets stay out of outputs", testLeaks},
		{"processes outlive a restart", testRestart},
		{"a release that runs or is kept is not collected", testCollect},
		{"a call ends with its context", testContext},
		{"everything may happen at once", testAtOnce},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			test.run(t, open(t))
		})
	}
}

// Exits remembers what a driver reports. The zero Exits is ready; it is safe for concurrent use.
type Exits struct {
	mu    sync.Mutex
	exits []deploy.Exit
}

// Report is the function that a driver is made with.
func (e *Exits) Report(exit deploy.Exit) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.exits = append(e.exits, exit)
}

// Of returns what was reported of an instance.
func (e *Exits) Of(instance string) []deploy.Exit {
	e.mu.Lock()
	defer e.mu.Unlock()
	return slices.DeleteFunc(slices.Clone(e.exits), func(x deploy.Exit) bool { return x.Instance != instance })
}

// Await returns the first report of an instance.
func (e *Exits) Await(t testing.TB, instance string) deploy.Exit {
	t.Helper()
	Await(t, "the death of "+instance, func() bool { return len(e.Of(instance)) > 0 })
	if exits := e.Of(instance); len(exits) > 0 {
		return exits[0]
	}
	return deploy.Exit{}
}

// Await looks until something is so.
func Await(t testing.TB, what string, so func() bool) {
	t.Helper()
	ticker := time.NewTicker(2 * time.Millisecond)
	defer ticker.Stop()
	for deadline := time.Now().Add(patience); !so(); <-ticker.C {
		if time.Now().After(deadline) {
			t.Fatalf("waited %v in vain for %s", patience, what)
		}
	}
}

// launch is how the suite starts a process.
func launch(release, instance string, environ ...string) deploy.Launch {
	return deploy.Launch{Release: release, Instance: instance, Environ: func() []string { return environ }}
}

// started prepares a release and starts a process of it.
func (k Kit) started(t *testing.T, release, instance string, environ ...string) deploy.Process {
	t.Helper()
	k.prepare(t, release)
	p, err := k.Driver.Start(t.Context(), launch(release, instance, environ...))
	if err != nil {
		t.Fatalf("Start(%s) = %v, want nil", instance, err)
	}
	if p.Instance != instance || p.Release != release {
		t.Fatalf("Start() = %+v, want instance %s of release %s", p, instance, release)
	}
	return p
}

func (k Kit) prepare(t *testing.T, release string) {
	t.Helper()
	if err := k.Driver.Prepare(t.Context(), release); err != nil {
		t.Fatalf("Prepare(%s) = %v, want nil", release, err)
	}
}

func (k Kit) stop(t *testing.T, instance string) {
	t.Helper()
	if err := k.Driver.Stop(t.Context(), instance); err != nil {
		t.Fatalf("Stop(%s) = %v, want nil", instance, err)
	}
}

// running returns what runs, by name.
func (k Kit) running(t *testing.T) map[string]deploy.Process {
	t.Helper()
	processes, err := k.Driver.Running(t.Context())
	if err != nil {
		t.Fatalf("Running() = %v, want nil", err)
	}
	named := make(map[string]deploy.Process)
	for _, p := range processes {
		named[p.Instance] = p
	}
	return named
}

// need skips a test of what a driver does not have.
func need(t *testing.T, there bool) {
	t.Helper()
	if !there {
		t.Skip("this driver has no such thing")
	}
}

func wantError(t *testing.T, what string, got, want error) {
	t.Helper()
	if !errors.Is(got, want) {
		t.Errorf("%s = %v, want %v", what, got, want)
	}
}
