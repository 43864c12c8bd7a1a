package fleet

import (
	"fmt"
	"testing"
	"time"

	"github.com/urban-robot/urban-robot/protocol"
)

// FuzzDecide feeds any events in any order straight into the rules: no panic, and after each the invariants that every state
// and every answer keep by themselves. Three bytes make an event: what, who, and how.
func FuzzDecide(f *testing.F) {
	f.Add([]byte{})
	f.Add([]byte{0, 0, 0, 1, 0, 0, 0, 1, 1, 1, 1, 0, 2, 1, 0, 4, 0, 3, 1, 1, 0})   // a swap
	f.Add([]byte{0, 0, 0, 1, 0, 0, 6, 0, 0, 0, 1, 8, 1, 1, 0, 9, 0, 40, 9, 0, 40}) // a holder is lost and comes back
	f.Add([]byte{0, 0, 0, 1, 0, 0, 3, 0, 1, 7, 0, 0, 0, 1, 1, 1, 1, 0, 2, 1, 4})   // a cache, a refused release
	f.Add([]byte{0, 0, 8, 1, 0, 0, 5, 0, 1, 0, 1, 2, 0, 2, 3, 9, 0, 255, 8, 0, 0})
	f.Fuzz(play)
}

// play decides on a whole script.
func play(t *testing.T, script []byte) {
	p := simPolicy()
	if len(script) > 0 && script[0]%2 == 1 {
		p.Shards, p.Login.Spacing, p.Outdated = 2, 0, PartingShutdown
	}
	if len(script) > 1 && script[1]%2 == 1 {
		drivenSim(&p)
	}
	at := epoch0
	state := Restore(p, Stored{}, at)
	var kept []letter
	for i := 0; i+2 < len(script) && i < 600; i += 3 {
		e := fuzzed(script[i], script[i+1], script[i+2], state, &kept)
		at = at.Add(time.Duration(script[i+2]%8) * 100 * time.Millisecond)
		if _, tick := e.Fact.(Tick); tick {
			at = at.Add(time.Duration(script[i+2]) * time.Second / 2)
		}
		if e.At = at; e.Client != "" && e.Ack == 0 {
			e.Ack = uint64(i + 1)
		}
		next, effects := Decide(e, state)
		if problem := inspect(e, state, next, effects); problem != "" {
			t.Fatalf("event %d, %T of %s: %s", i/3, e.Fact, e.Client, problem)
		}
		kept = append(kept, storedLater(effects, i%7 == 0)...)
		state = next
	}
}

// storedLater lists what comes of the caches to be stored.
func storedLater(effects []Effect, failed bool) []letter {
	var kept []letter
	for _, effect := range effects {
		if keep, ok := effect.(KeepCache); ok {
			kept = append(kept, letter{event: Event{Client: keep.Client, Ack: keep.Ack, Fact: CacheStored{Record: keep.Record, Failed: failed}}})
		}
	}
	return kept
}

// fuzzed makes an event of three bytes.
func fuzzed(what, who, how byte, state Fleet, kept *[]letter) Event {
	id := ClientID(fmt.Sprintf("c%d", who%6))
	e := Event{Client: id}
	c, _ := state.Client(id)
	epoch := state.Seat(c.Seat).Epoch
	no := how%4 != 0
	switch what % 14 {
	case 10, 11, 12, 13:
		return fuzzedRollout(what, who, how, state)
	case 0:
		fact := Identify{Release: semantic[int(how)%len(semantic)]}
		if how&4 != 0 {
			fact.Instance = fmt.Sprintf("p%d", who%4)
		}
		if how&8 != 0 {
			fact.Session = &protocol.Session{Epoch: epoch + uint64(how>>6), Active: how&16 != 0, Ready: how&32 != 0}
		}
		e.Fact = fact
	case 1:
		e.Fact = Ready{}
	case 2:
		e.Fact = Health{Report: protocol.HealthReport{OK: &no, CheckID: c.Check.ID}}
	case 3:
		e.Fact = Cache{Size: int(how) * 8}
	case 4:
		e.Fact = Coma{Epoch: uint64(how % 4)}
	case 5:
		e.Fact = Shutdown{Epoch: uint64(how % 4)}
	case 6:
		e.Fact = Disconnect{Said: how%2 == 0}
	case 7:
		if len(*kept) == 0 {
			return Event{Fact: Tick{}}
		}
		e = (*kept)[0].event
		*kept = (*kept)[1:]
	case 8:
		e = Event{Fact: Exited{Instance: c.Instance}}
	default:
		e = Event{Fact: Tick{}}
	}
	return e
}

// fuzzedRollout makes an event of people or the driver.
func fuzzedRollout(what, who, how byte, state Fleet) Event {
	release := semantic[int(how)%len(semantic)]
	instance := fmt.Sprintf("%s-%d", slug(release), 1+who%8)
	failure := []Failure{"", "", FailureSetup, FailureDriver}[who%4]
	asked := []Fact{
		Deploy{Release: release, Only: Only(who % 3)}, Deploy{Release: release}, Rollback{Release: release}, Rollback{}, TryAgain{},
	}
	driven := []Fact{
		Prepared{Release: release, Failure: failure},
		Launched{Instance: instance, Failure: failure},
		Exited{Instance: instance},
		Running{Unknown: who%2 == 0, Instances: []string{instance}},
		Prepared{Release: release},
	}
	switch what % 14 {
	case 10:
		return Event{Ack: uint64(who) + 1, Fact: asked[int(who)%len(asked)]}
	case 11, 12:
		return Event{Fact: driven[int(who)%len(driven)]}
	}
	p, _ := state.processes.Get(instance)
	return Event{Client: ClientID(fmt.Sprintf("c%d", who%6)), Fact: Identify{Instance: instance, Release: p.Release, Launched: true}}
}
