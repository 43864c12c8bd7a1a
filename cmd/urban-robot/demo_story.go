package main

import (
	"context"
	"fmt"
	"io"
	"syscall"
	"time"
)

// story plays the acts of the demo and holds each of them to the contract.
type story struct {
	out   io.Writer
	cast  *cast
	trail func(ctx context.Context, event, release string) (time.Time, error) // waits for a line of the audit trail
	begun time.Time
	fails int
}

// play runs all acts. The error says what could not go on; what went on and was wrong is counted in fails.
func (s *story) play(ctx context.Context) error {
	first, err := s.coldStart(ctx)
	if err != nil {
		return err
	}
	second, err := s.swap(ctx, first)
	if err != nil {
		return err
	}
	if err := s.refusal(ctx, second); err != nil {
		return err
	}
	if err := s.crash(ctx, second, first); err != nil {
		return err
	}
	s.never()
	return nil
}

func (s *story) coldStart(ctx context.Context) (*player, error) {
	s.act("A bot starts, and nobody else is there")
	p, err := s.cast.start(ctx, "1.0.0", "1.0.0", "")
	if err != nil {
		return nil, err
	}
	s.tell(p.started, p, "process started")
	active, err := s.cast.await(ctx, p, "active", p.started)
	if err != nil {
		return nil, err
	}
	s.tell(active.At, p, "active, epoch %d: it processes user commands", active.Epoch)
	s.check(active.Epoch == 1, "the first to come gets the seat, %s after its process was started", took(p.started, active.At))
	return p, s.bake(ctx, p)
}

func (s *story) swap(ctx context.Context, old *player) (*player, error) {
	s.act("A new version starts beside it, proves its health and takes over")
	p, err := s.cast.start(ctx, "1.1.0", "1.1.0", "")
	if err != nil {
		return nil, err
	}
	s.tell(p.started, p, "process started; %s goes on", old.name)
	ready, err := s.cast.await(ctx, p, "ready", p.started)
	if err != nil {
		return nil, err
	}
	s.tell(ready.At, p, "logged in; its health is checked")
	coma, err := s.cast.await(ctx, old, "coma", p.started)
	if err != nil {
		return nil, err
	}
	s.tell(coma.At, old, "in coma, counter at %d: stopped, but still logged in", coma.Counter)
	active, err := s.cast.await(ctx, p, "active", p.started)
	if err != nil {
		return nil, err
	}
	s.tell(active.At, p, "active, epoch %d, counter at %d", active.Epoch, active.Counter)
	s.check(active.Epoch == 2, "healthy, so it was promoted %s after its process was started", took(p.started, active.At))
	s.check(!active.At.Before(coma.At), "nobody was active for %s, and never two", took(coma.At, active.At))
	s.check(active.Counter == coma.Counter, "the cache came first: the counter goes on at %d", active.Counter)
	return p, s.bake(ctx, p)
}

// bake waits until the player's release counts as good.
func (s *story) bake(ctx context.Context, p *player) error {
	good, err := s.trail(ctx, "release good", p.version)
	if err != nil {
		return err
	}
	s.tell(good, p, "held the seat healthy for a whole bake: now the last known good release")
	return nil
}

func (s *story) refusal(ctx context.Context, holder *player) error {
	s.act("A bad version is refused before it serves")
	bad, err := s.cast.start(ctx, "1.2.0", "1.2.0", "cogs.moderation")
	if err != nil {
		return err
	}
	s.tell(bad.started, bad, "process started; its vital cog cogs.moderation does not load")
	shutdown, err := s.cast.await(ctx, bad, "shutdown", bad.started)
	if err != nil {
		return err
	}
	s.tell(shutdown.At, bad, "told to shut down: %s", shutdown.Reason)
	gone, err := s.cast.await(ctx, bad, "gone", bad.started)
	if err != nil {
		return err
	}
	s.tell(gone.At, bad, "process ended")
	s.check(shutdown.Reason == "vital_cog_failure", "refused %s after its process was started, with its reason", took(bad.started, shutdown.At))
	again, err := s.cast.start(ctx, "1.2.0 again", "1.2.0", "cogs.moderation")
	if err != nil {
		return err
	}
	gone, err = s.cast.await(ctx, again, "gone", again.started)
	if err != nil {
		return err
	}
	s.tell(gone.At, again, "started again, and turned away at the door")
	s.check(!s.saw(again, "ready", "active"), "the release stays refused, and no Discord login was spent on it")
	s.check(!s.sawSince(holder, bad.started, "coma", "active", "gone"), "%s was not disturbed", holder.name)
	return nil
}

func (s *story) crash(ctx context.Context, holder, standby *player) error {
	s.act("The active bot is killed")
	killed := time.Now()
	if err := holder.cmd.Process.Signal(syscall.SIGKILL); err != nil {
		return fmt.Errorf("kill %s: %w", holder.name, err)
	}
	s.tell(killed, holder, "kill -9")
	active, err := s.cast.await(ctx, standby, "active", killed)
	if err != nil {
		return err
	}
	gone, err := s.cast.await(ctx, holder, "gone", killed)
	if err != nil {
		return err
	}
	s.tell(gone.At, holder, "its process was seen to end, so there is no lease to wait for")
	s.tell(active.At, standby, "woken from coma, active, epoch %d, counter at %d", active.Epoch, active.Counter)
	s.check(active.Epoch == 3 && active.At.After(killed), "the standby took over %s after the kill", took(killed, active.At))
	return nil
}

// never looks back over the whole story: at no time were two active.
func (s *story) never() {
	var holder *player
	overlap := false
	for _, e := range s.cast.all() {
		switch e.Event {
		case "active":
			overlap = overlap || holder != nil && holder != e.player
			holder = e.player
		case "coma", "shutdown", "gone":
			if holder == e.player {
				holder = nil
			}
		}
	}
	fmt.Fprintln(s.out)
	s.check(!overlap, "in the whole story there were never two active bots at once")
}

func (s *story) saw(p *player, events ...string) bool { return s.sawSince(p, time.Time{}, events...) }

func (s *story) sawSince(p *player, after time.Time, events ...string) bool {
	for _, e := range s.cast.all() {
		for _, event := range events {
			if e.player == p && e.Event == event && !e.At.Before(after) {
				return true
			}
		}
	}
	return false
}

func (s *story) act(title string) { fmt.Fprintf(s.out, "\n%s\n", title) }

func (s *story) tell(at time.Time, p *player, format string, args ...any) {
	fmt.Fprintf(s.out, "  %7.3f s  %-12s %s\n", at.Sub(s.begun).Seconds(), p.name, fmt.Sprintf(format, args...))
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
