package fleet

import (
	"cmp"
	"slices"
	"time"
)

// View is a fleet as people see it: plain data, sorted.
type View struct {
	Desired  Release
	LastGood Release
	Rollout  RolloutRecord
	Halted   string
	Seats    []SeatView
	Clients  []ClientView
	Running  []ProcessView
	Releases []ReleaseView
	Logins   int // that count against the budget
	Policy   Policy
}

// SeatView is a seat as people see it.
type SeatView struct {
	Seat     int
	Phase    SeatPhase
	Epoch    uint64
	Release  Release
	Instance string
	Since    time.Time
	Baking   bool
}

// ClientView is a client as people see it.
type ClientView struct {
	ID       ClientID
	Instance string
	Release  Release
	Seat     int
	State    State
	Verdict  Verdict
}

// Standby reports whether the client can take over at once, for all that is known.
func (c ClientView) Standby() bool {
	return c.State == StateComa && c.Verdict.Result != ResultFail && c.Verdict.Result != ResultError
}

// ProcessView is a process as people see it.
type ProcessView struct {
	Instance string
	Release  Release
	Seat     int
	PID      int // 0: it is not known
	Retired  bool
}

// ReleaseView is a release as people see it.
type ReleaseView struct {
	ReleaseRecord
	Stage Stage // of its newest attempt that is known; 0: none is
}

// View returns the fleet as it is at that time.
func (f Fleet) View(at time.Time) View {
	v := View{
		Desired: f.rollout.Desired, LastGood: f.lastGood, Rollout: f.rollout, Halted: f.rollout.Halted, Logins: f.Logins(at), Policy: f.Policy,
	}
	for id := range f.Policy.Shards {
		s := f.seat(id)
		v.Seats = append(v.Seats, SeatView{
			Seat: id, Phase: s.Phase, Epoch: s.Epoch, Release: s.Release, Instance: s.Instance, Since: s.Since, Baking: !s.BakeUntil.IsZero(),
		})
	}
	for it := f.clients.Iterator(); !it.Done(); {
		_, c, _ := it.Next()
		v.Clients = append(v.Clients, ClientView{ID: c.ID, Instance: c.Instance, Release: c.Release, Seat: c.Seat, State: c.State, Verdict: c.Verdict})
	}
	slices.SortFunc(v.Clients, func(a, b ClientView) int {
		return cmp.Or(cmp.Compare(a.Seat, b.Seat), cmp.Compare(a.Instance, b.Instance))
	})
	for it := f.processes.Iterator(); !it.Done(); {
		_, p, _ := it.Next()
		v.Running = append(v.Running, ProcessView{Instance: p.Instance, Release: p.Release, Seat: p.Seat, PID: p.PID, Retired: p.Retired})
	}
	slices.SortFunc(v.Running, func(a, b ProcessView) int { return cmp.Compare(a.Instance, b.Instance) })
	for it := f.releases.Iterator(); !it.Done(); {
		_, r, _ := it.Next()
		v.Releases = append(v.Releases, ReleaseView{ReleaseRecord: r, Stage: f.stageOf(r)})
	}
	slices.SortFunc(v.Releases, func(a, b ReleaseView) int {
		return cmp.Or(cmp.Compare(b.Generation, a.Generation), b.At.Compare(a.At), cmp.Compare(a.Release, b.Release))
	})
	return v
}

// stageOf is how far a release's newest attempt came, as far as that is kept.
func (f Fleet) stageOf(r ReleaseRecord) Stage {
	switch {
	case f.rollout.Attempt.Release == r.Release:
		return f.rollout.Attempt.Stage
	case r.State == ReleaseGood:
		return StageGood
	case r.State == ReleaseBad:
		return StageBad
	case f.rollout.Last.Release == r.Release:
		return f.rollout.Last.Stage
	}
	return 0
}
