package actors

import (
	"context"
	"fmt"
	"log/slog"
	"runtime/debug"

	"github.com/asynkron/protoactor-go/actor"
	"github.com/rs/zerolog"

	"github.com/urban-robot/urban-robot/actors/fleet"
)

// logLine writes one line of the audit trail to the log.
func logLine(log zerolog.Logger, r fleet.EventRecord) {
	level := zerolog.InfoLevel
	if r.Warn {
		level = zerolog.WarnLevel
	}
	e := log.WithLevel(level).Int("seat", r.Seat)
	text := func(key, value string) {
		if value != "" {
			e = e.Str(key, value)
		}
	}
	text("client", string(r.Client))
	text("release", string(r.Release))
	if r.Epoch != 0 {
		e = e.Uint64("epoch", r.Epoch)
	}
	text("from", r.From)
	text("to", r.To)
	text("reason", r.Reason)
	text("detail", r.Detail)
	e.Msg(r.Event)
}

// logPanics logs a panic of an actor with its stack, which proto.actor does not, and lets it go on to the failure policy.
func logPanics(log zerolog.Logger) actor.ReceiverMiddleware {
	return func(next actor.ReceiverFunc) actor.ReceiverFunc {
		return func(ctx actor.ReceiverContext, envelope *actor.MessageEnvelope) {
			defer func() {
				if cause := recover(); cause != nil {
					log.Error().Str("actor", ctx.Self().GetId()).Str("message_type", fmt.Sprintf("%T", envelope.Message)).
						Str("err", fmt.Sprint(cause)).Bytes("stack", debug.Stack()).Msg("actor panicked")
					panic(cause)
				}
			}()
			next(ctx, envelope)
		}
	}
}

// systemLog is proto.actor's log: warnings and above, through zerolog, with the types of messages and never their content.
func systemLog(log zerolog.Logger) *slog.Logger {
	return slog.New(typesOnly{zerolog.NewSlogHandler(log.Level(max(zerolog.WarnLevel, log.GetLevel())))})
}

// typesOnly replaces every attribute that is not a plain value by its type: a dead letter would print a cache, or a token.
type typesOnly struct{ slog.Handler }

// Handle implements slog.Handler.
func (h typesOnly) Handle(ctx context.Context, r slog.Record) error {
	safe := slog.NewRecord(r.Time, r.Level, r.Message, r.PC)
	r.Attrs(func(attr slog.Attr) bool {
		safe.AddAttrs(typeOf(attr))
		return true
	})
	if err := h.Handler.Handle(ctx, safe); err != nil {
		return fmt.Errorf("log of the actor system: %w", err)
	}
	return nil
}

// WithAttrs implements slog.Handler.
func (h typesOnly) WithAttrs(attrs []slog.Attr) slog.Handler {
	safe := make([]slog.Attr, len(attrs))
	for i, attr := range attrs {
		safe[i] = typeOf(attr)
	}
	return typesOnly{h.Handler.WithAttrs(safe)}
}

// WithGroup implements slog.Handler.
func (h typesOnly) WithGroup(name string) slog.Handler { return typesOnly{h.Handler.WithGroup(name)} }

func typeOf(attr slog.Attr) slog.Attr {
	key := attr.Key
	if key == "message" { // zerolog's own field
		key = "message_type"
	}
	if attr.Value.Kind() != slog.KindAny {
		return slog.Attr{Key: key, Value: attr.Value}
	}
	switch value := attr.Value.Any().(type) {
	case *actor.PID:
		return slog.String(key, value.GetId())
	case error:
		return slog.String(key, value.Error())
	default:
		return slog.String(key, fmt.Sprintf("%T", value))
	}
}
