package alert

import (
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/stretchr/testify/assert"
)

var noon = time.Date(2026, 2, 3, 12, 0, 0, 0, time.UTC)

func message1(alerts ...Alert) message {
	m := message{fleet: alerts[0].Fleet}
	for i, a := range alerts {
		a.At = noon.Add(time.Duration(i) * time.Second)
		m.add(a)
	}
	return m
}

func TestTextForPeople(t *testing.T) {
	commit := refused(strings.Repeat("0123456789abcdef", 4)[:40])
	hostile := Alert{
		Level: LevelError, What: "failed", Fleet: "a*b_c", Release: "`rm`",
		Detail: "@everyone <@123> **x** [click](https://evil.example)\n# big\n> quoted ||spoiler||\x1b[31m\u202e",
	}
	for name, c := range map[string]struct {
		m       message
		discord string
		plain   string
	}{
		"one": {
			message1(commit),
			"**⚠️ helium: refused 0123456789**\nvital\\_cog\\_failure: cogs.moderation does not load",
			"⚠️ helium: refused 0123456789\nvital_cog_failure: cogs.moderation does not load",
		},
		"only what": {message1(Alert{What: "token rejected", Fleet: "neon"}), "**🛑 neon: token rejected**", "🛑 neon: token rejected"},
		"three times": {
			message1(halted("neon"), halted("neon"), halted("neon")),
			"**🛑 neon: halted**\nrollback\\_budget\n3 times since <t:1770120000:T>",
			"🛑 neon: halted\nrollback_budget\n3 times since 12:00:00 UTC",
		},
		"the newest of the worst is the title": {
			message1(halted("neon"), Alert{Level: LevelError, What: "token rejected"}, promoted("2")),
			"**🛑 neon: token rejected (3 alerts)**\n<t:1770120000:T> 🛑 halted: rollback\\_budget\n<t:1770120001:T> 🛑 token rejected\n" +
				"<t:1770120002:T> ℹ️ promoted 2",
			"🛑 neon: token rejected (3 alerts)\n12:00:00 UTC 🛑 halted: rollback_budget\n12:00:01 UTC 🛑 token rejected\n" +
				"12:00:02 UTC ℹ️ promoted 2",
		},
		"text of any origin": {
			message1(hostile),
			"**🛑 a\\*b\\_c: failed \\`rm\\`**\n@everyone \\<@123\\> \\*\\*x\\*\\* \\[click\\]\\(https://evil.example\\) \\# big \\> quoted " +
				"\\|\\|spoiler\\|\\|\\[31m",
			"🛑 a*b_c: failed `rm`\n@\u200beveryone ‹@\u200b123› **x** [click](https://evil.example) # big › quoted ||spoiler||[31m",
		},
	} {
		t.Run(name, func(t *testing.T) {
			assert.Equal(t, c.discord, c.m.text(discordStyle()))
			assert.Equal(t, c.plain, c.m.text(plain()))
		})
	}
}

func TestManyKindsOfAlertsAreCut(t *testing.T) {
	var alerts []Alert
	for i := range 300 {
		alerts = append(alerts, refused(strings.Repeat("x", i)))
	}
	m := message1(append(alerts, promoted("1"), halted("helium"))...)
	assert.Len(t, m.lines, maxLines)
	assert.Equal(t, 302, m.count())
	text := m.text(discordStyle())
	assert.True(t, strings.HasPrefix(text, "**🛑 helium: halted (302 alerts)**\n"))
	assert.Regexp(t, `\nand \d+ more$`, text)
	assert.LessOrEqual(t, units(text), discordLimit)
}

func TestEscapedMarkdownIsNeverCutApart(t *testing.T) {
	worst := Alert{
		What: strings.Repeat("*", 999), Fleet: strings.Repeat("_", 999), Release: strings.Repeat("~", 999),
		Reason: strings.Repeat("\U0001f600", 999), Detail: strings.Repeat("\\", 9999),
	}
	text := message1(worst, worst).text(discordStyle())
	assert.LessOrEqual(t, units(text), discordLimit)
	assert.Contains(t, text, "2 times", "a single alert always has room")
	assert.LessOrEqual(t, units(message1(worst).text(plain())), plain().limit)
}

func FuzzText(f *testing.F) {
	f.Add("helium", "refused", "1.2.0", "vital_cog_failure", "cogs.x", 3)
	f.Add("", "", "", "", "", 0)
	f.Add("\xff", "@everyone", "\n\n", "\u202e", strings.Repeat("👨‍👩‍👧", 400), 40)
	f.Fuzz(func(t *testing.T, fleet, what, release, reason, detail string, n int) {
		a := Alert{Level: LevelWarning, What: what, Fleet: fleet, Release: release, Reason: reason, Detail: detail}
		alerts := []Alert{a}
		for i := range min(max(n, 0), 50) {
			b := a
			b.Release += strings.Repeat("r", i%30)
			alerts = append(alerts, b)
		}
		m := message1(alerts...)
		for _, s := range []style{plain(), discordStyle()} {
			text := m.text(s)
			assert.LessOrEqual(t, units(text), s.limit)
			assert.True(t, utf8.ValidString(text))
			assert.NotEmpty(t, text)
			assert.LessOrEqual(t, strings.Count(text, "\n"), maxLines+1)
		}
	})
}
