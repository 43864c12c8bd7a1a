package git

import (
	"os/exec"
	"strings"
	"testing"
)

// FuzzProperNamesAreProperToGit holds our rule to git's: what we let through git lets through.
func FuzzProperNamesAreProperToGit(f *testing.F) {
	for _, name := range []string{"main", "feature/one", "v1.2", "-x", "a..b", "a.lock", "@", "a@{b", "ä", "a/.b", "\xff", "a//b", "a\x7f", "x.", "refs/heads/x"} {
		f.Add(name)
	}
	f.Fuzz(func(t *testing.T, name string) {
		if !properName(name) {
			return
		}
		if err := exec.CommandContext(t.Context(), "git", "check-ref-format", "refs/heads/"+name).Run(); err != nil {
			t.Errorf("properName(%q) = true, git says %v", name, err)
		}
		for _, candidate := range candidates(name) {
			if strings.HasPrefix(candidate, "-") || strings.Contains(candidate, "..") {
				t.Errorf("candidates(%q) has %q", name, candidate)
			}
		}
	})
}
