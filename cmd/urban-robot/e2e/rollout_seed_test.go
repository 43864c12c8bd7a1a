package e2e

import (
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/urban-robot/urban-robot/protocol/admin"
)

// The tests of this file are named after what the first Urban Robot did wrong.

// A bot that ended at once was started again for ever.
func TestSeedUnlimitedRespawn(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, alert string
		play        func(t *testing.T) *rollout
		over        func(f admin.Fleet) bool
	}{
		{"of the first release there ever was", "refused", func(t *testing.T) *rollout {
			r := newRollout(t, program, settings{"restart.max": "3"})
			r.push(t, code{Name: "v1", Kind: "go", Start: "exit"})
			r.start(t)
			return r
		}, func(f admin.Fleet) bool { return f.LastAttempt != nil && f.LastAttempt.Reason == "exited" }},
		{"of a good release that does not work any more", "halted", func(t *testing.T) *rollout {
			r, first := startRollout(t, good("v1", "go"), settings{"restart.max": "3"})
			r.serves(t, first)
			run := filepath.Join(r.deploys, "worktrees", first, "run")
			require.NoError(t, os.WriteFile(run, []byte("#!/bin/sh\nexit 1\n"), 0o755))
			r.killBots(t) // two, so that two more are the last
			return r
		}, func(f admin.Fleet) bool { return f.Halted == "crashes" }},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			r := test.play(t)
			r.eventually(t, "it to give up", test.over)
			require.Equal(t, 4, r.count(logged("process exited")), "ends, of which all but the last are followed by a start")
			starts := r.count(logged("process starting"))
			r.awaitAlert(t, test.alert)
			require.Equal(t, starts, r.count(logged("process starting")), "it was started again")
			require.Equal(t, 1, r.alerts.count(test.alert))
		})
	}
}

// The release that had just failed was the one that it went back to.
func TestSeedRollbackToTheFailedCommit(t *testing.T) {
	t.Parallel()
	r, first := startRollout(t, good("v1", "go"), nil)
	r.serves(t, first)
	pushed := time.Now()
	bad := r.deploy(t, code{Name: "v2", Kind: "go", CrashMS: 200})
	r.sees(t, logged("rollout ended", "release="+bad, "to=bad", "reason=crashed"))
	f := r.serves(t, first)
	require.Equal(t, first, f.LastGood)
	require.Len(t, r.stage.of(pushed, "v2", "started"), 1, "the failed release was started again")

	r.stop(t)
	r.start(t)
	f = r.serves(t, first)
	require.Equal(t, first, f.Desired.Release, "what is wanted after a restart")
	require.Len(t, r.stage.of(pushed, "v2", "started"), 1, "the failed release was started again")
}

// The code went back, and nobody started it.
func TestSeedRollbackWithoutRespawn(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name    string
		changes settings
		second  code
		end     func(t *testing.T, r *rollout)
	}{
		{"the old process ended with the new one", settings{"health.bake": "4s"}, good("v2", "go"), func(t *testing.T, r *rollout) {
			r.killBots(t)
		}},
		{"the old process ended in the handover", settings{"handover.to": "shutdown"}, code{Name: "v2", Kind: "go", CrashMS: 500}, nil},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			test.changes["standbys"] = "0"
			r, first := startRollout(t, good("v1", "go"), test.changes)
			before := r.serves(t, first).Running[0].Instance
			pushed := time.Now()
			bad := r.deploy(t, test.second)
			active := r.stage.await(t, pushed, "v2", "active")
			if test.end != nil {
				test.end(t, r)
			}
			r.sees(t, logged("rollout ended", "release="+bad, "to=bad", "reason=crashed"))
			back := r.stage.await(t, active.time(), "v1", "active")
			require.NotEqual(t, before, back.Instance)
			f := r.serves(t, first)
			require.Equal(t, back.Instance, f.Running[0].Instance)
			require.Equal(t, first, f.LastGood)
			require.Len(t, r.stage.of(pushed, "v2", "started"), 1, "the failed release was started again")
			t.Logf("nobody was active for %s", r.stage.longestPause(pushed))
		})
	}
}

// What was good last was whatever the working copy's HEAD happened to be.
func TestSeedLastGoodIsHead(t *testing.T) {
	t.Parallel()
	r, first := startRollout(t, good("v1", "go"), settings{"standbys": "0"})
	bad := r.deploy(t, code{Name: "v2", Kind: "go", Health: vitalMissing})
	r.sees(t, logged("rollout ended", "release="+bad, "to=bad"))
	later := r.push(t, good("v3", "go")) // pushed, and nobody has said so
	require.Equal(t, later, r.git(t, "-C", r.bare, "rev-parse", "main"))
	require.Equal(t, first, r.serves(t, first).LastGood)

	r.kill(t)
	killed := time.Now()
	r.killBots(t)
	r.start(t)
	r.stage.await(t, killed, "v1", "active")
	f := r.serves(t, first)
	require.Equal(t, first, f.LastGood, "after a restart with no bot left")
	require.Equal(t, admin.ReleaseBad, r.version(t, bad).State)
	require.Empty(t, r.stage.of(killed, "v2", "started"))
}

// Anybody who found the webhook could deploy.
func TestSeedUnsignedWebhook(t *testing.T) {
	t.Parallel()
	r, first := startRollout(t, good("v1", "go"), settings{"standbys": "0"})
	second := r.push(t, good("v2", "go"))
	for _, secret := range []string{"none", "another secret that is long enough"} {
		status, answer := r.announce(t, delivery{commit: second, secret: secret})
		require.Equal(t, http.StatusNotFound, status, answer)
	}
	require.Equal(t, first, r.status(t).Desired.Release)
	require.Equal(t, 1, r.count(logged("process starting")))
}

// A deploy reset the files under the process that ran in them.
func TestSeedGitResetUnderTheLiveProcess(t *testing.T) {
	t.Parallel()
	r, first := startRollout(t, good("v1", "go"), nil)
	f := r.serves(t, first)
	var before []string
	for _, p := range f.Processes {
		before = append(before, r.codeOf(t, p.Instance))
	}
	for i, c := range []code{{Kind: "go", Health: vitalMissing}, {Kind: "go", Setup: "exit 1"}, {Kind: "go", CrashMS: 100}} {
		c.Name = numbered(i + 2)
		bad := r.deploy(t, c)
		r.sees(t, logged("rollout ended", "release="+bad, "to=bad"))
		for i, p := range f.Processes {
			require.Contains(t, before[i], `"name": "v1"`)
			require.Equal(t, before[i], r.codeOf(t, p.Instance), "the code under %s", p.Instance)
		}
	}
	r.serves(t, first)
}

// A client that left before it had said who it was brought the service down.
func TestSeedCrashOnAnEarlyDisconnect(t *testing.T) {
	t.Parallel()
	r, first := startRollout(t, good("v1", "go"), nil)
	r.serves(t, first)
	begun := time.Now()
	leave := func(text string) {
		conn, err := net.Dial("tcp", "127.0.0.1:"+strconv.Itoa(r.port))
		require.NoError(t, err)
		_, err = conn.Write([]byte(text))
		require.NoError(t, err)
		require.NoError(t, conn.Close())
	}
	get := func(query, more string) string {
		return "GET /socket.io/?EIO=4&" + query + " HTTP/1.1\r\nHost: here\r\n" + more + "\r\n"
	}
	upgrade := "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
	early := func() {
		for range 10 {
			leave("")
			leave("GET /soc")
			leave(get("transport=polling", ""))
			leave(get("transport=websocket", upgrade))
			leave(get("transport=websocket", upgrade) + "\x81\x82\x00\x00\x00\x0040")
		}
	}
	early()
	second := r.deploy(t, good("v2", "go"))
	early()
	// One that is let in, and ends before it has logged in.
	for _, event := range []string{"started", "hello"} {
		for range 2 {
			hasty := startBot(t, r.service, client{"sync", "websocket"}, "0.1.0", variables{"SILENT": "ready"})
			if event == "hello" {
				hasty.hello(t)
			}
			hasty.kill()
		}
	}
	early()
	r.becomesGood(t, second)
	r.serves(t, second)
	require.Equal(t, 1, r.count(logged("fleet loaded")), "it was loaded again")
	require.Len(t, r.stage.spans(begun), 2)
}

// In a swap, the old one and the new one both answered.
func TestSeedBothVersionsActiveDuringASwap(t *testing.T) {
	t.Parallel()
	r, first := startRollout(t, good("v1", "sync"), settings{"standbys": "0"})
	r.serves(t, first)
	begun := time.Now()
	kinds := []string{"asyncio", "go", "sync", "go"}
	for i, kind := range kinds {
		next := r.deploy(t, good(numbered(i+2), kind))
		r.becomesGood(t, next)
	}
	require.Len(t, r.stage.spans(begun), len(kinds)+1, "who was active, one after the other")
	r.stage.neverTwo(t)
	t.Logf("nobody was active for %s at most", r.stage.longestPause(begun))
}

// killBots ends all bots at a time, as a machine short of memory does.
func (r *rollout) killBots(t *testing.T) {
	t.Helper()
	pids := r.processes()
	require.NotEmpty(t, pids)
	for _, pid := range pids {
		require.NoError(t, syscall.Kill(pid, syscall.SIGKILL))
	}
}

// killHolder ends one bot.
func (r *rollout) killHolder(t *testing.T, instance string) {
	t.Helper()
	require.NoError(t, syscall.Kill(r.pidOf(t, instance), syscall.SIGKILL))
}

// pidOf finds the process of an instance.
func (r *rollout) pidOf(t *testing.T, instance string) int {
	t.Helper()
	for _, pid := range r.processes() {
		if variableOf(pid, "URBAN_ROBOT_INSTANCE") == instance {
			return pid
		}
	}
	require.Failf(t, "no process", "%s does not run", instance)
	return 0
}

// codeOf returns the code in the working directory of a process.
func (r *rollout) codeOf(t *testing.T, instance string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(r.pidOf(t, instance)), "cwd", "bot.json"))
	require.NoError(t, err)
	return string(text)
}
