package fleet

import (
	"fmt"
	"maps"

	"github.com/urban-robot/urban-robot/protocol"
)

// inspect looks at one decision by itself, whatever came before: the invariants that every state and every answer keep. It
// returns what is broken, with the invariant's number in front, or nothing.
func inspect(e Event, before, after Fleet, effects []Effect) string {
	for id := range after.Policy.Shards {
		if problem := inspectSeat(before.Seat(id), after.Seat(id), after); problem != "" {
			return problem
		}
	}
	if first := after.earliest(); !first.IsZero() && (after.wake.IsZero() || after.wake.After(first)) {
		return fmt.Sprintf("5 something is due at %v and the rules want to be woken at %v", first, after.wake)
	}
	if counted, want := crowdsOf(after), recount(after); !maps.Equal(counted, want) {
		return fmt.Sprintf("5 the clients are counted as %v and are %v", counted, want)
	}
	for i, effect := range effects {
		if problem := inspectEffect(e, before, after, effects[:i], effect); problem != "" {
			return problem
		}
	}
	if problem := inspectRollout(e, before, after, effects); problem != "" {
		return problem
	}
	return inspectAnswers(e, before, effects)
}

// crowdsOf is what the rules have counted, and recount what there is.
func crowdsOf(f Fleet) map[crowdKey]crowd {
	counted := map[crowdKey]crowd{}
	for it := f.crowds.Iterator(); !it.Done(); {
		key, n, _ := it.Next()
		counted[key] = n
	}
	return counted
}

func recount(f Fleet) map[crowdKey]crowd {
	counter := Fleet{crowds: newCrowds()}
	for it := f.clients.Iterator(); !it.Done(); {
		_, c, _ := it.Next()
		counter.count(crowdKey{c.Seat, c.Release}, crowd{}, c.standing())
	}
	return crowdsOf(counter)
}

func inspectSeat(before, after Seat, f Fleet) string {
	holder, connected := f.Client(after.Holder)
	switch {
	case after.Epoch < before.Epoch || after.Floor < before.Floor || after.Floor < after.Epoch:
		return fmt.Sprintf("2 epoch %d with floor %d after %d with %d", after.Epoch, after.Floor, before.Epoch, before.Floor)
	case (after.Phase == SeatVacant || after.Phase == SeatLost) != (after.Holder == ""):
		return fmt.Sprintf("1 seat %d is %s and its holder %q", after.ID, after.Phase, after.Holder)
	case after.Phase == SeatVacant && after.Instance != "", after.Phase != SeatVacant && after.Instance == "":
		return fmt.Sprintf("1 seat %d is %s and its instance %q", after.ID, after.Phase, after.Instance)
	case after.Holder != "" && !connected && !after.Swap.Stopped:
		return fmt.Sprintf("1 seat %d is held by %s, which is gone", after.ID, after.Holder)
	case connected && (holder.Instance != after.Instance || holder.Seat != after.ID):
		return fmt.Sprintf("1 seat %d of %q is held by %q of seat %d", after.ID, after.Instance, holder.Instance, holder.Seat)
	case after.Phase == SeatGranted && after.Due.IsZero():
		return fmt.Sprintf("5 seat %d is granted without a deadline", after.ID)
	case after.Phase != SeatLost && after.Closing != "":
		return fmt.Sprintf("1 seat %d is %s and waits for the end of %s", after.ID, after.Phase, after.Closing)
	case after.Phase == SeatLost && after.Due.IsZero() && f.Policy.Lease > 0:
		return fmt.Sprintf("5 seat %d is lost for ever", after.ID)
	}
	return ""
}

// inspectEffect looks at one effect, with those before it.
func inspectEffect(e Event, before, after Fleet, earlier []Effect, effect Effect) string {
	if _, ok := effect.(Store); ok && len(earlier) > 0 {
		return fmt.Sprintf("6 %T stands before the record", earlier[0])
	}
	epoch, grants := granted(effect)
	if !grants {
		return ""
	}
	id := clientOf(effect)
	client, _ := after.Client(id)
	seat := after.Seat(client.Seat)
	if seat.Holder != id || seat.Epoch != epoch {
		return fmt.Sprintf("2 %s is told epoch %d; seat %d has %d and %q", id, epoch, seat.ID, seat.Epoch, seat.Holder)
	}
	was := before.Seat(seat.ID)
	if known, _ := after.releases.Get(client.Release); known.State == ReleaseBad && !kept(was, seat, client) {
		return fmt.Sprintf("3 the seat goes to %s of the refused release %s", id, client.Release)
	}
	tell, _ := effect.(Tell)
	switch tell.Command.(type) {
	case protocol.OK:
		return inspectOK(e, id, seat)
	case protocol.ProcessCommands:
		if seat.Epoch == was.Epoch {
			return fmt.Sprintf("2 %s is granted the old epoch %d", id, epoch)
		}
	}
	return ""
}

// kept reports whether a client had the seat before and may still process: nobody takes it away by refusing its release.
func kept(was, seat Seat, c Client) bool {
	mine := was.Instance == c.Instance && (was.Phase != SeatGranted || was.Adopted)
	return mine && (seat.Epoch == was.Epoch || !was.Swap.Stopped)
}

// inspectOK is invariant 2: ok answers a ready of the holder, nothing else.
func inspectOK(e Event, id ClientID, seat Seat) string {
	if _, ready := e.Fact.(Ready); !ready || e.Client != id || seat.Phase != SeatHeld {
		return fmt.Sprintf("2 ok for %s answers %T of %s, with the seat %s", id, e.Fact, e.Client, seat.Phase)
	}
	return ""
}

func clientOf(effect Effect) ClientID {
	switch effect := effect.(type) {
	case Say:
		return effect.Client
	case Tell:
		return effect.Client
	}
	return ""
}

// replies counts what is said to the one who sent an event.
type replies struct{ answers, rejections, caches, commands int }

func repliesTo(e Event, effects []Effect) replies {
	var r replies
	confirmed := false
	for _, effect := range effects {
		if keep, ok := effect.(KeepCache); ok && keep.Client == e.Client {
			r.caches++
		}
		if answer, ok := effect.(Answer); ok && answer.Client == e.Client && answer.Ack == e.Ack {
			r.answers++
			if answer.Err != nil {
				r.rejections++
			}
		}
		if tell, ok := effect.(Tell); ok && tell.Client == e.Client && !confirmed {
			r.commands++
			_, confirmed = tell.Command.(protocol.OK) // what follows is no answer: a bake's first check, the order to stop for a swap
		}
	}
	return r
}

// inspectAnswers looks at what is owed to the one who sent the event: one acknowledgement, and for ready one command.
func inspectAnswers(e Event, before Fleet, effects []Effect) string {
	r := repliesTo(e, effects)
	if _, said := e.Fact.(Disconnect); !said && e.Ack != 0 && e.Client != "" && r.answers+r.caches != 1 {
		return fmt.Sprintf("7 %d acknowledgements of %T", r.answers, e.Fact)
	}
	c, known := before.Client(e.Client)
	if _, ready := e.Fact.(Ready); !ready || r.rejections > 0 || !known {
		return ""
	}
	s := before.Seat(c.Seat)
	underWay := c.Owed > 0 || s.Candidate == c.ID || s.Swap.From == c.ID && !s.Swap.Stopped || s.Swap.To == c.ID
	if r.commands > 1 || r.commands == 0 && !underWay {
		return fmt.Sprintf("2 ready of %s (%s) is answered by %d commands", c.ID, c.State, r.commands)
	}
	return ""
}
