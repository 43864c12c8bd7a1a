package sqlite

import (
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"strings"
)

// Memory is the path of a database that is in memory and gone when it is closed.
const Memory = ":memory:"

// ownerOnly is the mode of the database's files: caches are in them.
const ownerOnly fs.FileMode = 0o600

// besides are the files that SQLite keeps beside the database; it gives new ones the database's own mode.
var besides = [...]string{"-wal", "-shm", "-journal"}

// prepareFile makes sure that path is a file which only its owner can read, and says what to write instead if it cannot be.
func prepareFile(path string) error {
	if path == "" {
		return errors.New("the path is empty: write state: sqlite:./urban-robot.db")
	}
	dir := filepath.Dir(path)
	if info, err := os.Stat(dir); err != nil || !info.IsDir() {
		return fmt.Errorf("there is no directory %s: create it, or write state: sqlite:./%s", dir, filepath.Base(path))
	}
	switch info, err := os.Stat(path); {
	case err == nil && !info.Mode().IsRegular():
		return fmt.Errorf("%s is not a file: write state: sqlite:%s", path, filepath.Join(path, "urban-robot.db"))
	case err == nil:
		return narrow(path)
	case !errors.Is(err, fs.ErrNotExist):
		return err
	}
	// Only a file that is new may be opened here: to close one would drop the locks that SQLite holds on it in this process.
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_RDWR, ownerOnly) //nolint:gosec // the operator's own choice of a path
	if errors.Is(err, fs.ErrExist) {
		return narrow(path)
	}
	if err != nil {
		return err
	}
	return f.Close()
}

// narrow takes the files away from everybody but their owner.
func narrow(path string) error {
	for _, name := range append([]string{path}, withSuffixes(path)...) {
		info, err := os.Stat(name)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return err
		}
		if mode := info.Mode().Perm(); mode&^ownerOnly != 0 {
			if err := os.Chmod(name, ownerOnly); err != nil {
				return fmt.Errorf("%s can be read by others (mode %04o), let its owner chmod it to 0600: %w", name, mode, err)
			}
		}
	}
	return nil
}

func withSuffixes(path string) []string {
	names := make([]string, len(besides))
	for i, suffix := range besides {
		names[i] = path + suffix
	}
	return names
}

// source returns the data source name: the path, however odd it is, and the pragmas that every connection begins with. A
// transaction takes the lock for writing when it begins: one that asks for it later may have to be given up.
func source(path string, pragmas ...string) (string, error) {
	parameters := url.Values{"_pragma": pragmas, "_txlock": {"immediate"}}.Encode()
	if path == Memory {
		return "file::memory:?" + parameters, nil
	}
	path, err := filepath.Abs(path)
	if err != nil {
		return "", err
	}
	slashed := filepath.ToSlash(path)
	if !strings.HasPrefix(slashed, "/") {
		slashed = "/" + slashed // a Windows drive
	}
	return (&url.URL{Scheme: "file", Path: slashed, RawQuery: parameters}).String(), nil
}
