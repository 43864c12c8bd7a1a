package process

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/urban-robot/urban-robot/deploy"
)

const (
	// tick is how often something is looked at that the kernel does not tell of.
	tick = 20 * time.Millisecond
	// killed is how long the kernel may take to end what it was told to kill.
	killed = 5 * time.Second
)

// entry is one process of a Table.
type entry struct {
	record  record
	secrets Secrets
	safe    bool     // its secrets are known: it was adopted while it ran, or was not adopted
	handle  *os.File // a pidfd; nil: the kernel has none
	log     *logFile // nil: it could not be opened
	done    chan struct{}

	mu    sync.Mutex // held while it is signalled and while it is reaped: its id stays its own
	dead  bool
	until time.Time // when its grace ends; zero: nobody has asked it to end
}

// ask asks the process to end, once, and returns when its grace ends.
func (e *entry) ask(grace time.Duration) time.Time {
	e.mu.Lock()
	first := e.until.IsZero()
	if first {
		e.until = time.Now().Add(grace)
	}
	until := e.until
	e.mu.Unlock()
	if first {
		e.signal(syscall.SIGTERM)
	}
	return until
}

// signal sends to the whole group of a process that has not been found dead.
func (e *entry) signal(signal syscall.Signal) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if !e.dead {
		_ = signalGroup(e.record.PID, signal)
	}
}

func (e *entry) grace() time.Time {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.until
}

// close ends the watching.
func (e *entry) close() {
	if e.handle != nil {
		_ = e.handle.Close()
	}
}

// watch waits for a process's death and has it reported, unless the table is closed first.
func (t *Table) watch(e *entry) {
	if t.await(e) {
		e.close()
		t.bury(e)
	}
}

// await says whether a process has died; false: the table was closed.
func (t *Table) await(e *entry) bool {
	if e.handle != nil && awaitHandle(e.handle) == nil {
		return true
	}
	// The kernel has no pidfd, or the table is being closed.
	ticker := time.NewTicker(tick)
	defer ticker.Stop()
	for {
		select {
		case <-t.quit:
			return false
		case <-ticker.C:
			if !e.record.runs(t.boot) {
				return true
			}
		}
	}
}

// bury ends what a dead process has left behind, reports its death, and forgets it.
func (t *Table) bury(e *entry) {
	exit := deploy.Exit{Process: e.record.process(), Code: -1}
	e.mu.Lock()
	e.dead = true
	e.mu.Unlock()
	ours := ourChild(e.record.PID)
	if e.record.Boot == t.boot && !t.clear(e, ours) {
		return
	}
	if ours {
		exit.Code, exit.Signal = reap(e.record.PID)
	}
	if e.log != nil && (e.safe || len(e.record.Secrets) == 0) {
		exit.Output = e.secrets.Clean(e.log.end())
	}
	t.config.OnExit(exit)
	if err := t.forget(e); err != nil {
		t.config.Log.Warn().AnErr("err", err).Str("instance", e.record.Instance).Msg("the record of a dead process could not be removed")
	}
	close(e.done)
}

// clear ends the rest of a dead process's group: at once, or, when it was asked to end, at the end of its grace. It says false when
// the table is closed meanwhile.
func (t *Table) clear(e *entry, ours bool) bool {
	ticker := time.NewTicker(tick)
	defer ticker.Stop()
	until := e.grace()
	var given time.Time
	for len(e.rest(ours)) > 0 {
		now := time.Now()
		switch {
		case now.Before(until):
		case given.IsZero():
			given = now.Add(killed)
			_ = signalGroup(e.record.PID, syscall.SIGKILL)
			continue
		case now.After(given):
			// They are stuck in the kernel, which lets none of them run on.
			t.config.Log.Warn().Str("instance", e.record.Instance).Msg("what a process left behind was killed and has not ended")
			return true
		}
		select {
		case <-t.quit:
			return false
		case <-ticker.C:
		}
	}
	return true
}

// rest returns what still runs of a dead process's group. While our child is not reaped, its id is the group's; later another
// group may have been given that id, and only one that has a process with our mark is the same.
func (e *entry) rest(ours bool) []int {
	if ours {
		return members(e.record.PID)
	}
	if len(marked(e.record.PID, VariableInstance, e.record.Instance)) == 0 {
		return nil
	}
	return members(e.record.PID)
}

// EndMarked kills whatever runs with this value of Mark in its environment, with its group, and returns when it is dead.
func EndMarked(value string) error {
	deadline := time.Now().Add(killed)
	ticker := time.NewTicker(tick)
	defer ticker.Stop()
	for {
		left := marked(0, Mark, value)
		if len(left) == 0 {
			return nil
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("processes %v were killed and have not ended", left)
		}
		for _, pid := range left {
			_ = signalOne(pid, syscall.SIGKILL)
		}
		<-ticker.C
	}
}

// checkEnviron says what is wrong with an environment, without its values. A shell passes on only variables with proper names.
func checkEnviron(environ []string) error {
	foreign := func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && r != '_'
	}
	for _, variable := range environ {
		name, value, ok := strings.Cut(variable, "=")
		switch {
		case !ok || name == "" || strings.ContainsFunc(name, foreign) || name[0] >= '0' && name[0] <= '9':
			return errors.New("a variable of the launch has a name other than letters, digits and _")
		case strings.Contains(value, "\x00"):
			return fmt.Errorf("variable %s of the launch has a zero byte", name)
		}
	}
	return nil
}

func names(environ []string) []string {
	var all []string
	for _, variable := range environ {
		name, _, _ := strings.Cut(variable, "=")
		all = append(all, name)
	}
	return all
}

// valuesOf returns those variables of an environment that have these names.
func valuesOf(environ, names []string) []string {
	return slices.DeleteFunc(slices.Clone(environ), func(variable string) bool {
		name, _, _ := strings.Cut(variable, "=")
		return !slices.Contains(names, name)
	})
}
