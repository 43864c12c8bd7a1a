package fleet

import (
	"testing"
	"time"

	"github.com/urban-robot/urban-robot/protocol"
)

// played is a fleet to which things happen one after the other.
type played struct {
	t       *testing.T
	at      time.Time
	state   Fleet
	effects []Effect // of the newest event
}

func playFrom(t *testing.T, p Policy, stored Stored) *played {
	t.Helper()
	return &played{t: t, at: epoch0, state: Restore(p, stored, epoch0)}
}

// hear decides on an event that comes after a while.
func (p *played) hear(after time.Duration, client ClientID, fact Fact) {
	p.t.Helper()
	p.at = p.at.Add(after)
	e := Event{At: p.at, Client: client, Fact: fact}
	next, effects := Decide(e, p.state)
	if problem := inspect(e, p.state, next, effects); problem != "" {
		p.t.Fatalf("Decide(%T of %s): %s", fact, client, problem)
	}
	p.state, p.effects = next, effects
}

// TestLeaseCountsFromTheEndOfTheConnection: what the simulation needs too much luck for. The order to close a holder's
// connection waits for the store, and a Tick is there before the end of the connection is reported.
func TestLeaseCountsFromTheEndOfTheConnection(t *testing.T) {
	t.Parallel()
	p := simPolicy()
	g := playFrom(t, p, Stored{Seats: []SeatRecord{{Epoch: 4, Instance: "a", Release: "1.0.0", Since: epoch0}}})
	g.hear(0, "c1", Identify{Instance: "a", Release: "1.0.0", Session: &protocol.Session{Epoch: 4, Active: true, Ready: true}})
	g.hear(p.Ready, "", Tick{}) // it was adopted, and never said ready: its connection is to be closed
	if s := g.state.Seat(0); s.Phase != SeatLost || s.Closing != "c1" {
		t.Fatalf("the seat is %s and waits for the end of %q, want lost and c1", s.Phase, s.Closing)
	}
	g.hear(p.Lease+p.LeaseMargin+time.Second, "", Tick{}) // only now does it hear of that
	g.hear(time.Second, "c1", Disconnect{})
	want := g.at.Add(p.Lease + p.LeaseMargin)
	if s := g.state.Seat(0); s.Phase != SeatLost || s.Due.Before(want.Add(-time.Second)) {
		t.Errorf("the seat is %s until %v, want lost until about %v", s.Phase, s.Due, want)
	}
	g.hear(p.Lease+p.LeaseMargin, "", Tick{})
	if s := g.state.Seat(0); s.Phase != SeatVacant {
		t.Errorf("the seat is %s after the lease, want vacant", s.Phase)
	}
}

// TestClaimedEpochs: a client that has seen more than the store is told no less; one that claims the moon changes nothing.
func TestClaimedEpochs(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ claim, want uint64 }{
		"a store restored from a backup": {claim: 9, want: 9},
		"an epoch out of nowhere":        {claim: protocol.MaxInteger, want: 4},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			g := playFrom(t, simPolicy(), Stored{Seats: []SeatRecord{{Epoch: 4, Instance: "a", Release: "1.0.0", Since: epoch0}}})
			g.hear(0, "c1", Identify{Instance: "b", Release: "1.0.0", Session: &protocol.Session{Epoch: c.claim, Active: true, Ready: true}})
			for _, effect := range g.effects {
				if say, ok := effect.(Say); ok && (say.Hello.ProcessCommands || say.Hello.Epoch != c.want) {
					t.Errorf("hello is %v with epoch %d, want false with %d", say.Hello.ProcessCommands, say.Hello.Epoch, c.want)
				}
			}
			if floor := g.state.Seat(0).Floor; floor != c.want {
				t.Errorf("the next grant is above %d, want above %d", floor, c.want)
			}
		})
	}
}
