package alert

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf16"
)

// message is what is sent: the alerts of one fleet, in the order in which each was last given. It does not change once it was
// handed to the targets.
type message struct {
	fleet string
	lines []line
	more  int // alerts that there is no line for
}

func (m *message) add(a Alert) {
	added := line{Alert: a, n: 1, since: a.At}
	if i := slices.IndexFunc(m.lines, func(l line) bool { return l.key() == a.key() }); i >= 0 {
		added = m.lines[i].plus(added)
		m.lines = slices.Delete(m.lines, i, i+1)
	}
	m.lines = append(m.lines, added)
	if len(m.lines) <= maxLines {
		return
	}
	least := 0
	for i, l := range m.lines {
		if l.Level < m.lines[least].Level {
			least = i
		}
	}
	m.more += m.lines[least].n
	m.lines = slices.Delete(m.lines, least, least+1)
}

// head returns the newest of the lines that matter most.
func (m message) head() line {
	var head line
	for _, l := range m.lines {
		if l.Level >= head.Level {
			head = l
		}
	}
	return head
}

func (m message) count() int {
	count := m.more
	for _, l := range m.lines {
		count += l.n
	}
	return count
}

// atLeast returns the message without the lines below a level. ok is false if nothing is left.
func (m message) atLeast(level Level) (_ message, ok bool) {
	lines := slices.Clone(m.lines)
	m.lines = slices.DeleteFunc(lines, func(l line) bool { return l.Level < level })
	return m, len(m.lines) > 0
}

// style is how a target wants its text.
type style struct {
	limit  int                    // UTF-16 units, which are never fewer than characters
	strong func(string) string    // for the first line
	quote  func(string) string    // for text that is not ours
	clock  func(time.Time) string // a time of day
}

// Limits of what is shown of a field, in characters. A message of one line is below Discord's limit whatever is in it.
const (
	maxName   = 64
	maxWhat   = 100
	maxReason = 100
	maxDetail = 500
	maxShort  = 160 // of a detail, in a message of several lines
)

func plain() style {
	return style{
		limit:  1000, // the least that one of the library's services takes is 1024
		strong: func(s string) string { return s },
		quote:  unmention,
		clock:  func(t time.Time) string { return t.UTC().Format("15:04:05 MST") },
	}
}

// text returns the message for people: what happened to which fleet first.
func (m message) text(s style) string {
	var b strings.Builder
	b.WriteString(s.strong(m.title(s)))
	if len(m.lines) == 1 && m.more == 0 {
		l := m.lines[0]
		if why := l.why(s, maxDetail); why != "" {
			b.WriteString("\n" + why)
		}
		if l.n > 1 {
			b.WriteString("\n" + l.times(s))
		}
		return cut(b.String(), s.limit)
	}
	size, left := units(b.String()), m.count()
	for _, l := range m.lines {
		text := "\n" + l.text(s)
		if size+units(text)+len("\nand 1000000 more") > s.limit {
			break
		}
		size += units(text)
		left -= l.n
		b.WriteString(text)
	}
	if left > 0 {
		fmt.Fprintf(&b, "\nand %d more", left)
	}
	return cut(b.String(), s.limit)
}

func (m message) title(s style) string {
	head := m.head()
	fleet := m.fleet
	if fleet == "" {
		fleet = everyone
	}
	title := head.icon() + " " + s.quote(oneLine(fleet, maxName)) + ": " + head.event(s)
	if len(m.lines) > 1 {
		title += fmt.Sprintf(" (%d alerts)", m.count())
	}
	return title
}

// text returns one of several lines.
func (l line) text(s style) string {
	text := s.clock(l.At) + " " + l.icon() + " " + l.event(s)
	if why := l.why(s, maxShort); why != "" {
		text += ": " + why
	}
	if l.n > 1 {
		text += " (" + l.times(s) + ")"
	}
	return text
}

func (l line) event(s style) string {
	event := s.quote(oneLine(l.What, maxWhat))
	if l.Release != "" {
		event += " " + s.quote(oneLine(abbreviate(l.Release), maxName))
	}
	return event
}

func (l line) why(s style, most int) string {
	reason, detail := s.quote(oneLine(l.Reason, maxReason)), s.quote(oneLine(l.Detail, most))
	if reason != "" && detail != "" {
		return reason + ": " + detail
	}
	return reason + detail
}

func (l line) times(s style) string { return strconv.Itoa(l.n) + " times since " + s.clock(l.since) }

func (l line) icon() string {
	switch l.Level {
	case LevelInfo:
		return "ℹ️"
	case LevelWarning:
		return "⚠️"
	case LevelError:
	}
	return "🛑"
}

// abbreviate cuts the id of a commit as git does.
func abbreviate(release string) string {
	if (len(release) == 40 || len(release) == 64) && strings.Trim(release, "0123456789abcdef") == "" {
		return release[:10]
	}
	return release
}

// oneLine returns printable text of at most limit characters.
func oneLine(text string, limit int) string {
	text = strings.Join(strings.FieldsFunc(strings.ToValidUTF8(text, "?"), unicode.IsSpace), " ")
	runes := []rune(strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return -1
		}
		return r
	}, text))
	if len(runes) > limit {
		runes = append(runes[:limit-1], '…')
	}
	return string(runes)
}

// unmention makes sure that text which is not ours calls nobody and formats nothing, on services that we do not know.
func unmention(text string) string {
	return strings.NewReplacer("@", "@\u200b", "<", "‹", ">", "›").Replace(text)
}

func units(text string) int {
	n := 0
	for _, r := range text {
		n += utf16.RuneLen(r)
	}
	return n
}

// cut returns at most limit units of a text.
func cut(text string, limit int) string {
	if units(text) <= limit {
		return text
	}
	n := 0
	for i, r := range text {
		if n += utf16.RuneLen(r); n >= limit {
			return text[:i] + "…"
		}
	}
	return text
}
