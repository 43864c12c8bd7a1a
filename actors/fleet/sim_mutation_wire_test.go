package fleet

import (
	"slices"

	"github.com/urban-robot/urban-robot/protocol"
)

// wireMutations break what the rules say: effects that are lost, changed or made up.
func wireMutations() []mutation {
	return []mutation{
		{"a grant is not stored", changed(unstored)},
		{"a grant is told before it is stored", effects(storedLast)},
		{"ok wakes a coma", changed(wokenByOK)},
		{"ok follows hello without a ready", more(okAfterHello)},
		{"an older cache is sent", changed(olderCache)},
		{"the newest cache is not sent to who was away", dropped(cacheOnReady)},
		{"acknowledgements are forgotten", dropped(answerToComa)},
		{"ready is not answered", dropped(commandOnReady)},
		{"a hello is said twice", more(helloAgain)},
		{"ok passes a client's own coma", passedOn},
	}
}

// effects changes what was decided on.
func effects(change func([]Effect) []Effect) func(*rules) {
	return func(r *rules) {
		decide := r.decide
		r.decide = func(e Event, f Fleet) (Fleet, []Effect) {
			f, all := decide(e, f)
			return f, change(slices.Clone(all))
		}
	}
}

// changed changes each effect.
func changed(change func(Effect) Effect) func(*rules) {
	return effects(func(all []Effect) []Effect {
		for i, effect := range all {
			all[i] = change(effect)
		}
		return all
	})
}

// more has an effect followed by others.
func more(follow func(Effect) []Effect) func(*rules) {
	return effects(func(all []Effect) []Effect {
		for _, effect := range slices.Clone(all) {
			all = append(all, follow(effect)...)
		}
		return all
	})
}

// dropped loses effects.
func dropped(drop func(Event, Effect) bool) func(*rules) {
	return func(r *rules) {
		decide := r.decide
		r.decide = func(e Event, f Fleet) (Fleet, []Effect) {
			f, all := decide(e, f)
			return f, slices.DeleteFunc(slices.Clone(all), func(effect Effect) bool { return drop(e, effect) })
		}
	}
}

func unstored(effect Effect) Effect {
	store, ok := effect.(Store)
	if !ok {
		return effect
	}
	return Store{Records: slices.DeleteFunc(slices.Clone(store.Records), func(r Record) bool {
		_, seat := r.(SeatRecord)
		return seat
	})}
}

func storedLast(all []Effect) []Effect {
	if len(all) < 2 {
		return all
	}
	return append(slices.Clip(all[1:]), all[0])
}

func wokenByOK(effect Effect) Effect {
	tell, _ := effect.(Tell)
	if grant, ok := tell.Command.(protocol.ProcessCommands); ok {
		return Tell{Client: tell.Client, Command: protocol.OK{Epoch: grant.Epoch}}
	}
	return effect
}

func okAfterHello(effect Effect) []Effect {
	if say, ok := effect.(Say); ok && say.Hello.ProcessCommands {
		return []Effect{Tell{Client: say.Client, Command: protocol.OK{Epoch: say.Hello.Epoch}}}
	}
	return nil
}

func helloAgain(effect Effect) []Effect {
	if say, ok := effect.(Say); ok {
		return []Effect{say}
	}
	return nil
}

func olderCache(effect Effect) Effect {
	if deliver, ok := effect.(DeliverCache); ok && deliver.Number > 1 {
		deliver.Number--
		return deliver
	}
	return effect
}

func cacheOnReady(e Event, effect Effect) bool {
	_, deliver := effect.(DeliverCache)
	_, ready := e.Fact.(Ready)
	return deliver && ready
}

func answerToComa(e Event, effect Effect) bool {
	answer, ok := effect.(Answer)
	_, coma := e.Fact.(Coma)
	return ok && coma && answer.Ack != 0
}

func commandOnReady(e Event, effect Effect) bool {
	_, tell := effect.(Tell)
	_, ready := e.Fact.(Ready)
	return tell && ready
}

// passedOn has a client actor carry out what is no longer legal.
func passedOn(r *rules) {
	client := r.client
	r.client = func(in Input, c Connection, a Admission) (Connection, []ClientEffect) {
		next, all := client(in, c, a)
		if ordered, ok := in.(Ordered); ok && len(all) == 0 && c.State != StateGone {
			all = append(all, Transmit{Effect: ordered.Effect})
		}
		return next, all
	}
}
