package fleet

import (
	"slices"
	"time"

	"github.com/benbjohnson/immutable"

	"github.com/urban-robot/urban-robot/protocol"
)

// Fleet is all that the rules know of one fleet. It is a value: Decide never changes what it was given. Its maps are
// persistent ones, so that a fleet of ten thousand clients is not copied for every event.
type Fleet struct {
	Policy Policy

	clients   *immutable.Map[ClientID, Client]
	crowds    *immutable.Map[crowdKey, crowd]  // of the clients
	instances *immutable.Map[string, ClientID] // of connected clients
	seats     *immutable.Map[int, Seat]
	releases  *immutable.Map[Release, ReleaseRecord]
	processes *immutable.Map[string, Process]
	lanes     *immutable.Map[int, Lane]
	logins    []LoginRecord // by hour, oldest first; replaced, never changed in place

	rollout   RolloutRecord
	remind    bool             // that it is halted: what was said of it may not have been heard
	surveyed  bool             // the driver has said which processes run
	prepared  map[Release]bool // by the driver, since the start; replaced, never changed in place
	preparing map[Release]bool // asked of the driver; likewise

	lastGood      Release
	tokenRejected bool
	arrivals      uint64 // numbers clients
	checks        uint64 // numbers health checks
	started       time.Time
	wake          time.Time
}

// Client is what is known of one connection.
type Client struct {
	ID       ClientID
	Number   uint64 // by arrival
	Instance string
	Release  Release
	Seat     int
	State    State
	Fenced   bool // it claimed a seat that is not its own
	Waiting  bool // for its login permit: hello is not sent yet
	WayBack  bool // its login may use the reserve

	ReadyBy time.Time // hello is sent, ready is due; zero: not
	Owed    int       // orders to enter coma not yet answered
	ComaBy  time.Time // the answer is due; zero: not, or the swap's deadline holds

	Check       Check     // outstanding
	NextCheck   time.Time // zero: none planned
	Successes   int       // in a row, as a candidate
	Failures    int       // in a row
	CandidateBy time.Time // not zero: it is its seat's candidate
	Promoted    bool      // it passed as a candidate and may have the seat
	Verdict     Verdict   // the newest
	Report      *protocol.HealthReport

	Cache     uint64    // number of the newest cache it was sent, or sent
	RestUntil time.Time // it gave the seat up: others first, until then
}

// Check is a health check without its answer. The zero Check is none.
type Check struct {
	ID    string
	Phase protocol.Phase
	By    time.Time
}

// SeatPhase says who is where on a seat.
type SeatPhase uint8

// Every phase of a seat.
const (
	SeatVacant  SeatPhase = iota + 1 // nobody's
	SeatGranted                      // granted, not confirmed by ok
	SeatHeld                         // its holder was told ok
	SeatLost                         // its holder's connection is gone, its lease is not
)

// String is the one spelling.
func (p SeatPhase) String() string {
	return enumName("SeatPhase", int(p), "vacant", "granted", "held", "lost")
}

// Seat is the right to process the user commands of one shard group.
type Seat struct {
	ID       int
	Phase    SeatPhase
	Epoch    uint64 // of the newest grant
	Floor    uint64 // the next grant is above it
	Holder   ClientID
	Instance string
	Release  Release
	Adopted  bool      // granted again to one who may still be processing: it was never told to stop
	Since    time.Time // of the grant
	Due      time.Time // Granted: ready is due. Lost: the lease is over; zero: never
	Closing  ClientID  // Lost: we end its holder's connection, and it is not known to have ended
	Handled  []string

	Swap        Swap
	Candidate   ClientID
	NoSwapUntil time.Time
	BakeUntil   time.Time // not zero: its release is baking
	Before      ClientID  // who held it before: the way back
	Short       bool      // too few standbys, and said so

	Cache   CacheRecord // newest that is stored
	Storing uint64      // number of the newest that is being stored; 0: none
	Numbers uint64      // the highest number ever given to one, stored or not
}

// Swap moves a seat from its holder to another client. The zero Swap is none.
type Swap struct {
	From, To ClientID
	Order    Parting
	Reason   protocol.Reason
	By       time.Time // the old one's answer is due
	Revert   bool      // back to a good release: the old one does not get it again
	Stopped  bool      // the old one has answered: it does not process
}

func (s Swap) active() bool { return s.To != "" }

// next returns the client's earliest deadline, zero if it has none.
func (c Client) next() time.Time {
	return earliest(c.ReadyBy, c.ComaBy, c.Check.By, c.NextCheck, c.CandidateBy, c.RestUntil)
}

// next returns the seat's earliest deadline, zero if it has none.
func (s Seat) next() time.Time {
	return earliest(s.Due, s.Swap.By, s.NoSwapUntil, s.BakeUntil)
}

// earliest returns the earliest time that is not zero.
func earliest(times ...time.Time) time.Time {
	var first time.Time
	for _, t := range times {
		if !t.IsZero() && (first.IsZero() || t.Before(first)) {
			first = t
		}
	}
	return first
}

// due reports whether a deadline has come.
func due(deadline, at time.Time) bool { return !deadline.IsZero() && !at.Before(deadline) }

// textHasher hashes the string kinds that are keys here.
type textHasher[K ~string] struct{}

func (textHasher[K]) Hash(key K) uint32 {
	h := uint32(2166136261)
	for i := range len(key) {
		h = (h ^ uint32(key[i])) * 16777619
	}
	return h
}

func (textHasher[K]) Equal(a, b K) bool { return a == b }

// Restore returns a fleet that starts at that time with what is stored. A seat that had a holder is lost, not
// vacant: the holder may be processing, and comes back within its lease.
func Restore(p Policy, stored Stored, at time.Time) Fleet {
	f := Fleet{
		Policy:    p,
		clients:   immutable.NewMap[ClientID, Client](textHasher[ClientID]{}),
		crowds:    newCrowds(),
		instances: immutable.NewMap[string, ClientID](textHasher[string]{}),
		seats:     immutable.NewMap[int, Seat](nil),
		releases:  immutable.NewMap[Release, ReleaseRecord](textHasher[Release]{}),
		processes: immutable.NewMap[string, Process](textHasher[string]{}),
		rollout:   stored.Rollout,
		lanes:     immutable.NewMap[int, Lane](nil),
		logins:    slices.Clone(stored.Logins),
		started:   at,
	}
	slices.SortFunc(f.logins, func(a, b LoginRecord) int { return a.Hour.Compare(b.Hour) })
	for _, r := range stored.Releases {
		f.releases = f.releases.Set(r.Release, r)
	}
	if len(f.logins) > 0 && p.Login.Spacing > 0 { // one may have begun just before
		for id := range p.Login.Concurrency {
			f.lanes = f.lanes.Set(id, newLane(at.Add(p.Login.Spacing)))
		}
	}
	f.lastGood = newestGood(f.releases)
	for _, r := range stored.Processes {
		f.processes = f.processes.Set(r.Instance, Process{
			Instance: r.Instance, Release: r.Release, Seat: r.Seat, Number: r.Number, Retired: r.Retired,
		})
	}
	for _, r := range stored.Seats {
		seat := Seat{
			ID: r.Seat, Phase: SeatVacant, Epoch: r.Epoch, Floor: r.Epoch, Instance: r.Instance, Release: r.Release,
			Since: r.Since, Handled: r.Handled,
			Numbers: uint64(max(0, at.UnixMicro())), // above those of caches that are still being stored for the one before
		}
		if r.Instance != "" {
			seat.Phase, seat.Due = SeatLost, p.leaseOver(at)
		}
		f.seats = f.seats.Set(r.Seat, seat)
	}
	for _, c := range stored.Caches {
		seat := f.seat(c.Seat)
		seat.Cache = c
		seat.Numbers = max(seat.Numbers, c.Number)
		f.seats = f.seats.Set(c.Seat, seat)
	}
	f.wake = f.earliest()
	if f.remind = f.rollout.haltedSince(at.Add(-toldAgain)); f.remind {
		f.wake = at
	}
	return f
}

// leaseOver is when a holder that is out of reach since at has stopped by itself; zero: never.
func (p Policy) leaseOver(at time.Time) time.Time {
	if p.Lease == 0 {
		return time.Time{}
	}
	return at.Add(p.Lease + p.LeaseMargin)
}

// Wake is when the rules want to see a Tick; zero: not before the next event.
func (f Fleet) Wake() time.Time { return f.wake }

// Len is the number of connected clients.
func (f Fleet) Len() int { return f.clients.Len() }

// Client returns what is known of a connection.
func (f Fleet) Client(id ClientID) (Client, bool) { return f.clients.Get(id) }

// Seat returns a seat; one that was never granted is vacant.
func (f Fleet) Seat(id int) Seat { return f.seat(id) }

// LastGood is the last known good release, empty while there is none.
func (f Fleet) LastGood() Release { return f.lastGood }

func (f Fleet) seat(id int) Seat {
	if seat, ok := f.seats.Get(id); ok {
		return seat
	}
	return Seat{ID: id, Phase: SeatVacant}
}

// earliest looks through all deadlines. It costs a walk over all clients: Decide calls it for a Tick only.
func (f Fleet) earliest() time.Time {
	var first time.Time
	for it := f.clients.Iterator(); !it.Done(); {
		_, c, _ := it.Next()
		first = earliest(first, c.next())
	}
	for it := f.seats.Iterator(); !it.Done(); {
		_, seat, _ := it.Next()
		first = earliest(first, seat.next())
	}
	for it := f.lanes.Iterator(); !it.Done(); {
		_, lane, _ := it.Next()
		first = earliest(first, lane.FreeAt)
	}
	for it := f.processes.Iterator(); !it.Done(); {
		_, p, _ := it.Next()
		first = earliest(first, p.next())
	}
	return earliest(first, f.rollout.NotBefore, f.rollout.AttemptBy)
}

func newestGood(releases *immutable.Map[Release, ReleaseRecord]) Release {
	var good ReleaseRecord
	for it := releases.Iterator(); !it.Done(); {
		_, r, _ := it.Next()
		if r.State == ReleaseGood && (good.Release == "" || r.At.After(good.At) || r.At.Equal(good.At) && r.Release > good.Release) {
			good = r
		}
	}
	return good.Release
}
