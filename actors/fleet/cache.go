package fleet

import (
	"github.com/urban-robot/urban-robot/protocol"
)

// cache takes the holder's cache. It is acknowledged, and handed on, once it is stored.
func (t *turn) cache(e Event, c Client, fact Cache) {
	s := t.seat(c.Seat)
	switch {
	case s.Holder != c.ID || s.Swap.Stopped && s.Swap.From == c.ID || c.State == StateIdentified:
		t.answer(e, protocol.Errorf(protocol.CodeNotAllowed, "", "only the client that processes commands sends its cache, and before its coma or shutdown"))
		return
	case fact.Size > t.Policy.CacheBytes:
		t.answer(e, protocol.Errorf(protocol.CodeTooLarge, "cache", "it has %d bytes, the limit is %d; make it smaller, or raise cache.max_bytes", fact.Size, t.Policy.CacheBytes))
		return
	}
	s.Numbers++
	number := s.Numbers
	s.Storing = number
	t.putSeat(s)
	c.Cache = number
	t.put(c)
	t.do(KeepCache{
		Client: c.ID, Ack: e.Ack, Record: CacheRecord{Seat: s.ID, Number: number, Size: fact.Size, Release: c.Release, At: t.at},
	})
}

// cacheStored hands a stored cache to every client of the seat that is logged in and has an older one.
func (t *turn) cacheStored(e Event, fact CacheStored) {
	s := t.seat(fact.Record.Seat)
	if s.Storing == fact.Record.Number {
		s.Storing = 0
	}
	if fact.Failed {
		t.answer(e, protocol.Errorf(protocol.CodeUnavailable, "", "the cache could not be stored; send it again"))
	} else {
		t.answer(e, nil)
	}
	if !fact.Failed && fact.Record.Number > s.Cache.Number {
		s.Cache = fact.Record
		t.deliver(s)
	}
	t.putSeat(s)
	if s.Storing == 0 && s.Swap.Stopped && s.Phase == SeatHeld {
		t.handOver(s)
	}
	t.unsettle(s.ID)
}

// deliver sends the seat's newest cache to all who lack it. The holder has newer news of its own: it never gets one that is
// late, not even once it has stopped.
func (t *turn) deliver(s Seat) {
	if c, ok := t.clients.Get(s.Holder); ok && (c.State == StateActive || s.Adopted) {
		c.Cache = max(c.Cache, s.Cache.Number)
		t.put(c)
	}
	lack := t.of(s.ID, func(c Client) bool {
		return c.Cache < s.Cache.Number && (c.State == StateReady || c.State == StateComa)
	})
	if len(lack) == 0 {
		return
	}
	to := make([]ClientID, 0, len(lack))
	for _, c := range lack {
		c.Cache = s.Cache.Number
		t.put(c)
		to = append(to, c.ID)
	}
	t.do(DeliverCache{Seat: s.ID, Number: s.Cache.Number, To: to})
}

// sendCache brings one client up to date, before the command that may make it the holder.
func (t *turn) sendCache(c Client) Client {
	s := t.seat(c.Seat)
	if c.Cache >= s.Cache.Number || s.Holder == c.ID && s.Adopted || c.State == StateActive {
		return c
	}
	c.Cache = s.Cache.Number
	t.put(c)
	t.do(DeliverCache{Seat: s.ID, Number: s.Cache.Number, To: []ClientID{c.ID}})
	return c
}
