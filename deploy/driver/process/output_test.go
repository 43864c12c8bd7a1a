package process_test

import (
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/urban-robot/urban-robot/deploy/driver/process"
)

func TestTailKnowsTheEnd(t *testing.T) {
	t.Parallel()
	var tail process.Tail
	for range 10_000 {
		_, _ = tail.Write([]byte("0123456789"))
	}
	_, _ = tail.Write([]byte(strings.Repeat("x", 100_000) + "the end"))
	if got := tail.Text(process.Secrets{}); len(got) != process.OutputLimit || !strings.HasSuffix(got, "xthe end") {
		t.Errorf("Text() has %d bytes and ends with %.20q", len(got), got[max(0, len(got)-20):])
	}
}

// FuzzSecretsAreTakenOut puts secrets anywhere, at the place where the output is cut included.
func FuzzSecretsAreTakenOut(f *testing.F) {
	f.Add("before", 0, 1, "after")
	f.Add("", process.OutputLimit, 1, "")
	f.Add("\xff", process.OutputLimit-5, 300, "\x00")
	f.Add("x", process.OutputLimit+3, 2000, "ü")
	f.Fuzz(func(t *testing.T, before string, distance, times int, after string) {
		const secret = "sekret-0123456789-sekret"
		secrets := process.NewSecrets([]string{"TOKEN=" + secret, "SHORT=a", "PART=" + secret[:12]})
		output := before + strings.Repeat(secret, 1+times&0x7ff) + strings.Repeat("y", distance&0x1fff) + after
		var tail process.Tail
		for chunk := range slices.Chunk([]byte(output), 1000) {
			_, _ = tail.Write(chunk)
		}
		got := tail.Text(secrets)
		if len(got) > process.OutputLimit || !utf8.ValidString(got) {
			t.Errorf("Text() has %d bytes, valid: %v", len(got), utf8.ValidString(got))
		}
		// Neither the secret nor what a cut would have left of it; what comes from elsewhere does not count.
		if strings.Contains(before+after, "sekret") || strings.Contains(before+after, "6789") {
			return
		}
		if strings.Contains(got, "sekret") || strings.Contains(got, "6789") {
			t.Errorf("Text() = %q", got)
		}
	})
}

func TestInheritLetsLittleThrough(t *testing.T) {
	t.Parallel()
	environ := []string{"PATH=/bin", "LC_ALL=C", "LC=x", "URBAN_ROBOT_TOKEN=x", "DISCORD_TOKEN=x", "DB_HOST=a=b", "DB=x", "odd", "http_proxy=p"}
	got := process.Inherit(environ, "DB_*", "*", "")
	if want := []string{"PATH=/bin", "LC_ALL=C", "DB_HOST=a=b", "http_proxy=p"}; !slices.Equal(got, want) {
		t.Errorf("Inherit() = %q, want %q", got, want)
	}
	merged := process.Merge(got, []string{"PATH=/other", "A=1"}, []string{"A=2"})
	if want := []string{"PATH=/other", "LC_ALL=C", "DB_HOST=a=b", "http_proxy=p", "A=2"}; !slices.Equal(merged, want) {
		t.Errorf("Merge() = %q, want %q", merged, want)
	}
}
