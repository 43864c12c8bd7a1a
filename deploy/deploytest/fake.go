package deploytest

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/urban-robot/urban-robot/deploy"
)

// Method names a method of deploy.Driver.
type Method string

// The methods that a Fake can be told about.
const (
	Resolve Method = "Resolve"
	Prepare Method = "Prepare"
	Start   Method = "Start"
	Stop    Method = "Stop"
	Running Method = "Running"
	Collect Method = "Collect"
)

// Call is a call of a Fake. Argument is the reference, the release or the instance; for Collect the releases to keep, with commas.
type Call struct {
	Method   Method
	Argument string
}

// Fake is a driver in memory. It knows the releases that were pushed to it. It is safe for concurrent use, and works on the fake clock of a
// synctest bubble that it was made in.
type Fake struct {
	onExit func(deploy.Exit)

	mu         sync.Mutex
	references map[string]string
	revisions  map[string]deploy.Revision
	prepared   map[string]bool
	setups     map[string]error
	ends       map[string]deploy.Exit
	used       map[string]bool
	running    map[string]deploy.Process
	environs   map[string][]string
	failures   map[Method][]error
	held       map[Method]chan struct{}
	calls      []Call
	lastPID    int
}

// NewFake makes a Fake that reports deaths to a function.
func NewFake(onExit func(deploy.Exit)) *Fake {
	return &Fake{
		onExit: onExit, references: make(map[string]string), revisions: make(map[string]deploy.Revision), prepared: make(map[string]bool),
		setups: make(map[string]error), ends: make(map[string]deploy.Exit), used: make(map[string]bool),
		running: make(map[string]deploy.Process), environs: make(map[string][]string), failures: make(map[Method][]error),
		held: make(map[Method]chan struct{}), lastPID: 100_000,
	}
}

// Push makes a release, and has a reference stand for it; the empty reference is what the fleet follows.
func (f *Fake) Push(reference string, r deploy.Revision) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.revisions[r.Release] = r
	f.references[reference] = r.Release
	f.references[r.Release] = r.Release
}

// FailSetup has each Prepare of a release fail, until err is nil.
func (f *Fake) FailSetup(release string, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.setups[release] = err
}

// EndAtOnce has each process of a release die as it is started.
func (f *Fake) EndAtOnce(release string, code int, signal, output string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.ends[release] = deploy.Exit{Code: code, Signal: signal, Output: output}
}

// Fail has the next call of a method fail, or the one after those that are to fail already. It does nothing else.
func (f *Fake) Fail(m Method, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.failures[m] = append(f.failures[m], err)
}

// Hold has all calls of a method wait until the returned function is called or their context ends.
func (f *Fake) Hold(m Method) (letGo func()) {
	held := make(chan struct{})
	f.mu.Lock()
	defer f.mu.Unlock()
	f.held[m] = held
	return sync.OnceFunc(func() {
		f.mu.Lock()
		defer f.mu.Unlock()
		if f.held[m] == held {
			delete(f.held, m)
		}
		close(held)
	})
}

// Exit has a process die, and says whether it ran.
func (f *Fake) Exit(instance string, code int, signal, output string) bool {
	f.mu.Lock()
	exit, runs := f.endLocked(instance, deploy.Exit{Code: code, Signal: signal, Output: output})
	f.mu.Unlock()
	if runs {
		f.onExit(exit)
	}
	return runs
}

// Calls returns the calls so far, the held and the failed included.
func (f *Fake) Calls() []Call {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.calls)
}

// Environ returns what an instance was started with.
func (f *Fake) Environ(instance string) []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.environs[instance])
}

// Prepared says whether a release is ready to start.
func (f *Fake) Prepared(release string) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.prepared[release]
}

// Resolve implements deploy.Driver.
func (f *Fake) Resolve(ctx context.Context, reference string) (deploy.Revision, error) {
	if err := f.call(ctx, Resolve, reference); err != nil {
		return deploy.Revision{}, err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	release, ok := f.references[reference]
	if !ok {
		return deploy.Revision{}, fmt.Errorf("%q: %w", reference, deploy.ErrUnknownRelease)
	}
	return f.revisions[release], nil
}

// Prepare implements deploy.Driver.
func (f *Fake) Prepare(ctx context.Context, release string) error {
	if err := f.call(ctx, Prepare, release); err != nil {
		return err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if _, ok := f.revisions[release]; !ok {
		return fmt.Errorf("%q: %w", release, deploy.ErrUnknownRelease)
	}
	if err := f.setups[release]; err != nil {
		return err
	}
	f.prepared[release] = true
	return nil
}

// Start implements deploy.Driver.
func (f *Fake) Start(ctx context.Context, l deploy.Launch) (deploy.Process, error) {
	if err := f.call(ctx, Start, l.Instance); err != nil {
		return deploy.Process{}, err
	}
	environ := slices.Clone(l.Public)
	if l.Environ != nil {
		environ = append(environ, l.Environ()...)
	}
	f.mu.Lock()
	p, err := f.startLocked(l, environ)
	end, ends := f.ends[l.Release]
	if err == nil && ends {
		end, ends = f.endLocked(l.Instance, end)
	}
	f.mu.Unlock()
	if err == nil && ends {
		f.onExit(end)
	}
	return p, err
}

// Stop implements deploy.Driver. The process ends at once, with code 0.
func (f *Fake) Stop(ctx context.Context, instance string) error {
	if err := f.call(ctx, Stop, instance); err != nil {
		return err
	}
	f.Exit(instance, 0, "", "")
	return nil
}

// Running implements deploy.Driver.
func (f *Fake) Running(ctx context.Context) ([]deploy.Process, error) {
	if err := f.call(ctx, Running, ""); err != nil {
		return nil, err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.SortedFunc(maps.Values(f.running), func(a, b deploy.Process) int { return cmp.Compare(a.PID, b.PID) }), nil
}

// Collect implements deploy.Driver.
func (f *Fake) Collect(ctx context.Context, keep []string) error {
	if err := f.call(ctx, Collect, strings.Join(keep, ",")); err != nil {
		return err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	maps.DeleteFunc(f.prepared, func(release string, _ bool) bool {
		runs := slices.ContainsFunc(slices.Collect(maps.Values(f.running)), func(p deploy.Process) bool { return p.Release == release })
		return !runs && !slices.Contains(keep, release)
	})
	return nil
}

// call remembers a call, waits where it is told to, and fails where it is told to.
func (f *Fake) call(ctx context.Context, m Method, argument string) error {
	f.mu.Lock()
	f.calls = append(f.calls, Call{m, argument})
	held := f.held[m]
	f.mu.Unlock()
	if held != nil {
		select {
		case <-held:
		case <-ctx.Done():
		}
	}
	if err := context.Cause(ctx); err != nil {
		return err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if failures := f.failures[m]; len(failures) > 0 {
		f.failures[m] = failures[1:]
		return failures[0]
	}
	return nil
}

func (f *Fake) startLocked(l deploy.Launch, environ []string) (deploy.Process, error) {
	p, runs := f.running[l.Instance]
	switch {
	case !proper(l.Instance):
		return deploy.Process{}, fmt.Errorf("instance %q: not a proper name", l.Instance)
	case runs:
		return p, nil
	case !f.prepared[l.Release]:
		return deploy.Process{}, fmt.Errorf("release %s is not prepared: %w", l.Release, deploy.ErrUnknownRelease)
	case f.used[l.Instance]:
		return deploy.Process{}, errors.New("there was a process of this name")
	}
	f.lastPID++
	p = deploy.Process{Instance: l.Instance, Release: l.Release, PID: f.lastPID, Started: time.Now()}
	f.used[l.Instance], f.running[l.Instance], f.environs[l.Instance] = true, p, environ
	return p, nil
}

// endLocked ends a process and says what to report.
func (f *Fake) endLocked(instance string, exit deploy.Exit) (deploy.Exit, bool) {
	p, runs := f.running[instance]
	delete(f.running, instance)
	exit.Process = p
	for _, variable := range f.environs[instance] {
		if _, value, _ := strings.Cut(variable, "="); value != "" {
			exit.Output = strings.ReplaceAll(exit.Output, value, "[redacted]")
		}
	}
	return exit, runs
}

func proper(instance string) bool {
	const letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-"
	return instance != "" && len(instance) <= 64 && instance[0] != '-' && strings.Trim(instance, letters) == ""
}
