package command_test

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"github.com/urban-robot/urban-robot/deploy"
	"github.com/urban-robot/urban-robot/deploy/deploytest"
	"github.com/urban-robot/urban-robot/deploy/driver/command"
)

const (
	start = `set -e
name=run/$URBAN_ROBOT_INSTANCE
if [ -e "$name" ] && kill -0 "$(cat "$name")" 2>/dev/null; then echo "pid=$(cat "$name")"; exit 0; fi
mkdir -p run
setsid sh -c "$(cat "$BOTS/$URBAN_ROBOT_RELEASE")" >/dev/null 2>&1 </dev/null &
echo $! >"$name"
echo "$URBAN_ROBOT_RELEASE" >"$name.release"
echo "started $URBAN_ROBOT_INSTANCE of $URBAN_ROBOT_FLEET with $SECRET"
echo "pid=$!"`
	stop = `name=run/$URBAN_ROBOT_INSTANCE
[ -e "$name" ] || exit 0
pid=$(cat "$name")
kill "$pid" 2>/dev/null
while kill -0 "$pid" 2>/dev/null && ! grep -q '^State:.Z' "/proc/$pid/status"; do sleep 0.01; done
rm -f "$name" "$name.release"`
	status = `for name in run/*.release; do
	[ -e "$name" ] || continue
	pid=$(cat "${name%.release}" 2>/dev/null) || continue
	if kill -0 "$pid" 2>/dev/null && ! grep -q '^State:.Z' "/proc/$pid/status"; then
		name=${name#run/}; echo "${name%.release} $(cat "run/$name") $pid"
	fi
done`
	prepare = `case $URBAN_ROBOT_RELEASE in
breaks) echo broken; exit 1;;
hangs) sleep 1000;;
missing) exit 0;;
esac`
	resolve = `case $URBAN_ROBOT_REFERENCE in
"") echo runs; echo what is followed;;
runs|ends) echo "$URBAN_ROBOT_REFERENCE";;
v1) echo ends;;
empty) ;;
broken) echo "no network" >&2; exit 1;;
*) exit 3;;
esac`
)

// script returns a command that runs a shell script.
func script(text string) []string { return []string{"sh", "-c", text} }

func config(t testing.TB, exits *deploytest.Exits, change ...func(*command.Config)) command.Config {
	t.Helper()
	bots := t.TempDir()
	for name, bot := range map[string]string{"runs": "exec sleep 1000", "ends": "exit 3"} {
		if err := os.WriteFile(filepath.Join(bots, name), []byte(bot), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	c := command.Config{
		Fleet: "helium", Dir: t.TempDir(), Resolve: script(resolve), Prepare: script(prepare), Start: script("BOTS=" + bots + "\n" + start),
		Stop: script(stop), Status: script(status), Timeout: 10 * time.Second, OnExit: exits.Report, Log: zerolog.Nop(),
	}
	for _, f := range change {
		f(&c)
	}
	return c
}

func made(t testing.TB, c command.Config) *command.Driver {
	t.Helper()
	d, err := command.New(c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		entries, _ := filepath.Glob(filepath.Join(c.Dir, "run", "*.release"))
		for _, entry := range entries {
			_ = d.Stop(context.Background(), strings.TrimSuffix(filepath.Base(entry), ".release"))
		}
	})
	return d
}

func TestSuite(t *testing.T) {
	t.Parallel()
	deploytest.Run(t, func(t *testing.T) deploytest.Kit {
		exits := new(deploytest.Exits)
		c := config(t, exits)
		d := made(t, c)
		return deploytest.Kit{
			Driver: d, Exits: exits,
			References: map[string]string{"": "runs", "runs": "runs", "v1": "ends"}, Unknown: []string{"other", "--help", "a b", "a\nb", "$(touch pwned)"},
			Runs: "runs", Breaks: "breaks",
		}
	})
}

func TestSuiteWithStartAndStopAlone(t *testing.T) {
	t.Parallel()
	deploytest.Run(t, func(t *testing.T) deploytest.Kit {
		exits := new(deploytest.Exits)
		c := config(t, exits, func(c *command.Config) { c.Resolve, c.Prepare, c.Status = nil, nil, nil })
		return deploytest.Kit{
			Driver: made(t, c), Exits: exits, Blind: true, Runs: "runs",
			References: map[string]string{"1.2.3": "1.2.3"}, Unknown: []string{"a\x00", "a\nb"},
		}
	})
}

func TestSuiteWithNothing(t *testing.T) {
	t.Parallel()
	deploytest.Run(t, func(t *testing.T) deploytest.Kit {
		exits := new(deploytest.Exits)
		c := command.Config{Dir: t.TempDir(), OnExit: exits.Report}
		return deploytest.Kit{Driver: made(t, c), Exits: exits, Blind: true, Observes: true}
	})
}

func TestPrepareHangs(t *testing.T) {
	t.Parallel()
	d := made(t, config(t, new(deploytest.Exits), func(c *command.Config) { c.Timeout = 100 * time.Millisecond }))
	err := d.Prepare(t.Context(), "hangs")
	if setup, ok := errors.AsType[*deploy.SetupError](err); !ok || !setup.TimedOut {
		t.Errorf("Prepare() = %v, want a *SetupError that timed out", err)
	}
}

func TestResolveThatFailsIsNoUnknownRelease(t *testing.T) {
	t.Parallel()
	d := made(t, config(t, new(deploytest.Exits)))
	for _, reference := range []string{"broken", "empty"} {
		if _, err := d.Resolve(t.Context(), reference); err == nil || errors.Is(err, deploy.ErrUnknownRelease) {
			t.Errorf("Resolve(%s) = %v, want another error than %v", reference, err, deploy.ErrUnknownRelease)
		}
	}
	got, err := d.Resolve(t.Context(), "")
	if err != nil || got.Message != "what is followed" {
		t.Errorf("Resolve() = %+v, %v, want its message", got, err)
	}
}

func TestStatusProvesADeath(t *testing.T) {
	t.Parallel()
	exits := new(deploytest.Exits)
	c := config(t, exits)
	d := made(t, c)
	p, err := d.Start(t.Context(), deploy.Launch{Release: "runs", Instance: "one"})
	if err != nil || p.PID == 0 {
		t.Fatalf("Start() = %+v, %v, want a process id", p, err)
	}
	// Another driver, as after a restart of the program, hears of it too.
	second := new(deploytest.Exits)
	c.OnExit = second.Report
	after := made(t, c)
	if running, err := after.Running(t.Context()); err != nil || len(running) != 1 || running[0].PID != p.PID {
		t.Fatalf("Running() = %+v, %v, want %+v", running, err, p)
	}
	process, err := os.FindProcess(p.PID)
	if err == nil {
		err = process.Kill()
	}
	if err != nil {
		t.Fatal(err)
	}
	for driver, heard := range map[*command.Driver]*deploytest.Exits{d: exits, after: second} {
		deploytest.Await(t, "the death", func() bool {
			if _, err := driver.Running(t.Context()); err != nil {
				t.Fatal(err)
			}
			return len(heard.Of("one")) > 0
		})
		if exit := heard.Of("one")[0]; exit.Release != "runs" || exit.Code != -1 {
			t.Errorf("exit = %+v, want release runs and no code", exit)
		}
	}
}

func TestStatusThatFailsProvesNothing(t *testing.T) {
	t.Parallel()
	for name, text := range map[string]string{"fails": "exit 1", "is nonsense": "echo 'cannot connect to the daemon, sorry'"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			exits := new(deploytest.Exits)
			d := made(t, config(t, exits, func(c *command.Config) { c.Status = script(text) }))
			if _, err := d.Start(t.Context(), deploy.Launch{Release: "runs", Instance: "one"}); err != nil {
				t.Fatal(err)
			}
			for range 3 {
				if got, err := d.Running(t.Context()); err == nil {
					t.Errorf("Running() = %v, nil, want an error", got)
				}
			}
			if exits := exits.Of("one"); len(exits) > 0 {
				t.Errorf("exits = %+v, want none", exits)
			}
		})
	}
}

func TestSecretsAreKeptNowhere(t *testing.T) {
	t.Parallel()
	const secret = "one-time-secret-0123456789"
	c := config(t, new(deploytest.Exits))
	d := made(t, c)
	environ := func() []string { return []string{"SECRET=" + secret} }
	if _, err := d.Start(t.Context(), deploy.Launch{Release: "runs", Instance: "one", Environ: environ}); err != nil {
		t.Fatal(err)
	}
	said := false
	err := filepath.WalkDir(c.Dir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		text, err := os.ReadFile(path)
		if strings.Contains(string(text), secret) {
			t.Errorf("%s holds the secret", path)
		}
		said = said || strings.Contains(string(text), "started one of helium with [redacted]")
		return err
	})
	if err != nil || !said {
		t.Errorf("the output was not kept: %v", err)
	}
	c.Start = script("echo $SECRET; exit 1")
	_, err = made(t, c).Start(t.Context(), deploy.Launch{Release: "runs", Instance: "two", Environ: environ})
	if err == nil || strings.Contains(err.Error(), secret) || !strings.Contains(err.Error(), "[redacted]") {
		t.Errorf("Start() = %v, want an error without the secret", err)
	}
}

func TestCommandsGetLittleOfOurEnvironment(t *testing.T) {
	t.Setenv("HELIUM_DISCORD_TOKEN", "token")
	t.Setenv("PM2_HOME", "/pm2")
	c := config(t, new(deploytest.Exits), func(c *command.Config) {
		c.Prepare = script(`env; echo "$URBAN_ROBOT_FLEET $URBAN_ROBOT_RELEASE"; exit 1`)
		c.Passthrough = []string{"PM2_*"}
	})
	setup, ok := errors.AsType[*deploy.SetupError](made(t, c).Prepare(t.Context(), "1.2.3"))
	if !ok || strings.Contains(setup.Output, "DISCORD") || !strings.Contains(setup.Output, "PM2_HOME=/pm2") ||
		!strings.Contains(setup.Output, "helium 1.2.3") {
		t.Errorf("the command's environment was %+v", setup)
	}
}

func TestCommandThatIsNotThereIsTheMachinesFault(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"urban-robot-test-nowhere", "/nowhere/at/all"} {
		d := made(t, config(t, new(deploytest.Exits), func(c *command.Config) { c.Prepare = []string{name} }))
		err := d.Prepare(t.Context(), "1")
		if _, ok := errors.AsType[*deploy.SetupError](err); err == nil || ok || !errors.Is(err, fs.ErrNotExist) && !strings.Contains(err.Error(), "not found") {
			t.Errorf("Prepare() = %v, want the machine's error", err)
		}
	}
}

func TestNewRefuses(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(*command.Config){
		"no directory":       func(c *command.Config) { c.Dir = "" },
		"nobody to tell":     func(c *command.Config) { c.OnExit = nil },
		"start without stop": func(c *command.Config) { c.Stop = nil },
		"an empty command":   func(c *command.Config) { c.Status = []string{""} },
		"a negative timeout": func(c *command.Config) { c.Timeout = -1 },
	} {
		if _, err := command.New(config(t, new(deploytest.Exits), change)); err == nil {
			t.Errorf("New() = nil with %s, want an error", name)
		}
	}
}
