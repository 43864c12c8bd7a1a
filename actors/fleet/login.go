package fleet

import (
	"slices"
	"time"

	"github.com/benbjohnson/immutable"

	"github.com/urban-robot/urban-robot/protocol"
)

// Lane paces the logins of the shards that share one of Discord's keys (shard_id % max_concurrency): one at a time, and
// then the spacing.
type Lane struct {
	Busy   ClientID  // logs in now
	FreeAt time.Time // not zero: nobody may begin before
	// Queue holds who waits, by arrival; first those on the way back: good releases, and any as long as there is none.
	Urgent, Queue *immutable.List[ClientID]
}

// budgetWindow is how long a login counts. Counts are kept by the hour, so the last minute of an hour counts an hour more.
const budgetWindow = 24*time.Hour + time.Hour

// admit sends hello to a client, now or when it may log in. One that is logged in needs no permit.
func (t *turn) admit(c Client, loggedIn bool) {
	if loggedIn {
		t.greet(c)
		return
	}
	c.Waiting, c.WayBack = true, t.coldStart(c)
	t.put(c)
	lane := t.lane(c)
	if c.WayBack {
		lane.Urgent = lane.Urgent.Append(c.ID)
	} else {
		lane.Queue = lane.Queue.Append(c.ID)
	}
	t.putLane(c, lane)
	t.nextLogin(t.laneOf(c))
}

func (t *turn) laneOf(c Client) int { return c.Seat % t.Policy.Login.Concurrency }

func (t *turn) lane(c Client) Lane {
	lane, ok := t.lanes.Get(t.laneOf(c))
	if !ok {
		lane = newLane(time.Time{})
	}
	return lane
}

func newLane(freeAt time.Time) Lane {
	return Lane{FreeAt: freeAt, Urgent: immutable.NewList[ClientID](), Queue: immutable.NewList[ClientID]()}
}

func (t *turn) putLane(c Client, lane Lane) { t.setLane(t.laneOf(c), lane) }

func (t *turn) setLane(id int, lane Lane) {
	t.lanes = t.lanes.Set(id, lane)
	t.wake = earliest(t.wake, lane.FreeAt)
}

// nextLogin lets the next one in the lane log in, if it is free.
func (t *turn) nextLogin(id int) {
	for {
		lane, ok := t.lanes.Get(id)
		if !ok || lane.Busy != "" || !lane.FreeAt.IsZero() {
			return
		}
		next, rest := take(lane)
		if next == "" {
			return
		}
		t.setLane(id, rest)
		c, ok := t.clients.Get(next)
		if !ok || !c.Waiting || t.bad(c.Release) { // a refused one is about to be told so
			continue
		}
		if t.bad(c.Release) {
			t.turnAway(c)
			continue
		}
		if !t.spend(c) {
			continue
		}
		rest.Busy = c.ID
		t.setLane(id, rest)
		t.greet(c)
		return
	}
}

// take returns the first in the queue and the lane without it.
func take(l Lane) (ClientID, Lane) {
	switch {
	case l.Urgent.Len() > 0:
		first := l.Urgent.Get(0)
		l.Urgent = l.Urgent.Slice(1, l.Urgent.Len())
		return first, l
	case l.Queue.Len() > 0:
		first := l.Queue.Get(0)
		l.Queue = l.Queue.Slice(1, l.Queue.Len())
		return first, l
	}
	return "", l
}

// spend takes a login off the budget; if there is none left for this client, it is refused.
func (t *turn) spend(c Client) bool {
	used := 0
	kept := make([]LoginRecord, 0, len(t.logins)+1)
	for _, l := range t.logins {
		if t.at.Before(l.Hour.Add(budgetWindow)) {
			kept = append(kept, l)
			used += l.Count
		}
	}
	limit := t.Policy.Login.Daily
	if !c.WayBack {
		limit -= t.Policy.Login.Reserve
	}
	if used >= limit {
		t.overBudget(c, used)
		return false
	}
	hour := t.at.UTC().Truncate(time.Hour)
	if n := len(kept); n > 0 && kept[n-1].Hour.Equal(hour) {
		kept[n-1].Count++
	} else {
		kept = append(kept, LoginRecord{Hour: hour, Count: 1})
	}
	t.logins = kept
	t.record(kept[len(kept)-1])
	return true
}

// turnAway dismisses a client that still waits for its permit: its release was refused meanwhile.
func (t *turn) turnAway(c Client) {
	t.do(Say{Client: c.ID, Hello: protocol.Hello{Error: t.quarantined(c.Release)}})
	t.dismiss(c, protocol.ReasonQuarantinedVersion)
}

func (t *turn) overBudget(c Client, used int) {
	err := protocol.Errorf(protocol.CodeIdentifyBudget, "", "%d Discord logins were used in 24 hours; the rest is kept for the way back; come back in an hour", used)
	t.do(Say{Client: c.ID, Hello: protocol.Hello{Error: err}}, Hangup{Client: c.ID})
	t.gone(c, err.Error())
	if t.onTrial(c.Release) {
		t.end(StageAborted, FailureBudget, err.Message) // not the release's fault
	}
}

// loggedIn ends a client's turn in its lane: it is ready, or it never will be.
func (t *turn) loggedIn(c Client) {
	lane, ok := t.lanes.Get(t.laneOf(c))
	if !ok || lane.Busy != c.ID {
		return
	}
	lane.Busy = ""
	if t.Policy.Login.Spacing > 0 {
		lane.FreeAt = t.at.Add(t.Policy.Login.Spacing)
	}
	t.putLane(c, lane)
	t.nextLogin(t.laneOf(c))
}

// tickLanes opens the lanes whose spacing is over.
func (t *turn) tickLanes() {
	var open []int
	for it := t.lanes.Iterator(); !it.Done(); {
		id, lane, _ := it.Next()
		if due(lane.FreeAt, t.at) {
			open = append(open, id)
		}
	}
	slices.Sort(open)
	for _, id := range open {
		lane, _ := t.lanes.Get(id)
		lane.FreeAt = time.Time{}
		t.setLane(id, lane)
		t.nextLogin(id)
	}
}

// Logins is the number of Discord logins that count against the budget at that time.
func (f Fleet) Logins(at time.Time) int {
	used := 0
	for _, l := range f.logins {
		if at.Before(l.Hour.Add(budgetWindow)) {
			used += l.Count
		}
	}
	return used
}
