package sqlite

import (
	"bytes"
	"context"
	"database/sql"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/urban-robot/urban-robot/actors/fleet"
	"github.com/urban-robot/urban-robot/actors/store"
	"github.com/urban-robot/urban-robot/protocol"
)

// The benchmarks report, beside the time, how many bare transactions with one insert the same disk does in it in the same run:
// "bare" is what can be compared between machines.

func BenchmarkApplySeat(b *testing.B) {
	s, term := benched(b)
	ratio(b, func(ctx context.Context, i int) error {
		return s.Apply(ctx, "helium", term, []fleet.Record{fleet.SeatRecord{Epoch: uint64(i), Instance: "instance", Release: "1.0.0", Since: time.Now()}})
	})
}

func BenchmarkApplyEvents(b *testing.B) {
	for _, n := range []int{10, 100} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			s, term := benched(b)
			records := make([]fleet.Record, n)
			for i := range records {
				records[i] = fleet.EventRecord{At: time.Now(), Event: "client changed state", Client: "client", From: "ready", To: "coma", Reason: "handover"}
			}
			ratio(b, func(ctx context.Context, _ int) error { return s.Apply(ctx, "helium", term, records) })
		})
	}
}

func BenchmarkSaveCache(b *testing.B) {
	const size = 1 << 20
	random := make([]byte, size)
	_, _ = rand.NewChaCha8([32]byte{}).Read(random)
	var guilds bytes.Buffer
	for i := 0; guilds.Len() < size; i++ {
		fmt.Fprintf(&guilds, `{"id":"%d","name":"guild %d","prefix":"!","members":%d,"language":"en"},`, 1<<60+rand.Uint64N(1<<59), i, rand.IntN(9999))
	}
	for name, cache := range map[string]protocol.Cache{
		"json":  {JSON: guilds.Bytes()[:size]},
		"noise": {JSON: []byte("{}"), Attachments: [][]byte{random}},
	} {
		s, term := benched(b)
		b.Run(name, func(b *testing.B) {
			b.SetBytes(size)
			number := time.Now().UnixNano() // grows with every run
			ratio(b, func(ctx context.Context, i int) error {
				record := fleet.CacheRecord{Number: uint64(number) + uint64(i)}
				return s.SaveCache(ctx, "helium", term, store.Cache{CacheRecord: record, Cache: cache})
			})
		})
		b.Run(name+"/load", func(b *testing.B) {
			b.SetBytes(size)
			for b.Loop() {
				if _, err := s.LoadCache(b.Context(), "helium", 0); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func benched(b *testing.B) (*Store, store.Term) {
	b.Helper()
	s, err := Open(b.Context(), b.TempDir()+"/urban-robot.db")
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = s.Close() })
	term, _, err := s.Acquire(b.Context(), "helium")
	if err != nil {
		b.Fatal(err)
	}
	return s, term
}

// ratio measures f, and after each of it a bare transaction with one insert, outside of the time reported.
func ratio(b *testing.B, f func(context.Context, int) error) {
	b.Helper()
	db, err := connect(b.TempDir()+"/bare.db", 1, "journal_mode(wal)", "synchronous(full)")
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = db.Close() })
	if _, err := db.ExecContext(b.Context(), "CREATE TABLE bare (id INTEGER PRIMARY KEY, text TEXT)"); err != nil {
		b.Fatal(err)
	}
	var ours, bare time.Duration
	for i := 1; b.Loop(); i++ {
		from := time.Now()
		if err := f(b.Context(), i); err != nil {
			b.Fatal(err)
		}
		ours += time.Since(from)
		b.StopTimer()
		from = time.Now()
		if err := insertBare(b.Context(), db); err != nil {
			b.Fatal(err)
		}
		bare += time.Since(from)
		b.StartTimer()
	}
	b.ReportMetric(float64(ours)/float64(bare), "bare")
}

func insertBare(ctx context.Context, db *sql.DB) error {
	tx, err := db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	if _, err := tx.ExecContext(ctx, "INSERT INTO bare (text) VALUES ('instance 1.0.0')"); err != nil {
		return err
	}
	return tx.Commit()
}
