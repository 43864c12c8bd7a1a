package e2e

import (
	"crypto/sha256"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

const (
	members   = 1000
	cacheSize = 1 << 20
	smallSize = 200
	rounds    = 4
)

// A cache of 1 MiB reaches every other ready client of a fleet of a thousand, none gets one twice, and the service's memory
// returns to where it was.
func TestCacheReachesAThousand(t *testing.T) {
	binary, err := plainProgram()
	require.NoError(t, err)
	s := newService(t, binary, settings{
		"log.level": "info", "limits.ping_interval": "3s", "lease": "30s", "health.interval": "2m", "health.timeout": "1m", "health.bake": "10m",
	}, "helium")
	s.debug = "gctrace=1"
	s.start(t)
	c := newCrowd()
	holder := c.join(t.Context(), t, s.url(), "1.0.0")
	c.all(t, 1, "active", func(m *member) bool { return m.state == "active" })
	for range members - 1 {
		c.join(t.Context(), t, s.url(), "1.0.0")
	}
	c.all(t, members-1, "in coma", func(m *member) bool { return m.state == "coma" })
	t.Logf("%d clients: %s", members, c.collects(t, holder, s))
	c.receives(t, holder, cacheSize, rounds)
	before := c.collects(t, holder, s) // with the buffers of compressor and database, which they keep
	t.Logf("after the first caches of 1 MiB: %s", before)

	for range rounds {
		begun := time.Now()
		c.receives(t, holder, cacheSize, 1)
		t.Logf("a cache of 1 MiB with all %d others after %s: %s", members-1, time.Since(begun).Round(time.Millisecond), s.memory(t))
	}
	begun := time.Now()
	c.receives(t, holder, cacheSize, rounds)
	t.Logf("the last of %d caches of 1 MiB in a row with all others after %s: %s", rounds, time.Since(begun).Round(time.Millisecond), s.memory(t))

	after := c.collects(t, holder, s)
	for range 4 {
		if after.Live <= before.Live*6/5 {
			break
		}
		t.Logf("not yet: %s", after)
		after = c.collects(t, holder, s)
	}
	t.Logf("in the end: %s", after)
	require.LessOrEqual(t, after.Live, before.Live*6/5, "memory in use, in MiB, after it was %d", before.Live)
	c.hasEachOnce(t, holder)
}

// receives has the holder send so many caches in a row, and waits until all others have the last one.
func (c *crowd) receives(t *testing.T, holder *member, size, count int) {
	t.Helper()
	for range count {
		c.sent++
		event := cacheOf(size, c.sent)
		c.newest = sha256.Sum256([]byte(event))
		require.NoError(t, holder.say(t.Context(), event))
	}
	newest := c.newest
	c.all(t, members-1, "with the newest cache", func(m *member) bool { return m.caches[newest] > 0 })
}

// collects sends small caches until the service has collected its garbage a few times, and returns the least that it used then: what is
// allocated while a collection runs counts as used, and on a busy machine that is much.
func (c *crowd) collects(t *testing.T, holder *member, s *service) memory {
	t.Helper()
	const first, wanted = 1, 4 // the first collection may have begun before
	earlier := len(s.collections())
	for len(s.collections()) < earlier+wanted {
		c.receives(t, holder, smallSize, 1)
	}
	m := s.memory(t)
	m.Live = slices.Min(s.collections()[earlier+first:])
	return m
}

// hasEachOnce wants no cache to have come twice, and none after the newest.
func (c *crowd) hasEachOnce(t *testing.T, holder *member) {
	t.Helper()
	c.mu.Lock()
	defer c.mu.Unlock()
	for i, m := range c.clients {
		if m == holder {
			require.Empty(t, m.order, "caches sent back to their sender")
			continue
		}
		require.Equal(t, c.newest, m.order[len(m.order)-1], "the last cache of client %d", i)
		for _, times := range m.caches {
			require.Equal(t, 1, times, "times that one cache came to client %d", i)
		}
	}
}

// memory is what a process uses, in MiB. Live is what was in use at its newest garbage collection.
type memory struct{ Resident, Peak, Live int }

func (m memory) String() string {
	return fmt.Sprintf("%d MiB in use, %d MiB resident, at most %d MiB so far", m.Live, m.Resident, m.Peak)
}

func (s *service) memory(t *testing.T) memory {
	t.Helper()
	status, err := os.ReadFile("/proc/" + strconv.Itoa(s.process.Process.Pid) + "/status")
	require.NoError(t, err)
	value := func(name string) int {
		_, rest, found := strings.Cut(string(status), "\n"+name+":")
		require.True(t, found, "%s in the status of the process", name)
		kib, err := strconv.Atoi(strings.Fields(rest)[0])
		require.NoError(t, err)
		return kib >> 10
	}
	lives := s.collections()
	require.NotEmpty(t, lives, "garbage collections")
	return memory{Resident: value("VmRSS"), Peak: value("VmHWM"), Live: lives[len(lives)-1]}
}

// collection is what the runtime prints of one: gc 7 @1.2s 0%: … 77->84->46 MB, ….
var collection = regexp.MustCompile(`^gc .* \d+->\d+->(\d+) MB,`)

// collections returns what was in use after each garbage collection, in MiB.
func (s *service) collections() []int {
	var lives []int
	for _, l := range s.all() {
		if sizes := collection.FindStringSubmatch(l.Text); sizes != nil {
			live, _ := strconv.Atoi(sizes[1]) // digits only
			lives = append(lives, live)
		}
	}
	return lives
}
