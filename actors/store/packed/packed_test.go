package packed_test

import (
	"bytes"
	"errors"
	"math/rand/v2"
	"testing"

	"github.com/urban-robot/urban-robot/actors/store"
	"github.com/urban-robot/urban-robot/actors/store/packed"
	"github.com/urban-robot/urban-robot/protocol"
)

func codec(t testing.TB) *packed.Codec {
	t.Helper()
	c, err := packed.NewCodec()
	if err != nil {
		t.Fatalf("NewCodec() = %v, want nil", err)
	}
	return c
}

func same(a, b protocol.Cache) bool {
	if !bytes.Equal(a.JSON, b.JSON) || len(a.Attachments) != len(b.Attachments) {
		return false
	}
	for i := range a.Attachments {
		if !bytes.Equal(a.Attachments[i], b.Attachments[i]) {
			return false
		}
	}
	return true
}

func FuzzPackUnpack(f *testing.F) {
	f.Add([]byte(`{"guild":9007199254740993}`), []byte{}, []byte{0, 1}, uint8(2))
	f.Add([]byte{}, []byte{}, []byte{}, uint8(0))
	f.Add(bytes.Repeat([]byte("a"), 300), []byte("x"), []byte("y"), uint8(1))
	c := codec(f)
	f.Fuzz(func(t *testing.T, json, first, second []byte, n uint8) {
		cache := protocol.Cache{JSON: json, Attachments: [][]byte{first, second}[:n%3]}
		row := c.Pack(cache)
		got, err := c.Unpack(row)
		if err != nil || !same(got, cache) || row.Size != cache.Size() {
			t.Errorf("Unpack(Pack(%+v)) = %+v, %v, size %d", cache, got, err, row.Size)
		}
	})
}

func FuzzUnpackSurvivesDamage(f *testing.F) {
	c := codec(f)
	good := c.Pack(protocol.Cache{JSON: []byte("123"), Attachments: [][]byte{[]byte("45")}})
	f.Add(good.Data, good.Parts, good.Size)
	f.Add(good.Data[:len(good.Data)-1], good.Parts, good.Size)
	f.Add(good.Data, "2,3", 5)
	f.Add(good.Data, "", 0)
	f.Add([]byte{}, "9223372036854775807,1", -1)
	f.Fuzz(func(t *testing.T, data []byte, parts string, size int) {
		got, err := c.Unpack(packed.Row{Data: data, Parts: parts, Size: size % (1 << 20), Sum: good.Sum})
		switch {
		case err == nil && (got.Size() != good.Size || string(got.JSON) != "123"):
			t.Errorf("Unpack() = %+v, nil, want what was packed or an error", got)
		case err != nil && !errors.Is(err, store.ErrCorrupt):
			t.Errorf("Unpack() = %v, want %v", err, store.ErrCorrupt)
		}
	})
}

func TestPackMakesTextSmallAndNoiseHardlyLarger(t *testing.T) {
	noise := make([]byte, 1<<20)
	_, _ = rand.NewChaCha8([32]byte{}).Read(noise)
	text := bytes.Repeat([]byte(`{"id":"1234567890123456789","prefix":"!"},`), 10_000)
	for _, c := range []struct {
		name string
		part []byte
		most int
	}{{"text", text, len(text) / 10}, {"noise", noise, len(noise) + 1000}} {
		t.Run(c.name, func(t *testing.T) {
			if n := len(codec(t).Pack(protocol.Cache{JSON: c.part}).Data); n > c.most {
				t.Errorf("Pack() = %d bytes, want at most %d", n, c.most)
			}
		})
	}
}

func TestASmallRowCannotUnpackToMuch(t *testing.T) {
	c := codec(t)
	row := c.Pack(protocol.Cache{JSON: make([]byte, 64<<20)})
	row.Size, row.Parts = 5, "5"
	if _, err := c.Unpack(row); !errors.Is(err, store.ErrCorrupt) {
		t.Errorf("Unpack() = %v, want %v", err, store.ErrCorrupt)
	}
}
