package fleet

import (
	"strings"

	"golang.org/x/mod/semver"
)

// Release is an immutable version of a bot's code: a commit, an image digest, a semantic version, any string.
type Release string

// ClientID names one connection, never a process: a process that comes back has a new one.
type ClientID string

// Compare orders two releases by precedence: negative if a is older than b. ok is false where comparing means nothing: unless
// they are the same or both are semantic versions of three numbers with different precedence, they are unordered.
func Compare(a, b Release) (order int, ok bool) {
	if a == b {
		return 0, true
	}
	va, vb := canonical(a), canonical(b)
	if va == "" || vb == "" {
		return 0, false
	}
	order = semver.Compare(va, vb)
	return order, order != 0
}

// Newer reports whether a is known to be newer than b.
func Newer(a, b Release) bool {
	order, ok := Compare(a, b)
	return ok && order > 0
}

// canonical returns the release as golang.org/x/mod/semver writes it, or "" if it is not MAJOR.MINOR.PATCH: that package
// takes v1 and v1.2 too, but a bare 10 may be a build number.
func canonical(r Release) string {
	v := "v" + strings.TrimPrefix(string(r), "v")
	core, _, _ := strings.Cut(v, "+")
	core, _, _ = strings.Cut(core, "-")
	if strings.Count(core, ".") != 2 || !semver.IsValid(v) {
		return ""
	}
	return v
}
