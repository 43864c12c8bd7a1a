package alert

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/urban-robot/urban-robot/protocol"
)

func TestABurstIsOneMessage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, nil, to(otherURL))
		begun := time.Now()
		for range 3 {
			b.Send(refused("1.2.0"))
			time.Sleep(time.Second)
		}
		b.Send(promoted("1.1.0"))
		b.Send(halted("helium"))
		b.Send(halted("neon"))
		time.Sleep(time.Minute)
		texts := b.world.texts(t, "hooks.example")
		require.Len(t, texts, 2, "one for each fleet")
		assert.Equal(t, "🛑 helium: halted (5 alerts)\n"+
			"00:00:02 UTC ⚠️ refused 1.2.0: vital_cog_failure: cogs.moderation does not load (3 times since 00:00:00 UTC)\n"+
			"00:00:03 UTC ℹ️ promoted 1.1.0\n"+
			"00:00:03 UTC 🛑 halted: rollback_budget", texts[0])
		assert.Equal(t, "🛑 neon: halted\nrollback_budget", texts[1])
		assert.Equal(t, 5*time.Second, b.world.all()[0].at.Sub(begun))
		assert.Equal(t, 8*time.Second, b.world.all()[1].at.Sub(begun))
	})
}

func TestTheSameIsNotSaidAgainForAWhile(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, nil, to(otherURL))
		say := func(a Alert) int {
			b.Send(a)
			time.Sleep(30 * time.Second)
			return len(b.world.texts(t, "hooks.example"))
		}
		assert.Equal(t, 1, say(halted("helium")))
		for range 10 {
			assert.Equal(t, 1, say(halted("helium")), "a repeated alert is quiet")
		}
		assert.Equal(t, 2, say(halted("neon")), "another fleet's is not")
		assert.Equal(t, 3, say(promoted("1.3.0")), "nor is another alert")
		assert.Equal(t, 4, say(halted("helium")), "the last message must be true: the fleet is halted again")
		time.Sleep(8 * time.Minute)
		assert.Equal(t, 4, say(halted("helium")))
		assert.Equal(t, 4, say(halted("helium")))
		time.Sleep(time.Minute)
		assert.Equal(t, 5, say(halted("helium")), "after the quiet period")
		texts := b.world.texts(t, "hooks.example")
		assert.Contains(t, texts[4], "3 times since ", "what was held back is counted")
		assert.Contains(t, b.log.String(), "alert repeated, not sent")
	})
}

func TestAFullQueueKeepsTheNewest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log := &lockedBuffer{}
		w := &world{}
		n, err := New(Config{Targets: []Target{to(otherURL)}, Queue: 3, Transport: w})
		require.NoError(t, err)
		for i := range 10 {
			n.Send(refused(fmt.Sprint(i))) // nothing runs, and it does not wait
		}
		assert.EqualValues(t, 7, n.Dropped())
		n.config.Log = n.config.Log.Output(log)
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		n.Run(ctx)
		texts := w.texts(t, "hooks.example")
		require.Len(t, texts, 1)
		for i, want := range []string{"refused 7", "refused 8", "refused 9"} {
			assert.Contains(t, strings.Split(texts[0], "\n")[i+1], want)
		}
		n.Send(refused("late"))
		assert.EqualValues(t, 7, n.Dropped())
	})
}

func TestWithoutTargetsNothingIsKept(t *testing.T) {
	n, err := New(Config{})
	require.NoError(t, err)
	for range 1000 {
		n.Send(refused("1"))
	}
	assert.Empty(t, n.inbox.take())
}

func TestWhatCannotBeSentIsTriedAgainAndThenLogged(t *testing.T) {
	for name, c := range map[string]struct {
		answers []int
		header  http.Header
		err     error
		pauses  []time.Duration
		log     string
	}{
		"it works at last":           {answers: []int{500, 503, 200}, pauses: []time.Duration{time.Second, 2 * time.Second}, log: "alert sent"},
		"it never works":             {answers: []int{500, 500, 500, 500}, pauses: []time.Duration{time.Second, 2 * time.Second, 4 * time.Second}, log: "alert not sent"},
		"nobody is there":            {err: errors.New("connection refused"), pauses: []time.Duration{time.Second, 2 * time.Second, 4 * time.Second}, log: "connection refused"},
		"the webhook was deleted":    {answers: []int{404}, log: "answered 404"},
		"it moved":                   {answers: []int{302}, header: http.Header{"Location": {"https://elsewhere.example/"}}, log: "answered 302"},
		"too many, and it says when": {answers: []int{429, 204}, header: http.Header{"Retry-After": {"7.5"}}, pauses: []time.Duration{7500 * time.Millisecond}, log: "alert sent"},
		"too many, for an hour":      {answers: []int{429, 204}, header: http.Header{"Retry-After": {"3600"}}, pauses: []time.Duration{time.Minute}, log: "alert sent"},
		"too many, and it says rot":  {answers: []int{429, 204}, header: http.Header{"Retry-After": {"-NaN"}}, pauses: []time.Duration{time.Second}, log: "alert sent"},
		"it never answers": {
			answers: []int{hang, hang, hang, hang},
			pauses:  []time.Duration{11 * time.Second, 12 * time.Second, 14 * time.Second}, log: "deadline exceeded",
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := newBench(t, nil, to(otherURL))
				b.world.answers(func(_ string, nth int) (int, http.Header, string, error) {
					if c.err != nil {
						return 0, nil, "", c.err
					}
					return c.answers[nth], c.header, "", nil
				})
				b.Send(refused("1.2.0"))
				time.Sleep(5 * time.Minute)
				posts := b.world.all()
				require.Len(t, posts, len(c.pauses)+1)
				for i, want := range c.pauses {
					assert.Equal(t, want, posts[i+1].at.Sub(posts[i].at))
				}
				assert.Contains(t, b.log.String(), c.log)
			})
		})
	}
}

func TestADeadTargetDelaysNoOther(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, nil, to("https://dead.example/x"), to(otherURL))
		b.world.answers(func(host string, _ int) (int, http.Header, string, error) {
			if host == "dead.example" {
				return hang, nil, "", nil
			}
			return http.StatusOK, nil, "", nil
		})
		for i := range 100 {
			sent := time.Now()
			b.Send(refused(fmt.Sprint(i)))
			assert.Equal(t, sent, time.Now())
			time.Sleep(6 * time.Second)
			require.Len(t, b.world.texts(t, "hooks.example"), i+1, "at once, however long the other one takes")
		}
		assert.NotZero(t, b.Dropped(), "the dead one's queue is bounded")
		assert.Contains(t, b.log.String(), "its target is too slow")
		ended := time.Now()
		b.stop()
		assert.LessOrEqual(t, time.Since(ended), farewell)
	})
}

func TestWhatIsLeftIsSentAtTheEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, nil, to(otherURL))
		b.Send(refused("1.2.0"))
		b.Send(halted("neon"))
		ended := time.Now()
		b.stop()
		assert.Len(t, b.world.texts(t, "hooks.example"), 2)
		assert.Equal(t, ended, time.Now())
	})
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, nil, to(otherURL))
		b.world.answers(func(string, int) (int, http.Header, string, error) { return 500, nil, "", nil })
		b.Send(refused("1.2.0"))
		b.stop()
		assert.Len(t, b.world.texts(t, "hooks.example"), 1, "nothing is tried again at the end")
		assert.Contains(t, b.log.String(), "alert not sent")
	})
}

func TestATargetGetsWhatItAskedFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		target := func(host string, level Level, fleet string) Target {
			return Target{URL: protocol.NewToken("https://" + host + "/"), Level: level, Fleet: fleet}
		}
		b := newBench(t, nil,
			target("all", 0, ""), target("errors", LevelError, ""), target("neon", LevelInfo, "neon"),
			target("both", LevelWarning, "helium"), target("both", LevelWarning, "neon"))
		b.Send(promoted("1"))
		b.Send(refused("2"))
		b.Send(halted("neon"))
		b.Send(Alert{Level: LevelError, What: "cannot store anything"})
		time.Sleep(time.Minute)
		for host, want := range map[string]string{
			"all":    "⚠️ helium: refused 2 (2 alerts) | 🛑 neon: halted | 🛑 Urban Robot: cannot store anything",
			"errors": "🛑 neon: halted | 🛑 Urban Robot: cannot store anything",
			"neon":   "🛑 neon: halted | 🛑 Urban Robot: cannot store anything",
			"both":   "⚠️ helium: refused 2 | 🛑 Urban Robot: cannot store anything | 🛑 neon: halted",
		} {
			got := map[string]bool{}
			for _, text := range b.world.texts(t, host) {
				title, _, _ := strings.Cut(text, "\n")
				assert.False(t, got[title], "%s heard twice: %s", host, title)
				got[title] = true
			}
			wanted := map[string]bool{}
			for title := range strings.SplitSeq(want, " | ") {
				wanted[title] = true
			}
			assert.Equal(t, wanted, got, host)
		}
	})
}

func TestAnAlertWithoutALevelIsAnError(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, nil, Target{URL: protocol.NewToken(otherURL), Level: LevelError})
		b.Send(Alert{What: "something", Level: 17})
		b.Send(Alert{What: "else"})
		time.Sleep(time.Minute)
		require.Len(t, b.world.texts(t, "hooks.example"), 1)
		assert.Contains(t, b.world.texts(t, "hooks.example")[0], "(2 alerts)")
	})
}

func TestLevels(t *testing.T) {
	for _, l := range Levels() {
		got, err := ParseLevel(l.String())
		require.NoError(t, err)
		assert.Equal(t, l, got)
	}
	_, err := ParseLevel("fatal")
	require.ErrorContains(t, err, "[info warning error]")
	assert.Equal(t, "Level(0)", Level(0).String())
}

func TestNewChecks(t *testing.T) {
	for url, want := range map[string]string{
		"":                                    "is missing",
		"hooks.example/x":                     "cannot be read",
		"mailto:a@b.example":                  "cannot be read",
		"https://[::1/x":                      "cannot be read",
		"https:///x":                          "no host",
		"http://hooks.example/B3cr3tPathPart": "use https",
		"http://127.0.0.1.evil.example/B3cr3tPathPart": "use https",
		"logger://":                                        "neither https:// nor one of bark,",
		"B3cr3tPathPart://x":                               "neither https:// nor one of",
		"https://discord.com/channels/1/2":                 "Copy Webhook URL",
		"https://discord.com/api/webhooks/1":               "Copy Webhook URL",
		"http://discord.com/api/webhooks/1/B3cr3tPathPart": "Copy Webhook URL",
		discordURL + "/slack":                              "Copy Webhook URL",
		discordURL + "/../../../x":                         "Copy Webhook URL",
		"discord://B3cr3tPathPart":                         "Copy Webhook URL",
		"discord://B3cr3tPathPart@host":                    "Copy Webhook URL",
		"telegram://B3cr3tPathPart@x":                      "none of telegram",
		"slack://B3cr3tPathPart":                           "none of slack",
		"ntfy://user:B3cr3tPathPart@/?priority=wrong":      "none of ntfy",
	} {
		_, err := New(Config{Targets: []Target{to(url)}})
		require.ErrorContains(t, err, "alert: target 1: ", url)
		require.ErrorContains(t, err, want, url)
		assert.NotContains(t, strings.ToLower(err.Error()), "b3cr3tpathpart")
		assert.NotContains(t, err.Error(), discordSecret[:20])
	}
	_, err := New(Config{Targets: []Target{{URL: protocol.NewToken(otherURL), Level: 9}}})
	require.ErrorContains(t, err, "Level(9)")
	_, err = New(Config{Attempts: -1})
	require.Error(t, err)
	for _, url := range []string{
		discordURL, discordURL + "?thread_id=5", " " + discordURL + "\n", otherURL, "http://localhost:9/x", "http://[::1]:9/x",
		strings.Replace(discordURL, "discord.com/api", "canary.discord.com/api/v10", 1),
		strings.Replace(discordURL, "discord.com", "discordapp.com", 1),
		"telegram://110201543:AAHdqTcvCH1vGWJxfSeofSAs0K5PALDsaw0@telegram?channels=@channel",
		"slack://hook:AAAAAAAAA-BBBBBBBBB-CCCCCCCCCCCCCCCCCCCCCCCC@webhook", "matrix://user:pass@no.example/?rooms=!r:no.example",
		"ntfy://ntfy.sh/helium", "generic+https://x.example/y", "gotify://gotify.example/AAAAAAAAAAAAAAA",
		"smtp://user:pass@mail.example:587/?from=a@b.example&to=c@d.example",
	} {
		_, err := New(Config{Targets: []Target{to(url)}})
		assert.NoError(t, err, url)
	}
}
