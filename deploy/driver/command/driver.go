package command

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
	"unicode"

	"github.com/rs/zerolog"

	"github.com/urban-robot/urban-robot/deploy"
	"github.com/urban-robot/urban-robot/deploy/driver/process"
)

const (
	// statusInterval is how often what runs is looked at.
	statusInterval = 5 * time.Second
	// releaseLimit is the longest name of a release, in bytes.
	releaseLimit = 200
	// messageLimit is how much of a release's description is reported.
	messageLimit = 200
	// codeUnknown is how Resolve says that there is no such release.
	codeUnknown = 3
)

// Config says which commands there are.
type Config struct {
	Fleet       string
	Dir         string            // for outputs
	Resolve     []string          // see the package's description of each
	Prepare     []string          //
	Start       []string          //
	Stop        []string          //
	Status      []string          //
	Collect     []string          //
	Timeout     time.Duration     // of each command; default 5 minutes
	Passthrough []string          // further variables of our environment; a last * stands for any end
	OnExit      func(deploy.Exit) // hears of each death; must not block
	Log         zerolog.Logger
}

func (c Config) validate() error {
	switch {
	case c.Dir == "":
		return errors.New("no directory")
	case c.OnExit == nil:
		return errors.New("nobody hears of deaths")
	case c.Timeout <= 0:
		return errors.New("timeout must be above zero")
	case (len(c.Start) == 0) != (len(c.Stop) == 0):
		return errors.New("start and stop: want both or none")
	}
	for _, command := range [][]string{c.Resolve, c.Prepare, c.Start, c.Stop, c.Status, c.Collect} {
		if len(command) > 0 && command[0] == "" {
			return errors.New("a command is empty")
		}
	}
	return nil
}

// Driver implements deploy.Driver.
type Driver struct {
	config Config
	locks  process.Locks // of instances and of releases, with what is done to them

	mu    sync.Mutex
	known map[string]known // whose death is to be reported
	ended map[string]bool  // instances that have died
	begun uint64           // how many questions were asked
}

// known is a process of which somebody was told.
type known struct {
	deploy.Process
	since uint64 // the questions asked before it was known: their answers say nothing of it
}

// New checks the configuration. Nothing is run.
func New(config Config) (*Driver, error) {
	config.Timeout = cmp.Or(config.Timeout, 5*time.Minute)
	if err := config.validate(); err != nil {
		return nil, err
	}
	dir, err := filepath.Abs(config.Dir)
	if err != nil {
		return nil, err
	}
	config.Dir = dir
	return &Driver{config: config, known: make(map[string]known), ended: make(map[string]bool)}, nil
}

// Run asks for what runs until the context ends. The other methods do without it, but nobody hears of deaths.
func (d *Driver) Run(ctx context.Context) error {
	ticker := time.NewTicker(statusInterval)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
		}
		if len(d.config.Status) == 0 {
			continue
		}
		if _, err := d.Running(ctx); err != nil && ctx.Err() == nil {
			d.config.Log.Warn().AnErr("err", err).Msg("what runs could not be asked for")
		}
	}
}

// Resolve implements deploy.Driver.
func (d *Driver) Resolve(ctx context.Context, reference string) (deploy.Revision, error) {
	if err := context.Cause(ctx); err != nil {
		return deploy.Revision{}, err
	}
	if reference != "" && !printable(reference) {
		return deploy.Revision{}, unknown(reference)
	}
	if len(d.config.Resolve) == 0 {
		if reference == "" {
			return deploy.Revision{}, fmt.Errorf("say what the fleet follows: %w", deploy.ErrNotSupported)
		}
		return deploy.Revision{Release: reference}, nil
	}
	out, err := d.run(ctx, call{name: "resolve", of: "last", command: d.config.Resolve, environ: []string{"URBAN_ROBOT_REFERENCE=" + reference}})
	if failed, ok := errors.AsType[*failure](err); ok && failed.code == codeUnknown {
		return deploy.Revision{}, unknown(reference)
	}
	if err != nil {
		return deploy.Revision{}, fmt.Errorf("resolve %q: %w", reference, err)
	}
	release, message, _ := strings.Cut(strings.TrimSpace(out), "\n")
	if release = strings.TrimSpace(release); !printable(release) {
		return deploy.Revision{}, fmt.Errorf("resolve %q: the command printed no release", reference)
	}
	message, _, _ = strings.Cut(strings.TrimSpace(message), "\n")
	return deploy.Revision{Release: release, Message: strings.ToValidUTF8(message[:min(len(message), messageLimit)], "")}, nil
}

// Prepare implements deploy.Driver.
func (d *Driver) Prepare(ctx context.Context, release string) error {
	switch {
	case len(d.config.Prepare) == 0 && len(d.config.Start) == 0:
		return deploy.ErrNotSupported
	case !printable(release):
		return unknown(release)
	case len(d.config.Prepare) == 0:
		return context.Cause(ctx)
	}
	free, err := d.locks.Hold(ctx, "prepare "+release)
	if err != nil {
		return err
	}
	defer free()
	_, err = d.run(ctx, call{name: "prepare", of: release, command: d.config.Prepare, environ: []string{process.VariableRelease + "=" + release}})
	if failed, ok := errors.AsType[*failure](err); ok {
		return &deploy.SetupError{Release: release, TimedOut: failed.timedOut, Output: failed.output, Err: failed.err}
	}
	if err != nil {
		return fmt.Errorf("prepare release %s: %w", release, err)
	}
	return nil
}

// Start implements deploy.Driver.
func (d *Driver) Start(ctx context.Context, l deploy.Launch) (deploy.Process, error) {
	if len(d.config.Start) == 0 {
		return deploy.Process{}, deploy.ErrNotSupported
	}
	if err := process.CheckInstance(l.Instance); err != nil {
		return deploy.Process{}, err
	}
	if !printable(l.Release) {
		return deploy.Process{}, unknown(l.Release)
	}
	free, err := d.locks.Hold(ctx, "instance "+l.Instance)
	if err != nil {
		return deploy.Process{}, err
	}
	defer free()
	d.mu.Lock()
	k, runs := d.known[l.Instance]
	ended := d.ended[l.Instance]
	d.mu.Unlock()
	switch {
	case runs:
		return k.Process, nil
	case ended:
		return deploy.Process{}, fmt.Errorf("start instance %s: there was a process of this name", l.Instance)
	}
	var secrets []string
	if l.Environ != nil {
		secrets = l.Environ()
	}
	p := deploy.Process{Instance: l.Instance, Release: l.Release, Started: time.Now()}
	out, err := d.run(ctx, call{
		name: "start", of: l.Instance, command: d.config.Start, secrets: secrets,
		environ: append(slices.Clone(l.Public), process.VariableInstance+"="+l.Instance, process.VariableRelease+"="+l.Release),
	})
	if err != nil {
		return deploy.Process{}, fmt.Errorf("start instance %s: %w", l.Instance, err)
	}
	p.PID = printedPID(out)
	return d.remember(p), nil
}

// Stop implements deploy.Driver.
func (d *Driver) Stop(ctx context.Context, instance string) error {
	if len(d.config.Stop) == 0 {
		return deploy.ErrNotSupported
	}
	if err := process.CheckInstance(instance); err != nil {
		return err
	}
	free, err := d.locks.Hold(ctx, "instance "+instance)
	if err != nil {
		return err
	}
	defer free()
	d.mu.Lock()
	k, ended := d.known[instance], d.ended[instance]
	d.mu.Unlock()
	if ended {
		return nil
	}
	_, err = d.run(ctx, call{
		name: "stop", of: instance, command: d.config.Stop,
		environ: []string{process.VariableInstance + "=" + instance, process.VariableRelease + "=" + k.Release},
	})
	if err != nil {
		return fmt.Errorf("stop instance %s: %w", instance, err)
	}
	d.bury(instance)
	return nil
}

// Running implements deploy.Driver, and reports those that no longer run.
func (d *Driver) Running(ctx context.Context) ([]deploy.Process, error) {
	if len(d.config.Status) == 0 {
		return nil, deploy.ErrNotSupported
	}
	d.mu.Lock()
	d.begun++
	question := d.begun
	d.mu.Unlock()
	out, err := d.run(ctx, call{name: "status", of: "last", command: d.config.Status})
	if err != nil {
		return nil, fmt.Errorf("ask for what runs: %w", err)
	}
	answer, err := parse(out)
	if err != nil {
		return nil, fmt.Errorf("ask for what runs: %w", err)
	}
	var running []deploy.Process
	there := make(map[string]bool)
	for _, p := range answer {
		there[p.Instance] = true
		if !d.dead(p.Instance) { // otherwise it was asked for before it died
			running = append(running, d.remember(p))
		}
	}
	for _, instance := range d.missing(there, question) {
		d.bury(instance)
	}
	return running, nil
}

// Collect implements deploy.Driver.
func (d *Driver) Collect(ctx context.Context, keep []string) error {
	if len(d.config.Collect) == 0 {
		return deploy.ErrNotSupported
	}
	d.mu.Lock()
	kept := append([]string(nil), keep...)
	for _, k := range d.known {
		kept = append(kept, k.Release)
	}
	d.mu.Unlock()
	_, err := d.run(ctx, call{name: "collect", of: "last", command: d.config.Collect, environ: []string{"URBAN_ROBOT_KEEP=" + strings.Join(kept, "\n")}})
	if err != nil {
		return fmt.Errorf("collect releases: %w", err)
	}
	return nil
}

// remember has a death reported later, and returns what is known of the process.
func (d *Driver) remember(p deploy.Process) deploy.Process {
	d.mu.Lock()
	defer d.mu.Unlock()
	if k, ok := d.known[p.Instance]; ok {
		p.Started, p.PID = k.Started, cmp.Or(p.PID, k.PID)
		d.known[p.Instance] = known{p, k.since}
		return p
	}
	d.known[p.Instance] = known{p, d.begun}
	return p
}

// missing returns who is not in the answer to a question that was asked after they were known. One that has just been started
// is given one question more.
func (d *Driver) missing(there map[string]bool, question uint64) []string {
	d.mu.Lock()
	defer d.mu.Unlock()
	var missing []string
	for instance, k := range d.known {
		if !there[instance] && question > k.since+1 {
			missing = append(missing, instance)
		}
	}
	return missing
}

func (d *Driver) dead(instance string) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.ended[instance]
}

// bury reports a death, once.
func (d *Driver) bury(instance string) {
	d.mu.Lock()
	k, ok := d.known[instance]
	delete(d.known, instance)
	if ok {
		d.ended[instance] = true
	}
	d.mu.Unlock()
	if ok {
		d.config.OnExit(deploy.Exit{Process: k.Process, Code: -1})
	}
}

// parse reads the answer of Status. One that is not understood is no proof of anybody's death.
func parse(out string) ([]deploy.Process, error) {
	var running []deploy.Process
	for line := range strings.Lines(out) {
		fields := strings.Fields(line)
		if len(fields) == 0 {
			continue
		}
		var pid int
		var err error
		if len(fields) == 3 {
			pid, err = strconv.Atoi(fields[2])
		}
		if err != nil || len(fields) < 2 || len(fields) > 3 || process.CheckInstance(fields[0]) != nil || !printable(fields[1]) {
			return nil, fmt.Errorf("%.100q is not INSTANCE RELEASE [PID]", strings.TrimSpace(line))
		}
		running = append(running, deploy.Process{Instance: fields[0], Release: fields[1], PID: pid})
	}
	return running, nil
}

// printable says whether a name can be a release: something that can stand on a line and in a list.
func printable(name string) bool {
	unfit := func(r rune) bool {
		return r == unicode.ReplacementChar || unicode.IsSpace(r) || !unicode.IsPrint(r)
	}
	return name != "" && len(name) <= releaseLimit && !strings.ContainsFunc(name, unfit)
}

func printedPID(out string) int {
	for line := range strings.Lines(out) {
		if text, ok := strings.CutPrefix(strings.TrimSpace(line), "pid="); ok {
			if pid, err := strconv.Atoi(text); err == nil && pid > 0 {
				return pid
			}
		}
	}
	return 0
}

func unknown(reference string) error {
	return fmt.Errorf("%.100q: %w", reference, deploy.ErrUnknownRelease)
}
