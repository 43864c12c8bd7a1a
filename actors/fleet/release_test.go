package fleet

import (
	"testing"

	"github.com/stretchr/testify/assert"
)

// "A client that nobody deployed is compared only where comparing is meaningful (same release; both semantic versions; else unordered …). Raw strings are
// never compared: 10 is not older than 2." Section 6, 1.
func TestCompare(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name  string
		a, b  Release
		order int
		ok    bool
	}{
		{"10 is above 9", "10.0.0", "9.0.0", 1, true},
		{"10 is above 2 in the middle", "1.10.0", "1.2.0", 1, true},
		{"10 is above 2 at the end", "1.0.10", "1.0.2", 1, true},
		{"a bare 10 and a bare 2 are in no order", "10", "2", 0, false},
		{"two numbers are no semantic version", "1.10", "1.2", 0, false},
		{"a bare number equals itself", "10", "10", 0, true},
		{"the v makes no difference", "v1.2.0", "1.1.0", 1, true},
		{"with the v and without is the same precedence, and another string", "v1.2.0", "1.2.0", 0, false},
		{"two v are none", "vv1.2.0", "1.1.0", 0, false},
		{"a prerelease is older than its release", "1.0.0-rc.1", "1.0.0", -1, true},
		{"prereleases compare by number", "1.0.0-rc.10", "1.0.0-rc.9", 1, true},
		{"a numeric identifier is below a word", "1.0.0-1", "1.0.0-alpha", -1, true},
		{"build metadata says nothing of order", "1.0.0+build.2", "1.0.0+build.1", 0, false},
		{"build metadata does not hide an order", "1.0.1+build.1", "1.0.0+build.2", 1, true},
		{"a hyphen within the metadata is no prerelease", "1.0.1+a-b", "1.0.0", 1, true},
		{"a leading zero is none", "01.0.0", "0.9.0", 0, false},
		{"four numbers are none", "1.2.3.4", "1.2.3", 0, false},
		{"commits are in no order", "3f2c1b9", "9d8e7f6", 0, false},
		{"a commit and a version are in no order", "3f2c1b9", "1.0.0", 0, false},
		{"a digest equals itself", "sha256:abc", "sha256:abc", 0, true},
		{"words are in no order", "latest", "stable", 0, false},
		{"nothing and something are in no order", "", "1.0.0", 0, false},
		{"junk is in no order", "1.0.0 ", "1.0.0-", 0, false},
		{"huge numbers compare", "99999999999999999999.0.0", "99999999999999999998.0.0", 1, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			for _, way := range []struct {
				a, b  Release
				order int
			}{{c.a, c.b, c.order}, {c.b, c.a, -c.order}} {
				order, ok := Compare(way.a, way.b)
				assert.Equal(t, c.ok, ok, "Compare(%q, %q)", way.a, way.b)
				assert.Equal(t, way.order, order, "Compare(%q, %q)", way.a, way.b)
				assert.Equal(t, way.order > 0, Newer(way.a, way.b), "Newer(%q, %q)", way.a, way.b)
			}
		})
	}
}

// "Order is the server's: every accepted deploy gets the next generation." Section 6, 1.
func TestNewerByGeneration(t *testing.T) {
	t.Parallel()
	b := newBench(t, drivenPolicy())
	for i, r := range []Release{"2.0.0", "abc", "1.0.0"} {
		b.ask("", 1, Deploy{Release: r})
		assert.Equal(t, uint64(i+1), b.state.Rollout().Generation)
	}
	turn := turn{Fleet: b.state}
	for _, c := range []struct {
		a, b Release
		want bool
	}{
		{"1.0.0", "2.0.0", true},
		{"2.0.0", "1.0.0", false},
		{"1.0.0", "abc", true},
		{"abc", "2.0.0", true},
		{"abc", "9.0.0", true},  // somebody deployed it
		{"9.0.0", "abc", false}, // nobody deployed it
		{"9.0.0", "8.0.0", true},
		{"abc", "abc", false},
	} {
		assert.Equal(t, c.want, turn.newer(c.a, c.b), "newer(%s, %s)", c.a, c.b)
	}
}
