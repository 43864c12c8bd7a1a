package webhook

import (
	"net/netip"
	"sync"
	"time"
)

const (
	strikeWindow = time.Minute
	maxStrikers  = 4096 // addresses that are counted at once
)

// strikes counts wrong signatures by address.
type strikes struct {
	limit int

	mu sync.Mutex
	by map[netip.Prefix]strike
}

type strike struct {
	since time.Time
	n     int
}

func newStrikes(limit int) *strikes { return &strikes{limit: limit, by: make(map[netip.Prefix]strike)} }

// add counts a wrong signature. It reports whether it is one of the first, which are logged.
func (s *strikes) add(who netip.Prefix) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := time.Now()
	k, known := s.by[who]
	if !known && len(s.by) >= maxStrikers {
		clear(s.by) // all begin anew: cheaper than to find the oldest, for each of so many
	}
	if now.Sub(k.since) >= strikeWindow {
		k = strike{since: now}
	}
	k.n++
	s.by[who] = k
	return k.n <= s.limit
}

// out reports whether an address has sent too many wrong signatures to be listened to.
func (s *strikes) out(who netip.Prefix) bool {
	if shared(who.Addr()) {
		return false
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	k := s.by[who]
	return k.n >= s.limit && time.Since(k.since) < strikeWindow
}

// shared reports whether an address may be a reverse proxy's: refusing it would refuse the provider too.
func shared(a netip.Addr) bool {
	return !a.IsValid() || a.IsLoopback() || a.IsPrivate() || a.IsLinkLocalUnicast()
}

// striker returns whom to count a request for: an IPv4 address, or the network that an IPv6 host chooses its addresses from.
func striker(remote string) netip.Prefix {
	at, err := netip.ParseAddrPort(remote)
	if err != nil {
		return netip.Prefix{}
	}
	address := at.Addr().Unmap().WithZone("")
	bits := 64
	if address.Is4() {
		bits = 32
	}
	return netip.PrefixFrom(address, bits).Masked()
}
