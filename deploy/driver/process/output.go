package process

import (
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

const (
	// OutputLimit is how much of an output is reported: its end.
	OutputLimit = 4 << 10
	// secretLimit is the longest secret that is found at the place where an output is cut.
	secretLimit = 4 << 10
	// secretLeast is the shortest value that counts as a secret: replacing "1" everywhere would make an output unreadable.
	secretLeast = 8
)

// Tail is a writer that remembers the end of what was written: enough for Text. The zero Tail is ready. It is not safe for
// concurrent use.
type Tail struct{ end []byte }

// Write implements io.Writer. It never fails.
func (t *Tail) Write(p []byte) (int, error) {
	const limit = OutputLimit + secretLimit
	t.end = append(t.end, p[max(0, len(p)-limit):]...)
	if surplus := len(t.end) - limit; surplus > 0 {
		t.end = append(t.end[:0], t.end[surplus:]...)
	}
	return len(p), nil
}

// Text returns the end without secrets, as valid UTF-8.
func (t *Tail) Text(secrets Secrets) string { return secrets.Clean(t.end) }

// Secrets takes secrets out of outputs. The zero Secrets knows none.
type Secrets struct {
	values   []string
	replacer *strings.Replacer
}

// NewSecrets returns what takes the values of these variables out.
func NewSecrets(environ []string) Secrets {
	var s Secrets
	for _, variable := range environ {
		if _, value, _ := strings.Cut(variable, "="); len(value) >= secretLeast {
			s.values = append(s.values, value)
		}
	}
	// The longest first, for one may be the beginning of another.
	slices.SortFunc(s.values, func(a, b string) int { return len(b) - len(a) })
	var pairs []string
	for _, value := range s.values {
		pairs = append(pairs, value, "[redacted]")
	}
	s.replacer = strings.NewReplacer(pairs...)
	return s
}

// Clean returns the last OutputLimit bytes of an output without secrets and control characters, as valid UTF-8.
func (s Secrets) Clean(output []byte) string {
	if cut := len(output) - OutputLimit; cut > 0 {
		_, end := s.around(output, cut)
		output = output[end:]
	}
	text := s.text(output)
	if cut := len(text) - OutputLimit; cut > 0 {
		for cut < len(text) && !utf8.RuneStart(text[cut]) {
			cut++
		}
		text = text[cut:]
	}
	return text
}

// line does the same with the beginning of a line.
func (s Secrets) line(line []byte) string {
	if len(line) > lineLimit {
		start, _ := s.around(line, lineLimit)
		line = line[:start]
	}
	return s.text(line)
}

// around returns where the secret that a cut would go through starts and ends: what is left of it would not be found.
func (s Secrets) around(output []byte, cut int) (start, end int) {
	for _, value := range s.values {
		from, to := max(0, cut-len(value)+1), min(len(output), cut+len(value)-1)
		if i := strings.Index(string(output[from:to]), value); i >= 0 {
			return from + i, from + i + len(value)
		}
	}
	return cut, cut
}

func (s Secrets) text(output []byte) string {
	text := string(output)
	if s.replacer != nil {
		text = s.replacer.Replace(text)
	}
	return strings.Map(printable, strings.ToValidUTF8(text, "\uFFFD"))
}

// printable drops what would steer a terminal or end a string in C.
func printable(r rune) rune {
	if r != '\n' && r != '\t' && unicode.IsControl(r) {
		return -1
	}
	return r
}
