package e2e

import (
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"sync"
	"testing"
)

// program is the binary under test. With the race detector in the tests it is in the program, too.
var program string

// atOnce is how many scenarios run side by side unless -parallel says otherwise: they wait more than they work.
const atOnce = 6

func TestMain(m *testing.M) {
	if len(os.Args) == 3 && os.Args[1] == goBotArgument {
		if err := runGoBot(os.Args[2]); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	flag.Parse()
	if parallel := flag.Lookup("test.parallel"); parallel.Value.String() == parallel.DefValue {
		_ = parallel.Value.Set(strconv.Itoa(atOnce)) // a number always parses
	}
	directory, err := os.MkdirTemp("", "urban-robot-e2e-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	program = filepath.Join(directory, "urban-robot")
	if err := build(program, raceEnabled); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	code := m.Run()
	_ = os.RemoveAll(directory) // a leftover in the temporary directory is no failure
	os.Exit(code)
}

func build(to string, race bool) error {
	arguments := []string{"build", "-o", to}
	if race {
		arguments = append(arguments, "-race")
	}
	output, err := exec.Command("go", append(arguments, "..")...).CombinedOutput()
	if err != nil {
		return fmt.Errorf("build the program: %w\n%s", err, output)
	}
	return nil
}

// plainProgram is the binary without the race detector, whose memory can be measured.
var plainProgram = sync.OnceValues(func() (string, error) {
	if !raceEnabled {
		return program, nil
	}
	path := program + "-plain"
	return path, build(path, false)
})
