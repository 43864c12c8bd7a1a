package sqlite_test

import (
	"bufio"
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/urban-robot/urban-robot/actors/fleet"
	"github.com/urban-robot/urban-robot/actors/store"
	"github.com/urban-robot/urban-robot/actors/store/sqlite"
	"github.com/urban-robot/urban-robot/protocol"
)

// killMe names the database to a child of TestKillLosesNothing.
const killMe = "URBAN_ROBOT_TEST_KILL_ME"

// told is what a child has said, or what a database has.
type told struct {
	term   store.Term
	epoch  uint64
	number uint64 // of the cache
}

// TestKillLosesNothing holds section 4 of the contract to account: an epoch never goes back, across restarts too, and what is
// stored is stored before it is said. A child says what it was told is stored, and is killed at a random moment.
func TestKillLosesNothing(t *testing.T) {
	t.Parallel()
	rounds := 20
	if testing.Short() {
		rounds = 3
	}
	path := filepath.Join(t.TempDir(), "urban-robot.db")
	var last told
	for round := range rounds {
		pause := rand.N(60 * time.Millisecond)
		said := killed(t, path, pause)
		has := found(t, path)
		t.Logf("round %d: killed after %v, said %+v, has %+v", round, pause, said, has)
		if said.term <= last.term || has.term <= said.term {
			t.Fatalf("terms %d, %d, %d, want them to grow", last.term, said.term, has.term)
		}
		if has.epoch < max(said.epoch, last.epoch) || has.number < max(said.number, last.number) {
			t.Fatalf("after the kill the database has %+v, want at least %+v and %+v", has, said, last)
		}
		last = has
	}
	if last.epoch < uint64(rounds) {
		t.Errorf("the epoch has come to %d in %d rounds: the children did nothing", last.epoch, rounds)
	}
}

// TestKillMe is the child.
func TestKillMe(t *testing.T) {
	path := os.Getenv(killMe)
	if path == "" {
		t.Skip("only for TestKillLosesNothing")
	}
	s := opened(t, path)
	term, stored, err := s.Acquire(t.Context(), "helium")
	if err != nil {
		t.Fatal(err)
	}
	fmt.Printf("term %d\n", term)
	var epoch, number uint64
	if len(stored.Seats) > 0 {
		epoch = stored.Seats[0].Epoch
	}
	if len(stored.Caches) > 0 {
		number = stored.Caches[0].Number
	}
	for {
		epoch++
		err := s.Apply(t.Context(), "helium", term, []fleet.Record{
			fleet.SeatRecord{Epoch: epoch}, fleet.EventRecord{Event: "seat granted", Epoch: epoch}, fleet.SeatRecord{Seat: 1, Epoch: epoch},
		})
		if err != nil {
			t.Fatal(err)
		}
		fmt.Printf("epoch %d\n", epoch)
		if epoch%4 == 0 {
			number++
			if err := s.SaveCache(t.Context(), "helium", term, numbered(number)); err != nil {
				t.Fatal(err)
			}
			fmt.Printf("number %d\n", number)
		}
	}
}

// numbered is a cache that says itself which one it is, in some hundred pages.
func numbered(number uint64) store.Cache {
	return store.Cache{
		CacheRecord: fleet.CacheRecord{Number: number},
		Cache:       protocol.Cache{JSON: fmt.Append(nil, number), Attachments: [][]byte{noise(400_000)}},
	}
}

// killed runs a child, kills it some time after its first word, and returns the last of what it said.
func killed(t *testing.T, path string, pause time.Duration) (said told) {
	t.Helper()
	child, lines := started(t, path)
	var other strings.Builder
	for lines.Scan() {
		word, text, _ := strings.Cut(lines.Text(), " ")
		value, _ := strconv.ParseUint(text, 10, 64)
		switch word {
		case "term":
			said.term = store.Term(value)
			time.AfterFunc(pause, func() { _ = child.Process.Kill() })
		case "epoch":
			said.epoch = value
		case "number":
			said.number = value
		default:
			other.WriteString(lines.Text() + "\n")
		}
	}
	if err := child.Wait(); err == nil || said.term == 0 {
		t.Fatalf("the child ended with %v, want it killed; it said %q", err, other.String())
	}
	return said
}

// started runs a child, for a minute at most.
func started(t *testing.T, path string) (*exec.Cmd, *bufio.Scanner) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	t.Cleanup(cancel)
	child := exec.CommandContext(ctx, os.Args[0], "-test.run=^TestKillMe$", "-test.count=1")
	child.Env = append(os.Environ(), killMe+"="+path)
	child.Stderr = os.Stderr
	out, err := child.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	return child, bufio.NewScanner(out)
}

// TestTwoProcessesOpenTheSameFile lets a second process take the fleet over from one that is busy writing: both work, until
// the first is told that it is superseded.
func TestTwoProcessesOpenTheSameFile(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "urban-robot.db")
	child, lines := started(t, path)
	for range 20 {
		lines.Scan()
	}
	s := opened(t, path)
	defer shut(t, s)
	other, _, err := s.Acquire(t.Context(), "another fleet")
	if err != nil {
		t.Fatalf("Acquire() = %v, want nil", err)
	}
	for i := range uint64(100) { // beside the child
		if err := s.Apply(t.Context(), "another fleet", other, []fleet.Record{fleet.SeatRecord{Epoch: i}}); err != nil {
			t.Fatalf("Apply() = %v, want nil", err)
		}
	}
	if term, _, err := s.Acquire(t.Context(), "helium"); term != 2 || err != nil {
		t.Errorf("Acquire() = term %d, %v, want 2", term, err)
	}
	var last string
	for lines.Scan() {
		if text := lines.Text(); strings.Contains(text, ".go:") {
			last = text
		}
	}
	if err := child.Wait(); err == nil || !strings.Contains(last, store.ErrSuperseded.Error()) {
		t.Errorf("the other process ended with %v: %s, want %v", err, last, store.ErrSuperseded)
	}
}

// found opens the database and makes sure that no batch in it is torn.
func found(t *testing.T, path string) (has told) {
	t.Helper()
	s := opened(t, path)
	defer shut(t, s)
	term, stored, err := s.Acquire(t.Context(), "helium")
	if err != nil {
		t.Fatal(err)
	}
	has.term = term
	if len(stored.Seats) == 2 {
		has.epoch = stored.Seats[0].Epoch
		if stored.Seats[1].Epoch != has.epoch {
			t.Errorf("the seats of one batch have epochs %d and %d, want the same", has.epoch, stored.Seats[1].Epoch)
		}
	}
	trail, err := s.Events(t.Context(), "helium", 0, 1_000_000)
	if err != nil || uint64(len(trail)) != has.epoch {
		t.Errorf("Events() = %d lines, %v, want one for each of %d epochs", len(trail), err, has.epoch)
	}
	for i, e := range trail {
		if e.Epoch != uint64(i)+1 {
			t.Fatalf("line %d of the trail is of epoch %d, want %d", i, e.Epoch, i+1)
		}
	}
	if len(stored.Caches) > 0 {
		has.number = stored.Caches[0].Number
		c, err := s.LoadCache(t.Context(), "helium", 0)
		if err != nil || string(c.Cache.JSON) != fmt.Sprint(has.number) || c.Number != has.number {
			t.Errorf("LoadCache() = number %d, %s, %v, want %d", c.Number, c.Cache.JSON, err, has.number)
		}
	}
	return has
}

func noise(n int) []byte {
	b := make([]byte, n)
	source := rand.NewChaCha8([32]byte{1})
	_, _ = source.Read(b)
	return b
}

func shut(t *testing.T, s *sqlite.Store) {
	t.Helper()
	if err := s.Close(); err != nil {
		t.Errorf("Close() = %v, want nil", err)
	}
}
