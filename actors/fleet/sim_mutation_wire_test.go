package fleet

import (
	"slices"

	"github.com/urban-robot/urban-robot/protocol"
)

// wireMutations break what the rules say: effects that are lost, changed or made up.
func wireMutations() []mutation {
	return []mutation{
		{"a grant is not stored", effects(func(_ Event, all []Effect) []Effect {
			for i, effect := range all {
				if store, ok := effect.(Store); ok {
					all[i] = Store{Records: slices.DeleteFunc(slices.Clone(store.Records), func(r Record) bool { _, seat := r.(SeatRecord); return seat })}
				}
			}
			return all
		})},
		{"a grant is told before it is stored", effects(func(_ Event, all []Effect) []Effect {
			if len(all) < 2 {
				return all
			}
			return append(all[1:len(all):len(all)], all[0])
		})},
		{"ok wakes a coma", effects(func(_ Event, all []Effect) []Effect {
			for i, effect := range all {
				if tell, ok := effect.(Tell); ok {
					if grant, ok := tell.Command.(protocol.ProcessCommands); ok {
						all[i] = Tell{Client: tell.Client, Command: protocol.OK{Epoch: grant.Epoch}}
					}
				}
			}
			return all
		})},
		{"ok follows hello without a ready", effects(func(_ Event, all []Effect) []Effect {
			for _, effect := range all {
				if say, ok := effect.(Say); ok && say.Hello.ProcessCommands {
					all = append(all, Tell{Client: say.Client, Command: protocol.OK{Epoch: say.Hello.Epoch}})
				}
			}
			return all
		})},
		{"an older cache is sent", effects(func(_ Event, all []Effect) []Effect {
			for i, effect := range all {
				if deliver, ok := effect.(DeliverCache); ok && deliver.Number > 1 {
					deliver.Number--
					all[i] = deliver
				}
			}
			return all
		})},
		{"the newest cache is not sent to who was away", effects(func(e Event, all []Effect) []Effect {
			return slices.DeleteFunc(all, func(effect Effect) bool {
				_, deliver := effect.(DeliverCache)
				_, ready := e.Fact.(Ready)
				return deliver && ready
			})
		})},
		{"acknowledgements are forgotten", effects(func(e Event, all []Effect) []Effect {
			return slices.DeleteFunc(all, func(effect Effect) bool {
				answer, ok := effect.(Answer)
				_, coma := e.Fact.(Coma)
				return ok && coma && answer.Ack != 0
			})
		})},
		{"ready is not answered", effects(func(e Event, all []Effect) []Effect {
			if _, ready := e.Fact.(Ready); !ready {
				return all
			}
			return slices.DeleteFunc(all, func(effect Effect) bool { _, tell := effect.(Tell); return tell })
		})},
		{"a hello is said twice", effects(func(_ Event, all []Effect) []Effect {
			for _, effect := range all {
				if say, ok := effect.(Say); ok {
					all = append(all, say)
				}
			}
			return all
		})},
		{"ok passes a client's own coma", func(r *rules) {
			client := r.client
			r.client = func(in Input, c Connection, a Admission) (Connection, []ClientEffect) {
				next, all := client(in, c, a)
				if ordered, ok := in.(Ordered); ok && len(all) == 0 && c.State != StateGone {
					all = append(all, Transmit{Effect: ordered.Effect})
				}
				return next, all
			}
		}},
	}
}

// effects changes what was decided on.
func effects(change func(Event, []Effect) []Effect) func(*rules) {
	return func(r *rules) {
		decide := r.decide
		r.decide = func(e Event, f Fleet) (Fleet, []Effect) {
			f, all := decide(e, f)
			return f, change(e, slices.Clone(all))
		}
	}
}
