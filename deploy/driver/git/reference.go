package git

import (
	"fmt"
	"strings"
	"unicode"

	"github.com/urban-robot/urban-robot/deploy"
)

// candidates returns what a reference may stand for, the likeliest first, each as a name that git can only take for that. None: it
// can stand for nothing.
func candidates(reference string) []string {
	if !properName(reference) {
		return nil
	}
	if branch, ok := strings.CutPrefix(reference, "refs/heads/"); ok {
		return []string{branches + branch}
	}
	if strings.HasPrefix(reference, "refs/") {
		if strings.HasPrefix(reference, tags) {
			return []string{reference}
		}
		return nil
	}
	names := []string{branches + reference, tags + reference}
	switch {
	case fullHash(reference):
		// A branch that is named like a commit is a trap.
		return []string{reference}
	case len(reference) >= 7 && hexadecimal(reference):
		names = append(names, reference)
	}
	return names
}

// properName says whether git would let a branch or a tag have this name, or it is a commit's hash.
func properName(name string) bool {
	if name == "" || len(name) > 200 || name == "@" || strings.HasPrefix(name, "-") || strings.HasSuffix(name, ".") {
		return false
	}
	if strings.Contains(name, "..") || strings.Contains(name, "@{") || strings.ContainsAny(name, ` ~^:?*[\`) ||
		strings.ContainsFunc(name, control) {
		return false
	}
	for part := range strings.SplitSeq(name, "/") {
		if part == "" || strings.HasPrefix(part, ".") || strings.HasSuffix(part, ".lock") {
			return false
		}
	}
	return true
}

func control(r rune) bool { return r == unicode.ReplacementChar || unicode.IsControl(r) }

func fullHash(name string) bool { return (len(name) == 40 || len(name) == 64) && hexadecimal(name) }

func hexadecimal(name string) bool { return strings.Trim(name, "0123456789abcdef") == "" }

func unknown(reference string) error {
	return fmt.Errorf("%.100q: %w", reference, deploy.ErrUnknownRelease)
}
