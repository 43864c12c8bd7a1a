package process

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/urban-robot/urban-robot/deploy"
)

// record is what is known of a process after a restart of this program. Without a process id it never ran.
type record struct {
	Instance string    `json:"instance"`
	Release  string    `json:"release"`
	PID      int       `json:"pid,omitempty"`
	Start    uint64    `json:"start,omitempty"` // in ticks since boot
	Boot     string    `json:"boot,omitempty"`
	Started  time.Time `json:"started,omitzero"`
	Secrets  []string  `json:"secrets,omitempty"` // the names of the variables of its launch
}

func (r record) process() deploy.Process {
	return deploy.Process{Instance: r.Instance, Release: r.Release, PID: r.PID, Started: r.Started}
}

// runs says whether the recorded process, and not one that was given its id later, is alive.
func (r record) runs(boot string) bool {
	if r.PID <= 0 || r.Boot != boot {
		return false
	}
	s, err := readStatus(r.PID)
	return err == nil && s.alive() && s.start == r.Start
}

func (r record) write(dir string) error {
	text, err := json.Marshal(r)
	if err != nil {
		return err
	}
	path := recordPath(dir, r.Instance)
	if err := os.WriteFile(path+".new", text, 0o600); err != nil {
		return err
	}
	return os.Rename(path+".new", path)
}

// readRecords returns the records of a directory, and an error that names those that cannot be read.
func readRecords(dir string) ([]record, error) {
	paths, err := filepath.Glob(filepath.Join(dir, "*.json"))
	if err != nil {
		return nil, err
	}
	var records []record
	var unreadable []error
	for _, path := range paths {
		r, err := readRecord(path)
		if err != nil {
			unreadable = append(unreadable, fmt.Errorf("record %s: %w", path, err))
			continue
		}
		records = append(records, r)
	}
	return records, errors.Join(unreadable...)
}

func readRecord(path string) (record, error) {
	text, err := os.ReadFile(filepath.Clean(path))
	if err != nil {
		return record{}, err
	}
	var r record
	if err := json.Unmarshal(text, &r); err != nil {
		return record{}, err
	}
	if r.Instance != strings.TrimSuffix(filepath.Base(path), ".json") {
		return record{}, fmt.Errorf("it is of %q", r.Instance)
	}
	return r, CheckInstance(r.Instance)
}

func recordPath(dir, instance string) string { return filepath.Join(dir, instance+".json") }

// CheckInstance says what is wrong with an instance's name. A right one is safe as a part of a path.
func CheckInstance(name string) error {
	foreign := func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && r != '-'
	}
	if name == "" || len(name) > 64 || name[0] == '-' || strings.ContainsFunc(name, foreign) {
		return fmt.Errorf("instance %.70q: want letters, digits and -, at most 64, not - first", name)
	}
	return nil
}
