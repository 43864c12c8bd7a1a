package e2e

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// keyed is a fleet with a key, and with little patience.
var keyed = settings{
	"key.env": "KEY", "limits.strikes": "100", "cache.max_bytes": "1MiB", "health.candidate.deadline": "3s",
	"deadlines.identify": "4s", "deadlines.ready": "4s", "deadlines.answer": "2s",
}

// badEvent is an event with the error that it is answered with.
type badEvent struct{ name, event, data, code, field string }

var fromStrangers = []badEvent{
	{"ready before identify", "ready", `{}`, "not_allowed", ""},
	{"a health report before identify", "health_check", `{"ok":true}`, "not_allowed", ""},
	{"a cache before identify", "cache_sync", `{"a":1}`, "not_allowed", ""},
	{"no version", "identify", `{}`, "malformed", "version"},
	{"a number as version", "identify", `{"version":7}`, "malformed", "version"},
	{"a text as payload", "identify", `"1.0.0"`, "malformed", ""},
	{"a list as payload", "identify", `["1.0.0"]`, "malformed", ""},
	{"a version of 70 KB", "identify", `{"version":{"$repeat":71680}}`, "too_large", ""},
	{"an unknown event", "teapot", `{}`, "unknown_event", ""},
}

var fromMembers = []badEvent{
	{"identify twice", "identify", `{"version":"1.0.0"}`, "not_allowed", ""},
	{"percentage 250", "health_check", `{"percentage":250}`, "malformed", "percentage"},
	{"a health report that says nothing", "health_check", `{}`, "malformed", ""},
	{"cogs of the wrong type", "health_check", `{"cogs":7}`, "malformed", "cogs"},
	{"the cache of one who does not hold the seat", "cache_sync", `{"a":1}`, "not_allowed", ""},
	{"a cache over the limit", "cache_sync", `{"long":{"$repeat":1048600}}`, "too_large", ""},
	{"an epoch of the wrong type", "coma", `{"epoch":"seven"}`, "malformed", "epoch"},
	{"a negative number of guilds", "ready", `{"guilds":-1}`, "malformed", "guilds"},
	{"an unknown event", "teapot", `{}`, "unknown_event", ""},
}

// CONTRACT.md, section 1, errors: each bad input gets its answer, by acknowledgement and without, and disturbs nobody.
func TestBadInput(t *testing.T) {
	t.Parallel()
	for _, c := range clients {
		t.Run(c.String(), func(t *testing.T) {
			t.Parallel()
			s := serve(t, keyed)
			honest := startBot(t, s, c, "1.0.0", variables{"KEY": key})
			honest.becomesHolder(t)

			stranger := startBot(t, s, c, "1.0.0", variables{"SILENT": "identify"})
			keyless := startBot(t, s, c, "1.0.0", nil)
			impostor := startBot(t, s, c, "1.0.0", variables{"KEY": wrongKey, "MODE": "full"})
			member := startBot(t, s, c, "1.0.0", variables{"KEY": key})

			stranger.expect(t, connected)
			isRefused(t, stranger, fromStrangers)
			require.Equal(t, "timeout", stranger.rejected(t, "identify").Code)
			stranger.expect(t, disconnected)

			isTurnedAway(t, keyless)
			isTurnedAway(t, impostor)
			impostor.read = 0 // a handler and an acknowledgement need not run in the order of the wire
			require.Equal(t, "unauthorized", impostor.refused(t, "identify").Code)

			member.expect(t, comatose)
			isRefused(t, member, fromMembers)
			member.emits(t, "cache_sync", `{"long":{"$repeat":3000000}}`, false)
			member.expect(t, tooLargeOrCutOff)

			honest.staysHolder(t)
			require.Equal(t, []string{"hello", "ok"}, only(honest.orderOf(t), "hello", "ok", "coma", "shutdown", "process_commands"))
			honest.never(t, got("rejected"))
			honest.never(t, disconnected)
		})
	}
}

// CONTRACT.md, section 3: nothing waits for ever.
func TestClientsThatNeverAnswer(t *testing.T) {
	t.Parallel()
	for _, c := range clients {
		t.Run(c.String(), func(t *testing.T) {
			t.Parallel()
			s := serve(t, keyed)
			honest := startBot(t, s, c, "1.0.0", variables{"KEY": key})
			honest.becomesHolder(t)
			silent := func(version, events string) *bot {
				return startBot(t, s, c, version, variables{"KEY": key, "SILENT": events})
			}
			notReady := silent("1.0.0", "ready,shutdown")
			notComatose := silent("1.0.0", "coma")
			notHealthy := silent("2.0.0", "health_check")

			require.Equal(t, "startup_timeout", notReady.told(t, "shutdown").Reason)
			notReady.expect(t, disconnected)
			notComatose.expect(t, disconnected) // cut off: what is still queued for it must not arrive later
			s.sees(t, logged("client did not answer coma", "release=1.0.0"))
			notComatose.kill() // it would come back
			require.Equal(t, "health_check_failure", notHealthy.told(t, "shutdown").Reason)
			notHealthy.ends(t)

			honest.staysHolder(t)
			require.Equal(t, []string{"hello", "ok"}, only(honest.orderOf(t), "hello", "ok", "coma", "shutdown", "process_commands"))
			honest.never(t, disconnected)
		})
	}
}

// A client that keeps sending bad events is disconnected.
func TestTooManyBadEvents(t *testing.T) {
	t.Parallel()
	for _, c := range kinds {
		t.Run(c.String(), func(t *testing.T) {
			t.Parallel()
			s := serve(t, settings{"limits.strikes": "3"})
			b := startBot(t, s, c, "1.0.0", nil)
			b.becomesHolder(t)
			for range 3 {
				b.emits(t, "teapot", `{}`, false)
				require.Equal(t, "unknown_event", b.rejected(t, "teapot").Code)
			}
			require.Equal(t, "too_many", b.rejected(t, "teapot").Code)
			b.expect(t, disconnected)
		})
	}
}

// isRefused has the bot send each of the events twice, and wants the failed acknowledgement, and the event rejected.
func isRefused(t *testing.T, b *bot, events []badEvent) {
	t.Helper()
	for _, bad := range events {
		b.emits(t, bad.event, bad.data, true)
		err := b.refused(t, bad.event)
		require.Equal(t, bad.code, err.Code, "%s: code of the acknowledgement: %s", bad.name, err.Message)
		require.Equal(t, bad.field, err.Field, "%s: field of the acknowledgement: %s", bad.name, err.Message)
		require.NotEmpty(t, err.Message, "%s: message of the acknowledgement", bad.name)
		b.emits(t, bad.event, bad.data, false)
		err = b.rejected(t, bad.event)
		require.Equal(t, bad.code, err.Code, "%s: code of rejected: %s", bad.name, err.Message)
		require.Equal(t, bad.field, err.Field, "%s: field of rejected: %s", bad.name, err.Message)
	}
}

// isTurnedAway wants the failed authorization: hello with the error and without the token, then the end.
func isTurnedAway(t *testing.T, b *bot) {
	t.Helper()
	h := b.hello(t)
	require.Equal(t, "unauthorized", h.Error.Code)
	require.Empty(t, h.Token, "token for a stranger")
	b.expect(t, disconnected)
	b.never(t, pattern{name: "the token", is: func(l line) bool { return strings.Contains(l.Text, token) }})
}

// tooLargeOrCutOff is what becomes of an event above the limit of a frame.
var tooLargeOrCutOff = pattern{name: "rejected as too large, or disconnected", is: func(l line) bool {
	return disconnected.is(l) || got("rejected").is(l) && strings.Contains(l.Text, "too_large")
}}

// refused waits for the failed acknowledgement of an event.
func (b *bot) refused(t *testing.T, event string) refusal {
	t.Helper()
	answered := decode[answer](t, b.expect(t, acknowledged(event)).Data)
	require.Falsef(t, answered.OK, "%s was accepted from %s", event, b.name)
	return answered.Error
}

// rejected waits for the event rejected, about that event.
func (b *bot) rejected(t *testing.T, event string) refusal {
	t.Helper()
	rejection := decode[refusal](t, b.expect(t, got("rejected")).Data)
	require.Equal(t, event, rejection.Event, "event of rejected: %s", rejection.Message)
	return rejection
}
