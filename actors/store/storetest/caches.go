package storetest

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/urban-robot/urban-robot/actors/fleet"
	"github.com/urban-robot/urban-robot/actors/store"
	"github.com/urban-robot/urban-robot/protocol"
)

func cache(seat int, number uint64, json string, attachments ...[]byte) store.Cache {
	return store.Cache{
		CacheRecord: fleet.CacheRecord{Seat: seat, Number: number, Release: "1.0.0", At: start()},
		Cache:       protocol.Cache{JSON: []byte(json), Attachments: attachments},
	}
}

// noise returns n bytes that no compressor makes smaller.
func noise(n int) []byte {
	b := make([]byte, n)
	source := rand.NewChaCha8([32]byte{1})
	_, _ = source.Read(b) // cannot fail
	return b
}

func same(t *testing.T, got, want store.Cache) {
	t.Helper()
	if !bytes.Equal(got.Cache.JSON, want.Cache.JSON) {
		t.Errorf("LoadCache().JSON has %d other bytes, want the %d saved", len(got.Cache.JSON), len(want.Cache.JSON))
	}
	if len(got.Cache.Attachments) != len(want.Cache.Attachments) {
		t.Fatalf("LoadCache() has %d attachments, want %d", len(got.Cache.Attachments), len(want.Cache.Attachments))
	}
	for i, a := range got.Cache.Attachments {
		if !bytes.Equal(a, want.Cache.Attachments[i]) {
			t.Errorf("LoadCache().Attachments[%d] has %d other bytes, want the %d saved", i, len(a), len(want.Cache.Attachments[i]))
		}
	}
	want.Size = want.Cache.Size()
	equal(t, "LoadCache().CacheRecord", got.CacheRecord, want.CacheRecord)
}

func testCaches(t *testing.T, open Open) {
	s := open(t)
	now := acquired(t, s, name)
	placeholder := `{"_placeholder":true,"num":0}`
	caches := []store.Cache{
		cache(0, 1, `{"guild":9007199254740993,"user":18446744073709551615, "n":1e400,"x":1.10,"a":-0}`),
		cache(1, 1, placeholder, noise(3000)),
		cache(2, 1, `[`+placeholder+`,{"_placeholder":true,"num":1},{"_placeholder":true,"num":2}]`, []byte{0}, []byte{}, noise(70_000)),
		cache(3, 1, " null\n"),
		cache(4, 1, ""),
		cache(5, 1, `"`+strings.Repeat("ä\u2028", 1<<19)+`"`),
		cache(-1, store.MaxNumber, "\"\xff\xfe\"", nil), // not valid UTF-8, which is not the store's business
	}
	for _, c := range caches {
		now.save(c)
	}
	closed(t, s)
	now = acquired(t, opened(t, open), name)
	for _, c := range caches {
		got := now.load(c.Seat)
		same(t, got, c)
		_ = append(got.Cache.JSON, "overwritten"...)
		same(t, now.load(c.Seat), c)
	}
	_, err := now.store.LoadCache(t.Context(), name, 99)
	fails(t, "LoadCache", err, store.ErrNotFound)
}

func testCacheNumbers(t *testing.T, open Open) {
	s := acquired(t, opened(t, open), name)
	for _, number := range []uint64{0, 5, 3, 5, 7, 6, 4} {
		s.save(cache(0, number, fmt.Sprint(number)))
	}
	s.save(cache(0, 7, "not this one")) // a retry, as far as anybody knows
	same(t, s.load(0), cache(0, 7, "7"))
	stored := s.again().Caches
	equal(t, "Caches", stored, []fleet.CacheRecord{{Seat: 0, Number: 7, Size: 1, Release: "1.0.0", At: start()}})
}

func testCacheSizes(t *testing.T, open Open) {
	s := acquired(t, opened(t, open), name)
	s.save(cache(0, 1, "1"))
	huge := make([]byte, store.MaxCacheBytes)
	err := s.store.SaveCache(t.Context(), name, s.term, cache(0, 2, "x", huge))
	fails(t, "SaveCache", err, store.ErrTooLarge)
	half := store.Cache{CacheRecord: cache(0, 2, "").CacheRecord, Cache: protocol.Cache{JSON: huge[:len(huge)/2], Attachments: [][]byte{huge[:len(huge)/2], {1}}}}
	fails(t, "SaveCache", s.store.SaveCache(t.Context(), name, s.term, half), store.ErrTooLarge)
	same(t, s.load(0), cache(0, 1, "1"))
	lying := cache(0, 3, "123")
	lying.Size = store.MaxCacheBytes + 1 // the record does not count
	s.save(lying)
	same(t, s.load(0), lying)
	large := cache(0, 4, "", noise(9<<20)) // more than a poor choice of a buffer, and than one window of a compressor
	s.save(large)
	same(t, s.load(0), large)
}

func testOwnership(t *testing.T, open Open) {
	s := acquired(t, opened(t, open), name)
	held, json, attachment := []string{"1"}, []byte(`"json"`), []byte("attachment")
	record := seat(0, 1)
	record.Handled = held
	s.apply(record)
	c := store.Cache{CacheRecord: cache(0, 1, "").CacheRecord, Cache: protocol.Cache{JSON: json, Attachments: [][]byte{attachment}}}
	s.save(c)
	held[0] = "changed"
	stored := s.again()
	equal(t, "Handled", stored.Seats[0].Handled, []string{"1"})
	stored.Seats[0].Handled[0] = "changed"
	equal(t, "Handled", s.again().Seats[0].Handled, []string{"1"})
	same(t, s.load(0), c) // a cache is never changed after it was made: nothing more to ask for
}
