package git_test

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"testing"

	"github.com/urban-robot/urban-robot/deploy"
	"github.com/urban-robot/urban-robot/deploy/deploytest"
	"github.com/urban-robot/urban-robot/deploy/driver/git"
)

const secret = "one-time-secret-0123456789"

func TestSecretsAreNowhereButInTheEnvironment(t *testing.T) {
	t.Parallel()
	d, release := ready(t, `echo "mine is $SECRET, yes"; exec sleep 1000`, func(c *git.Config) { c.Forward = true })
	l := deploy.Launch{Release: release, Instance: "one", Environ: func() []string { return []string{"SECRET=" + secret, "SHORT=yes"} }}
	p, err := d.Start(t.Context(), l)
	if err != nil {
		t.Fatal(err)
	}
	d.await("mine is "+secret, "logs", "one.log") // that is what the bot itself has written
	deploytest.Await(t, "the forwarded line", func() bool { return strings.Contains(d.logged.String(), "mine is [redacted], yes") })
	deploytest.Await(t, "the program", func() bool {
		argv, _ := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", p.PID))
		return strings.HasPrefix(string(argv), "sleep")
	})
	if argv, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", p.PID)); err != nil || strings.Contains(string(argv), secret) {
		t.Errorf("the arguments are %q, %v", argv, err)
	}
	for path, text := range files(t, d.config.Dir) {
		if strings.Contains(text, secret) && path != d.path("logs", "one.log") {
			t.Errorf("%s holds the secret", path)
		}
	}
	d.restart() // which has to learn the secret again
	if err := d.Stop(t.Context(), "one"); err != nil {
		t.Fatal(err)
	}
	if exit := d.exits.Await(t, "one"); !strings.Contains(exit.Output, "mine is [redacted], yes") {
		t.Errorf("exit = %+v, want an output without the secret", exit)
	}
	if strings.Contains(d.logged.String()+fmt.Sprintf("%+v %#v", l, d.exits.Of("one")), secret) {
		t.Error("the secret was logged or printed")
	}
}

func TestSecretsOfTheDeadStayWithThem(t *testing.T) {
	t.Parallel()
	d, release := ready(t, `echo "mine is $SECRET"; exec sleep 1000`)
	p := d.launch(release, "SECRET="+secret)
	d.await(secret, "logs", "one.log")
	d.stop()
	kill(t, p.PID)
	deploytest.Await(t, "its death", func() bool { return !alive(p.PID) })
	d.start()
	if exit := d.exits.Await(t, "one"); strings.Contains(exit.Output, "mine") {
		t.Errorf("exit = %+v: nobody could tell the secret from its output", exit)
	}
}

func TestImproperEnvironmentIsRefusedWithoutItsValues(t *testing.T) {
	t.Parallel()
	d, release := ready(t, runs)
	for _, variable := range []string{secret, "=" + secret, "A-B=" + secret, "1A=" + secret, "A=\x00" + secret} {
		l := deploy.Launch{Release: release, Instance: "one", Environ: func() []string { return []string{variable} }}
		if _, err := d.Start(t.Context(), l); err == nil || strings.Contains(err.Error(), secret) {
			t.Errorf("Start() = %v, want an error without the value", err)
		}
	}
	d.launch(release)
}

func TestBotsGetLittleOfOurEnvironment(t *testing.T) {
	t.Setenv("HELIUM_DISCORD_TOKEN", "token")
	t.Setenv("URBAN_ROBOT_ADMIN_TOKEN", "token")
	t.Setenv("LAVALINK_HOST", "music")
	t.Setenv("SSH_AUTH_SOCK", "/agent")
	r := newRepository(t)
	r.push("first", "env; pwd; exit 0", "env")
	d := newDriver(t, r.dir, func(c *git.Config) { c.Passthrough = []string{"LAVALINK_*"} })
	release := d.prepare()
	d.launch(release, "URBAN_ROBOT_LAUNCH=launch", "LAVALINK_HOST=other")
	printed := d.exits.Await(t, "one").Output
	for _, want := range []string{"LAVALINK_HOST=other\n", "URBAN_ROBOT_INSTANCE=one\n", "URBAN_ROBOT_RELEASE=" + release + "\n", "PATH=", d.path("worktrees", release)} {
		if !strings.Contains(printed, want) {
			t.Errorf("the process printed %q, want %q in it", printed, want)
		}
	}
	setup := d.read("setups", release+".log")
	if !strings.Contains(setup, "LAVALINK_HOST=music\n") || !strings.Contains(setup, "URBAN_ROBOT_RELEASE="+release) {
		t.Errorf("the setup printed %q", setup)
	}
	for _, text := range []string{printed, setup} {
		if strings.Contains(text, "token") || strings.Contains(text, "SSH_AUTH_SOCK") || strings.Contains(text, "GIT_") {
			t.Errorf("%q has what it should not", text)
		}
	}
}

func TestLogsAreRotatedAndForwarded(t *testing.T) {
	t.Parallel()
	const lines = 30_000
	d, release := ready(t, `i=0; while [ $i -lt `+strconv.Itoa(lines)+` ]; do echo "line $i of the output"; i=$((i+1)); done; exec sleep 1000`,
		func(c *git.Config) { c.Forward, c.LogBytes = true, 400_000 })
	d.launch(release)
	deploytest.Await(t, "the last line", func() bool {
		return strings.Contains(d.logged.String(), fmt.Sprintf(`"line":"line %d of the output"`, lines-1))
	})
	deploytest.Await(t, "a rotation", func() bool {
		info, err := os.Stat(d.path("logs", "one.log"))
		return err == nil && info.Size() <= 100_000
	})
	if err := d.Stop(t.Context(), "one"); err != nil {
		t.Fatal(err)
	}
	if exit := d.exits.Await(t, "one"); !strings.Contains(exit.Output, fmt.Sprintf("line %d of the output", lines-1)) || len(exit.Output) > 4<<10 {
		t.Errorf("the output has %d bytes and ends with %q", len(exit.Output), exit.Output[max(0, len(exit.Output)-100):])
	}
	// What is printed between copying and truncating is lost; little is.
	if got := strings.Count(d.logged.String(), "of the output"); got < lines*9/10 || got > lines {
		t.Errorf("%d lines of %d were forwarded", got, lines)
	}
	paths, err := filepath.Glob(d.path("logs", "one.log*"))
	if err != nil || len(paths) < 2 || len(paths) > 4 {
		t.Errorf("log files: %v, %v, want 2 to 4", paths, err)
	}
}

func TestProcessGoesOnPrintingWhenNobodyLooks(t *testing.T) {
	t.Parallel()
	d, release := ready(t, "while [ ! -e go ]; do sleep 0.01; done; echo after; exec sleep 1000")
	d.launch(release)
	d.stop()
	if err := os.WriteFile(d.path("worktrees", release, "go"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	d.await("after", "logs", "one.log")
	d.start()
}

func BenchmarkStart(b *testing.B) {
	d, release := ready(b, runs)
	environ := func() []string { return []string{"SECRET=" + secret} }
	i := 0
	b.Run("driver", func(b *testing.B) {
		for b.Loop() {
			i++
			name := fmt.Sprint("bench-", i)
			if _, err := d.Start(context.Background(), deploy.Launch{Release: release, Instance: name, Environ: environ}); err != nil {
				b.Fatal(err)
			}
			b.StopTimer()
			_ = d.Stop(context.Background(), name)
			b.StartTimer()
		}
	})
	b.Run("bare", func(b *testing.B) {
		for b.Loop() {
			cmd := exec.Command("./bot")
			cmd.Dir = d.path("worktrees", release)
			if err := cmd.Start(); err != nil {
				b.Fatal(err)
			}
			b.StopTimer()
			_ = cmd.Process.Kill()
			_ = cmd.Wait()
			b.StartTimer()
		}
	})
}

// BenchmarkDeath measures from a kill to the report of the death.
func BenchmarkDeath(b *testing.B) {
	d, release := ready(b, runs)
	i := 0
	for b.Loop() {
		b.StopTimer()
		i++
		name := fmt.Sprint("bench-", i)
		p, err := d.Start(context.Background(), deploy.Launch{Release: release, Instance: name})
		if err != nil {
			b.Fatal(err)
		}
		b.StartTimer()
		kill(b, p.PID)
		for len(d.exits.Of(name)) == 0 {
			runtime.Gosched()
		}
	}
}
