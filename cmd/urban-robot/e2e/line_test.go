package e2e

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// patience is how long a test waits for what should come at once, on a machine that does much else.
const patience = 40 * time.Second

// line is what a process printed: JSON, or text where it printed none.
type line struct {
	Text  string
	Kind  string          `json:"k"`
	Event string          `json:"event"`
	Data  json.RawMessage `json:"data"`
	Wire  string          `json:"text"`
	fields
}

// fields are a log line's.
type fields struct {
	Message string `json:"message"`
	Fleet   string `json:"fleet"`
	Release string `json:"release"`
	Epoch   uint64 `json:"epoch"`
	From    string `json:"from"`
	To      string `json:"to"`
	Reason  string `json:"reason"`
}

func parseLine(text string) line {
	var l line
	if json.Unmarshal([]byte(text), &l) != nil {
		l = line{}
	}
	l.Text = text
	return l
}

// transcript is all that a process printed, as it grows.
type transcript struct {
	name string

	mu    sync.Mutex
	lines []line
	grown chan struct{} // closed, and replaced, with each line and at the end
	ended bool
}

func newTranscript(name string) *transcript {
	return &transcript{name: name, grown: make(chan struct{})}
}

// follow reads until the process closes its end.
func (tr *transcript) follow(from io.Reader) {
	reader := bufio.NewReaderSize(from, 1<<20)
	for {
		text, err := reader.ReadString('\n')
		if text != "" {
			l := parseLine(strings.TrimSuffix(text, "\n"))
			tr.add(func() { tr.lines = append(tr.lines, l) })
		}
		if err != nil {
			tr.add(func() { tr.ended = true })
			return
		}
	}
}

func (tr *transcript) add(change func()) {
	tr.mu.Lock()
	defer tr.mu.Unlock()
	change()
	close(tr.grown)
	tr.grown = make(chan struct{})
}

// all returns the lines so far.
func (tr *transcript) all() []line {
	tr.mu.Lock()
	defer tr.mu.Unlock()
	return slices.Clip(tr.lines)
}

// pattern is a line that a test waits for.
type pattern struct {
	name string
	is   func(line) bool
}

// wait returns the first line from a position on that matches, and the position after it.
func (tr *transcript) wait(t *testing.T, from int, want pattern) (line, int) {
	t.Helper()
	deadline := time.NewTimer(patience)
	defer deadline.Stop()
	for {
		tr.mu.Lock()
		lines, grown, ended := tr.lines, tr.grown, tr.ended
		tr.mu.Unlock()
		for ; from < len(lines); from++ {
			if want.is(lines[from]) {
				return lines[from], from + 1
			}
		}
		if ended {
			require.FailNowf(t, "process ended", "%s ended, want %s", tr.name, want.name)
		}
		select {
		case <-grown:
		case <-deadline.C:
			require.FailNowf(t, "nothing came", "%s printed no such line in %s, want %s", tr.name, patience, want.name)
		}
	}
}

// count returns how many of the lines so far match.
func (tr *transcript) count(want pattern) int {
	n := 0
	for _, l := range tr.all() {
		if want.is(l) {
			n++
		}
	}
	return n
}

// never fails the test if a line so far matches.
func (tr *transcript) never(t *testing.T, not pattern) {
	t.Helper()
	for _, l := range tr.all() {
		if not.is(l) {
			require.Failf(t, "unwanted line", "%s printed %s, want no %s", tr.name, l.Text, not.name)
		}
	}
}

// dump writes the last lines into the test's log.
func (tr *transcript) dump(t *testing.T, most int) {
	lines := tr.all()
	if over := len(lines) - most; over > 0 {
		lines = lines[over:]
	}
	var b strings.Builder
	for _, l := range lines {
		fmt.Fprintf(&b, "  %s\n", l.Text[:min(len(l.Text), 400)])
	}
	t.Logf("%s printed:\n%s", tr.name, b.String())
}
