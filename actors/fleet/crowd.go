package fleet

import "github.com/benbjohnson/immutable"

// crowd counts the clients of one release on one seat, so that the rules need not walk over all of them for each event of a
// fleet of thousands.
type crowd struct {
	present int // not on their way out
	waiting int // in coma, with every order answered
	able    int // in coma, and able to take over for all that is known
}

type crowdKey struct {
	seat    int
	release Release
}

type crowdHasher struct{ textHasher[Release] }

func (h crowdHasher) Hash(key crowdKey) uint32 {
	return h.textHasher.Hash(key.release) ^ uint32(key.seat) //nolint:gosec // G115: any bits will do
}

func (crowdHasher) Equal(a, b crowdKey) bool { return a == b }

// standing is what a client counts for.
func (c Client) standing() crowd {
	var n crowd
	if c.State != StateShuttingDown && c.State != StateGone {
		n.present = 1
	}
	if c.State == StateComa && c.Owed == 0 {
		n.waiting = 1
	}
	if c.State == StateComa && c.Verdict.Result != ResultFail && c.Verdict.Result != ResultError {
		n.able = 1
	}
	return n
}

// count replaces what a client counted for.
func (f *Fleet) count(key crowdKey, before, after crowd) {
	if before == after {
		return
	}
	n, _ := f.crowds.Get(key)
	n.present += after.present - before.present
	n.waiting += after.waiting - before.waiting
	n.able += after.able - before.able
	if n == (crowd{}) {
		f.crowds = f.crowds.Delete(key)
		return
	}
	f.crowds = f.crowds.Set(key, n)
}

// put keeps a client; the wake-up moves forward if the client needs it.
func (t *turn) put(c Client) {
	var before crowd
	if known, ok := t.clients.Get(c.ID); ok {
		before = known.standing()
	}
	t.count(crowdKey{c.Seat, c.Release}, before, c.standing())
	t.clients = t.clients.Set(c.ID, c)
	t.wake = earliest(t.wake, c.next())
}

// forget drops a client.
func (t *turn) forget(id ClientID) {
	if known, ok := t.clients.Get(id); ok {
		t.count(crowdKey{known.Seat, known.Release}, known.standing(), crowd{})
		t.clients = t.clients.Delete(id)
	}
}

// crowdOf counts the clients of a release on a seat.
func (f Fleet) crowdOf(seat int, r Release) crowd {
	n, _ := f.crowds.Get(crowdKey{seat, r})
	return n
}

// anyWaiting reports whether a client of such a release waits on a seat.
func (f Fleet) anyWaiting(seat int, such func(Release) bool) bool {
	for it := f.crowds.Iterator(); !it.Done(); {
		if key, n, _ := it.Next(); key.seat == seat && n.waiting > 0 && such(key.release) {
			return true
		}
	}
	return false
}

// able counts the clients on a seat, of releases that are not refused, that can take over for all that is known.
func (t *turn) able(seat int) int {
	able := 0
	for it := t.crowds.Iterator(); !it.Done(); {
		if key, n, _ := it.Next(); key.seat == seat && !t.bad(key.release) {
			able += n.able
		}
	}
	return able
}

func newCrowds() *immutable.Map[crowdKey, crowd] {
	return immutable.NewMap[crowdKey, crowd](crowdHasher{})
}
