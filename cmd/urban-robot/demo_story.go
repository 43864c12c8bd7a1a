package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"strings"
	"syscall"
	"time"

	"github.com/urban-robot/urban-robot/protocol/admin"
)

// story plays the acts of the demo and holds each of them to the contract.
type story struct {
	out        io.Writer
	stage      *stage
	repository *demoRepository
	fleets     admin.Fleets
	trail      func(ctx context.Context, event, release string) (time.Time, error) // waits for a line of the audit trail
	begun      time.Time
	fails      int
}

// play runs all acts after the first push. The error says what could not go on; what went on and was wrong is counted in fails.
func (s *story) play(ctx context.Context, first string) error {
	for _, act := range []func(context.Context) error{
		func(ctx context.Context) error { return s.coldStart(ctx, first) },
		s.swap, s.refusal, s.revert, s.kill, s.end,
	} {
		if err := act(ctx); err != nil {
			return err
		}
	}
	return nil
}

func (s *story) coldStart(ctx context.Context, commit string) error {
	s.act("The first version is in the repository, and nothing runs")
	active, err := s.follow(ctx, "1.0.0", s.begun, "started", "active")
	if err != nil {
		return err
	}
	s.check(active.Epoch == 1, "it was fetched, set up and started, and has the seat")
	return s.bake(ctx, "1.0.0", commit)
}

func (s *story) swap(ctx context.Context) error {
	s.act("git push: 1.1.0 starts beside 1.0.0, proves its health and takes over")
	pushed, commit, err := s.push(ctx, demoScript{Version: "1.1.0"})
	if err != nil {
		return err
	}
	if _, err := s.follow(ctx, "1.1.0", pushed, "started", "ready"); err != nil {
		return err
	}
	coma, err := s.follow(ctx, "1.0.0", pushed, "coma")
	if err != nil {
		return err
	}
	active, err := s.follow(ctx, "1.1.0", pushed, "active")
	if err != nil {
		return err
	}
	s.check(active.Epoch == 2, "healthy, so it was promoted %s after the push", took(pushed, active.At))
	s.check(!active.At.Before(coma.At), "nobody was active for %s, and never two", took(coma.At, active.At))
	s.check(active.Counter == coma.Counter, "the cache came first: the counter goes on at %d", active.Counter)
	return s.bake(ctx, "1.1.0", commit)
}

func (s *story) refusal(ctx context.Context) error {
	s.act("git push: 1.2.0 is broken and is refused before it serves")
	pushed, commit, err := s.push(ctx, demoScript{Version: "1.2.0", Broken: "cogs.moderation"})
	if err != nil {
		return err
	}
	shutdown, err := s.follow(ctx, "1.2.0", pushed, "started", "shutdown")
	if err != nil {
		return err
	}
	s.check(shutdown.Reason == "vital_cog_failure", "refused %s after the push, for cogs.moderation does not load", took(pushed, shutdown.At))
	if _, err := s.follow(ctx, "1.2.0", pushed, "gone"); err != nil {
		return err
	}
	again := time.Now()
	if _, err := s.repository.announce(ctx, commit, "1.2.0", "another delivery"); err != nil {
		return err
	}
	answer, err := s.fleets.Deploy(ctx, demoFleet, commit, "the demo")
	if err != nil {
		return fmt.Errorf("deploy %s: %w", commit, err)
	}
	s.say(again, "1.2.0", "its webhook is delivered again, and a person asks for it")
	s.check(answer.Result == admin.ResultRefused && !s.saw(again, "1.2.0", "started"), "a refused release stays refused until somebody says try-again")
	s.check(!s.saw(pushed, "1.1.0", "coma", "active"), "1.1.0 was not disturbed")
	return nil
}

func (s *story) revert(ctx context.Context) error {
	s.act("git push: 1.3.0 passes its check, takes over, and crashes")
	pushed, commit, err := s.push(ctx, demoScript{Version: "1.3.0", CrashMS: 300})
	if err != nil {
		return err
	}
	if _, err := s.follow(ctx, "1.3.0", pushed, "started", "active"); err != nil {
		return err
	}
	crash, err := s.follow(ctx, "1.3.0", pushed, "gone")
	if err != nil {
		return err
	}
	back, err := s.follow(ctx, "1.1.0", crash.At, "active")
	if err != nil {
		return err
	}
	s.check(true, "1.1.0 was still logged in, and serves again %s after the crash", took(crash.At, back.At))
	refused, err := s.trail(ctx, "release refused", commit)
	if err != nil {
		return err
	}
	s.say(refused, "1.3.0", "refused from now on: it crashed in its bake")
	return nil
}

func (s *story) kill(ctx context.Context) error {
	s.act("The active bot is killed")
	holder, err := s.holder(ctx)
	if err != nil {
		return err
	}
	process, err := os.FindProcess(holder.PID)
	if err != nil {
		return fmt.Errorf("find the active bot: %w", err)
	}
	killed := time.Now()
	if err := process.Signal(syscall.SIGKILL); err != nil {
		return fmt.Errorf("kill the active bot: %w", err)
	}
	s.say(killed, holder.Version, "kill -9 %d", holder.PID)
	active, err := s.follow(ctx, "1.1.0", killed, "active")
	if err != nil {
		return err
	}
	s.check(active.PID != holder.PID, "another process of 1.1.0 took over %s after the kill", took(killed, active.At))
	if _, err := s.follow(ctx, "1.1.0", killed, "started"); err != nil {
		return err
	}
	s.check(true, "and the killed one is started again, as the new standby")
	return nil
}

// end looks back over the whole story.
func (s *story) end(ctx context.Context) error {
	fmt.Fprintln(s.out)
	holder, overlap := "", false
	for _, e := range s.stage.all(s.begun) {
		switch e.Event {
		case "active":
			overlap = overlap || holder != "" && holder != e.Instance
			holder = e.Instance
		case "coma", "shutdown", "gone":
			if holder == e.Instance {
				holder = ""
			}
		}
	}
	s.check(!overlap, "in the whole story there were never two active bots at once")
	f, err := s.fleets.Status(ctx, demoFleet)
	if err != nil {
		return fmt.Errorf("look at the fleet: %w", err)
	}
	good := f.Desired != nil && len(f.Running) == 1 && f.Desired.Release == f.LastGood && f.Running[0].Release == f.LastGood
	s.check(good, "what is wanted, what runs and what was good last are one: 1.1.0")
	s.check(f.LastAttempt != nil && f.LastAttempt.Reason == "crashed", "the last attempt is on record: %s", lastAttempt(f))
	return nil
}

func lastAttempt(f admin.Fleet) string {
	if f.LastAttempt == nil {
		return "none"
	}
	return fmt.Sprintf("%.7s is %s, %s", f.LastAttempt.Release, f.LastAttempt.Stage, f.LastAttempt.Reason)
}

// push pushes a version and announces it.
func (s *story) push(ctx context.Context, script demoScript) (time.Time, string, error) {
	commit, err := s.repository.push(ctx, script)
	if err != nil {
		return time.Time{}, "", err
	}
	pushed := time.Now()
	s.say(pushed, script.Version, "pushed as %.7s", commit)
	answer, err := s.repository.announce(ctx, commit, script.Version, "delivery of "+script.Version)
	if err == nil && !strings.HasPrefix(answer, "202 ") {
		err = fmt.Errorf("the webhook was answered %s", answer)
	}
	return pushed, commit, err
}

// bake waits until a version counts as good.
func (s *story) bake(ctx context.Context, version, commit string) error {
	good, err := s.trail(ctx, "release good", commit)
	if err != nil {
		return err
	}
	s.say(good, version, "held the seat healthy for a whole bake: the last known good release")
	ready, err := s.standby(ctx, version)
	if err != nil {
		return err
	}
	s.say(ready.At, version, "a second process of it stands by")
	return nil
}

// standby waits for a second process of a version in coma.
func (s *story) standby(ctx context.Context, version string) (sighting, error) {
	holder, err := s.holder(ctx)
	if err != nil {
		return sighting{}, err
	}
	after := s.begun
	for {
		ready, err := s.stage.await(ctx, version, "ready", after)
		if err != nil || ready.Instance != holder.Instance {
			return ready, err
		}
		after = ready.At.Add(1)
	}
}

// holder returns the bot that is active now.
func (s *story) holder(ctx context.Context) (sighting, error) {
	f, err := s.fleets.Status(ctx, demoFleet)
	if err != nil {
		return sighting{}, fmt.Errorf("look at the fleet: %w", err)
	}
	var found sighting
	for _, e := range s.stage.all(s.begun) {
		if len(f.Running) > 0 && e.Instance == f.Running[0].Instance {
			found = e
		}
	}
	if found.PID == 0 {
		return found, fmt.Errorf("nobody holds the seat")
	}
	return found, nil
}

// follow waits for a version's events, one after the other, and tells each. The last one comes back.
func (s *story) follow(ctx context.Context, version string, after time.Time, events ...string) (e sighting, err error) {
	for _, event := range events {
		if e, err = s.stage.await(ctx, version, event, after); err != nil {
			return e, err
		}
		after = e.At
		s.say(e.At, version, "%s", words(e))
	}
	return e, nil
}

func words(e sighting) string {
	switch e.Event {
	case "started":
		return fmt.Sprintf("process %d started", e.PID)
	case "ready":
		return "logged in; its health is checked"
	case "active":
		return fmt.Sprintf("active, epoch %d, counter at %d", e.Epoch, e.Counter)
	case "coma":
		return fmt.Sprintf("in coma, counter at %d: stopped, but still logged in", e.Counter)
	case "shutdown":
		return "told to shut down: " + e.Reason
	case "gone":
		return "process ended"
	}
	return e.Event
}

func (s *story) saw(after time.Time, version string, events ...string) bool {
	for _, e := range s.stage.all(after) {
		for _, event := range events {
			if e.Version == version && e.Event == event {
				return true
			}
		}
	}
	return false
}

func (s *story) act(title string) { fmt.Fprintf(s.out, "\n%s\n", title) }

func (s *story) say(at time.Time, who, format string, args ...any) {
	fmt.Fprintf(s.out, "  %7.3f s  %-7s  %s\n", at.Sub(s.begun).Seconds(), who, fmt.Sprintf(format, args...))
}

// check writes what was promised, and whether it was so.
func (s *story) check(ok bool, format string, args ...any) {
	mark := "ok  "
	if !ok {
		mark = "FAIL"
		s.fails++
	}
	fmt.Fprintf(s.out, "  %s  %s\n", mark, fmt.Sprintf(format, args...))
}

// took prints a duration with three digits that mean something.
func took(from, to time.Time) string {
	d := to.Sub(from)
	if d < 10*time.Millisecond {
		return d.Round(10 * time.Microsecond).String()
	}
	return d.Round(time.Millisecond).String()
}
