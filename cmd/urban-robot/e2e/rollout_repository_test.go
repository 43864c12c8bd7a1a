package e2e

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// code is what a commit holds: a bot, and what is wrong with it.
type code struct {
	Name     string          `json:"name"`
	Kind     string          `json:"kind"`               // sync, asyncio, go; missing: there is no program; chatty: prints its environment, and ends
	Start    string          `json:"start,omitempty"`    // exit: at once; silent: never connects; unready: never says ready; deaf, in Python: never says how it is
	Health   json.RawMessage `json:"health,omitempty"`   // its report
	Later    json.RawMessage `json:"later,omitempty"`    // its report in the bake
	CrashMS  int             `json:"crash_ms,omitempty"` // it crashes so long after it became active
	Stubborn bool            `json:"stubborn,omitempty"` // it ignores SIGTERM
	Setup    string          `json:"-"`                  // a script; default: all is well
	Message  string          `json:"-"`                  // of the commit; default: its name
}

// repository is where the bots are developed: a bare repository, and a working copy of it.
type repository struct{ bare, work string }

func newRepository(t *testing.T) *repository {
	t.Helper()
	_, err := exec.LookPath("git")
	require.NoError(t, err, "git is missing; on Debian: apt-get install git")
	dir := t.TempDir()
	r := &repository{bare: filepath.Join(dir, "bot.git"), work: filepath.Join(dir, "work")}
	r.git(t, "init", "--quiet", "--bare", "--initial-branch=main", r.bare)
	r.git(t, "init", "--quiet", "--initial-branch=main", r.work)
	r.git(t, "-C", r.work, "remote", "add", "origin", r.bare)
	return r
}

// push commits a bot and pushes it. The commit's hash comes back.
func (r *repository) push(t *testing.T, c code) string {
	t.Helper()
	return r.pushTo(t, c, "main")
}

func (r *repository) pushTo(t *testing.T, c code, branch string) string {
	t.Helper()
	text, err := json.MarshalIndent(c, "", "  ")
	require.NoError(t, err)
	script, err := os.ReadFile(filepath.Join("testdata", "rollout", "main.py"))
	require.NoError(t, err)
	start := "exec " + python + ` main.py "$1"`
	switch c.Kind {
	case "go":
		start = `exec "$2" ` + goBotArgument + ` "$1"`
	case "missing":
		start = "exec ./no-such-program"
	case "chatty":
		start = "env; exit 1"
	default:
		pythonReady(t)
	}
	r.write(t, "bot.json", string(text)+"\n", 0o644)
	r.write(t, "main.py", string(script), 0o644)
	r.write(t, "run", "#!/bin/sh\n"+start+"\n", 0o755)
	r.write(t, "setup.sh", c.Setup+"\n", 0o644)
	if c.Message == "" {
		c.Message = c.Name
	}
	r.git(t, "-C", r.work, "add", "--all")
	r.git(t, "-C", r.work, "-c", "user.name=Ada", "-c", "user.email=ada@example.org", "commit", "--quiet", "--allow-empty", "--message", c.Message)
	r.git(t, "-C", r.work, "push", "--quiet", "--force", "origin", "HEAD:"+branch)
	return r.git(t, "-C", r.work, "rev-parse", "HEAD")
}

func (r *repository) write(t *testing.T, name, text string, mode os.FileMode) {
	t.Helper()
	require.NoError(t, os.WriteFile(filepath.Join(r.work, name), []byte(text), mode))
}

func (r *repository) git(t *testing.T, arguments ...string) string {
	t.Helper()
	command := exec.Command("git", arguments...)
	command.Env = append(os.Environ(), "GIT_CONFIG_GLOBAL="+os.DevNull, "GIT_CONFIG_SYSTEM="+os.DevNull)
	output, err := command.CombinedOutput()
	require.NoError(t, err, "git %s: %s", strings.Join(arguments, " "), output)
	return strings.TrimSpace(string(output))
}

// healthy and the others are reports of bots with two cogs, of which cogs.core is vital.
var (
	vitalMissing = json.RawMessage(`{"cogs":{"cogs.fun":true}}`)
	halfHealthy  = json.RawMessage(`{"percentage":50,"cogs":{"cogs.core":true,"cogs.fun":true}}`)
)

// good is a bot of that kind without a fault.
func good(name, kind string) code { return code{Name: name, Kind: kind} }

// numbered returns as many good bots' names.
func numbered(n int) string { return fmt.Sprintf("v%d", n) }
