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

// logLine writes one line of the audit trail to the log, with the process that it is about, if that is known.
func logLine(log zerolog.Logger, r fleet.EventRecord, instance string) {
	level := zerolog.InfoLevel
	if r.Warn {
		level = zerolog.WarnLevel
	}
	fields := make([]any, 0, 16)
	for _, field := range []struct{ key, value string }{
		{"client", string(r.Client)}, {"instance", instance}, {"release", string(r.Release)}, {"from", r.From}, {"to", r.To}, {"reason", r.Reason}, {"detail", r.Detail},
	} {
		if field.value != "" {
			fields = append(fields, field.key, field.value)
		}
	}
	if r.Epoch != 0 {
		fields = append(fields, "epoch", r.Epoch)
	}
	log.WithLevel(level).Int("seat", r.Seat).Fields(fields).Msg(r.Event)
}

// instanceOf is the process that a fact is about; empty: it is about none.
func instanceOf(fact fleet.Fact) string {
	switch fact := fact.(type) {
	case fleet.Identify:
		return fact.Instance
	case fleet.Exited:
		return fact.Instance
	case fleet.Launched:
		return fact.Instance
	}
	return ""
}

// whoAsked is who asks for what a message is about; empty: nobody.
func whoAsked(msg any) string {
	asked, _ := msg.(happened)
	switch fact := asked.fact.(type) {
	case fleet.Deploy:
		return fact.Who
	case fleet.Rollback:
		return fact.Who
	case fleet.TryAgain:
		return fact.Who
	}
	return ""
}

// logStack logs a panic that ends here. It is for a deferred function, which sees the stack.
func logStack(log zerolog.Logger, cause any, message string) {
	log.Error().Str("err", plain(cause)).Bytes("stack", debug.Stack()).Msg(message)
}

// watched logs a panic of an actor with its stack, which proto.actor does not, and lets it go on to the failure policy. It is no
// receiver middleware, because that costs an allocation for each message, and more memory for each actor.
type watched struct {
	actor.Actor
	log zerolog.Logger
}

// Receive implements actor.Actor.
func (w watched) Receive(ctx actor.Context) {
	defer w.logPanic(ctx)
	w.Actor.Receive(ctx)
}

func (w watched) logPanic(ctx actor.Context) {
	cause := recover()
	if cause == nil {
		return
	}
	why, stack := cause, debug.Stack()
	if c, ok := cause.(crash); ok {
		why, stack = c.cause, c.stack
	}
	message := ctx.Message()
	if r, ok := message.(returned); ok {
		message = r.message
	}
	w.log.Error().Str("actor", ctx.Self().GetId()).Str("message_type", fmt.Sprintf("%T", message)).
		Str("err", plain(why)).Bytes("stack", stack).Msg("actor panicked")
	panic(cause)
}

// plain is the text of an error or a string, and the type of anything else: that could be a message with all that is in it.
func plain(value any) string {
	switch value := value.(type) {
	case error:
		return value.Error()
	case string:
		return value
	}
	return fmt.Sprintf("%T", value)
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
	switch attr.Value.Kind() {
	case slog.KindBool, slog.KindDuration, slog.KindFloat64, slog.KindInt64, slog.KindString, slog.KindTime, slog.KindUint64:
		return slog.Attr{Key: key, Value: attr.Value}
	case slog.KindAny, slog.KindGroup, slog.KindLogValuer:
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
