package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"sync"
	"time"
)

// patience bounds every wait of the demo: far beyond what any step takes.
const patience = 20 * time.Second

// cast is the demo's bots: real processes, and what they were seen to do.
type cast struct {
	url    string
	exited func(instance string) // told when a process has ended

	mu      sync.Mutex
	seen    []seen
	changed chan struct{} // closed and replaced with every sighting
	players []*player
}

// seen is a sighting and whose it is.
type seen struct {
	sighting
	player *player
}

// player is one bot process.
type player struct {
	name    string // its version, and which try
	version string
	cmd     *exec.Cmd
	stderr  *bytes.Buffer
	started time.Time
	gone    chan struct{} // closed when the process has ended
}

func newCast(url string, exited func(string)) *cast {
	return &cast{url: url, exited: exited, changed: make(chan struct{})}
}

// start starts a bot process of a version.
func (c *cast) start(ctx context.Context, name, version, broken string) (*player, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("find this program: %w", err)
	}
	args := []string{demoBotCommand, "--url", c.url, "--version", version, "--instance", name}
	if broken != "" {
		args = append(args, "--broken", broken)
	}
	p := &player{name: name, version: version, stderr: &bytes.Buffer{}, gone: make(chan struct{})}
	p.cmd = exec.CommandContext(ctx, self, args...) //nolint:gosec // G204: it is this very program
	p.cmd.Stderr = p.stderr
	stdout, err := p.cmd.StdoutPipe()
	if err != nil {
		return nil, fmt.Errorf("read bot %s: %w", name, err)
	}
	p.started = time.Now()
	if err := p.cmd.Start(); err != nil {
		return nil, fmt.Errorf("start bot %s: %w", name, err)
	}
	c.players = append(c.players, p)
	go func() {
		lines := bufio.NewScanner(stdout)
		for lines.Scan() {
			var s sighting
			if json.Unmarshal(lines.Bytes(), &s) == nil {
				c.note(seen{sighting: s, player: p})
			}
		}
		_ = p.cmd.Wait() // how it ended is part of the story, told by the sightings
		c.exited(p.name)
		c.note(seen{sighting: sighting{At: time.Now(), Event: "gone"}, player: p})
		close(p.gone)
	}()
	return p, nil
}

// stop kills what is left.
func (c *cast) stop() {
	for _, p := range c.players {
		_ = p.cmd.Process.Kill() // it may have ended already
		<-p.gone
	}
}

func (c *cast) note(s seen) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.seen = append(c.seen, s)
	close(c.changed)
	c.changed = make(chan struct{})
}

// await returns a player's first sighting of an event at or after a time.
func (c *cast) await(ctx context.Context, p *player, event string, after time.Time) (sighting, error) {
	within, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	for {
		c.mu.Lock()
		changed := c.changed
		i := slices.IndexFunc(c.seen, func(s seen) bool { return s.player == p && s.Event == event && !s.At.Before(after) })
		if i >= 0 {
			found := c.seen[i].sighting
			c.mu.Unlock()
			return found, nil
		}
		c.mu.Unlock()
		select {
		case <-changed:
		case <-within.Done():
			return sighting{}, fmt.Errorf("%s: %s did not come within %s; %s", p.name, event, patience, bytes.TrimSpace(p.stderr.Bytes()))
		}
	}
}

// all returns what was seen so far, by time.
func (c *cast) all() []seen {
	c.mu.Lock()
	defer c.mu.Unlock()
	all := slices.Clone(c.seen)
	slices.SortStableFunc(all, func(a, b seen) int { return a.At.Compare(b.At) })
	return all
}
