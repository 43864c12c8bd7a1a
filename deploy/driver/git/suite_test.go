package git_test

import (
	"os"
	"strings"
	"testing"
	"time"

	"github.com/urban-robot/urban-robot/deploy"
	"github.com/urban-robot/urban-robot/deploy/deploytest"
	"github.com/urban-robot/urban-robot/deploy/driver/git"
)

// injections are references that would do something else if they were ever taken for something else.
var injections = []string{
	"--upload-pack=touch pwned", "-x", "--", "-", "../..", "refs/../main", "refs/heads/../../HEAD", "a..b", "main^{commit}", "main~1", "main@{1}", "@",
	"HEAD:bot", ":/first", "/etc/passwd", "refs/remotes/origin/main", "ext::sh -c touch% pwned", "main --exec=x", "main\nmain", "main\x00", "$(touch pwned)",
	"`touch pwned`", "*", "refs/heads/*", "main.lock", ".hidden", "a/.b", "a//b", "a/", "ma\\in", "\xff", "FETCH_HEAD.", strings.Repeat("a", 300), "refs/heads/",
}

func TestSuite(t *testing.T) {
	t.Parallel()
	r := newRepository(t)
	releases := make(map[string]string)
	for name, bot := range map[string]string{
		"runs": runs, "deaf": deaf, "ends": ends, "leaks": `echo "it is $SECRET"`,
	} {
		releases[name] = r.push(name, bot, "true")
	}
	releases["breaks"] = r.push("breaks", runs, "echo broken; exit 1")
	hangs := r.push("hangs", runs, "sleep 1000")
	main := r.push("what is followed", runs, "echo \xff\x00")
	r.git("tag", "--annotate", "--message=a tag", "v1", releases["ends"])
	r.git("branch", "feature/one", releases["leaks"])
	deploytest.Run(t, func(t *testing.T) deploytest.Kit {
		d := newDriver(t, r.dir)
		k := deploytest.Kit{
			Driver: d.Driver, Exits: d.exits, Restart: d.restart, Collects: true,
			References: map[string]string{
				"": main, "main": main, "refs/heads/main": main, "v1": releases["ends"], "refs/tags/v1": releases["ends"],
				"feature/one": releases["leaks"], releases["deaf"]: releases["deaf"], releases["deaf"][:9]: releases["deaf"],
			},
			Unknown: append([]string{"other", strings.Repeat("0", 40), "abcdef0123"}, injections...),
			Runs:    releases["runs"], Deaf: releases["deaf"], Ends: releases["ends"], Leaks: releases["leaks"],
			Breaks: releases["breaks"], Missing: strings.Repeat("a", 40),
			Kill:   func(p deploy.Process) { kill(t, p.PID) },
			Settle: func(instance string) { d.await("deaf", "logs", instance+".log") },
		}
		return k
	})
	t.Run("a setup that hangs", func(t *testing.T) {
		t.Parallel()
		d := newDriver(t, r.dir, func(c *git.Config) { c.SetupTimeout = 100 * time.Millisecond })
		err := d.Prepare(t.Context(), hangs)
		if setup := setupError(t, err); !setup.TimedOut || setup.Release != hangs {
			t.Errorf("Prepare() = %v, want it to time out", err)
		}
	})
}

func kill(t testing.TB, pid int) {
	t.Helper()
	p, err := os.FindProcess(pid)
	if err == nil {
		err = p.Kill()
	}
	if err != nil {
		t.Error(err)
	}
}
