package fleet

import (
	"fmt"

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
	for i, effect := range effects {
		if problem := inspectEffect(e, before, after, effects[:i], effect); problem != "" {
			return problem
		}
	}
	return inspectAnswers(e, before, effects)
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
	if _, ok := effect.(Store); ok {
		for _, other := range earlier {
			if hangup, ok := other.(Hangup); !ok || !hangup.Abort {
				return fmt.Sprintf("6 %T stands before the record", other)
			}
		}
		return ""
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
	if tell, ok := effect.(Tell); ok {
		if _, ok := tell.Command.(protocol.OK); ok {
			return inspectOK(e, id, seat)
		}
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

// inspectAnswers looks at what is owed to the one who sent the event: one acknowledgement, and for ready one command.
func inspectAnswers(e Event, before Fleet, effects []Effect) string {
	answers, commands, rejected, kept, confirmed := 0, 0, false, false, false
	for _, effect := range effects {
		switch effect := effect.(type) {
		case Answer:
			if effect.Client == e.Client && effect.Ack == e.Ack {
				answers++
				rejected = rejected || effect.Err != nil
			}
		case KeepCache:
			kept = true
		case Tell:
			_, ok := effect.Command.(protocol.OK)
			if confirmed = confirmed || ok; effect.Client == e.Client && (ok || !confirmed) {
				commands++ // what follows ok is no answer: the first check of a bake, the order to stop for a swap
			}
		}
	}
	if _, said := e.Fact.(Disconnect); !said && e.Ack != 0 && answers != 1 && (!kept || answers != 0) {
		return fmt.Sprintf("7 %d acknowledgements of %T", answers, e.Fact)
	}
	c, known := before.Client(e.Client)
	if _, ready := e.Fact.(Ready); !ready || rejected || !known {
		return ""
	}
	s := before.Seat(c.Seat)
	underWay := c.Owed > 0 || s.Candidate == c.ID || s.Swap.From == c.ID && !s.Swap.Stopped || s.Swap.To == c.ID
	if commands > 1 || commands == 0 && !underWay {
		return fmt.Sprintf("2 ready of %s (%s) is answered by %d commands", c.ID, c.State, commands)
	}
	return ""
}
