package fleet

import (
	"container/heap"
	"fmt"
	"math/rand/v2"
	"time"
)

// This file and the others named sim_ are the simulation: many seeded schedules of a whole fleet (bots, wires, client
// actors, a supervisor, a store, Discord) under one clock and one source of chance. Nothing in it runs at the same time as
// anything else, so that a seed replays exactly.

// epoch0 is when every schedule starts.
var epoch0 = time.Unix(1_700_000_000, 0)

// occurrence is something that happens at a time.
type occurrence struct {
	at time.Duration
	n  uint64 // by order of planning, for occurrences of one instant
	do func()
}

// occurrences is a heap by time.
type occurrences []occurrence

func (h occurrences) Len() int { return len(h) }
func (h occurrences) Less(i, j int) bool {
	return h[i].at < h[j].at || h[i].at == h[j].at && h[i].n < h[j].n
}
func (h occurrences) Swap(i, j int) { h[i], h[j] = h[j], h[i] }

// Push implements heap.Interface.
func (h *occurrences) Push(x any) { *h = append(*h, x.(occurrence)) }

// Pop implements heap.Interface.
func (h *occurrences) Pop() any {
	last := len(*h) - 1
	x := (*h)[last]
	*h = (*h)[:last]
	return x
}

// clock is virtual time and chance.
type clock struct {
	now     time.Duration
	planned uint64
	queue   occurrences
	chances *rand.Rand
}

func newClock(seed uint64) clock {
	return clock{chances: rand.New(rand.NewPCG(seed, 0x5eed))}
}

// after plans something.
func (c *clock) after(d time.Duration, do func()) { c.at(c.now+max(d, 0), do) }

// at plans something for a time, now if that has passed.
func (c *clock) at(at time.Duration, do func()) {
	c.planned++
	heap.Push(&c.queue, occurrence{at: max(at, c.now), n: c.planned, do: do})
}

// step lets the next planned thing happen, unless it is later than until.
func (c *clock) step(until time.Duration) bool {
	if len(c.queue) == 0 || c.queue[0].at > until {
		c.now = until
		return false
	}
	next := heap.Pop(&c.queue).(occurrence)
	c.now = next.at
	next.do()
	return true
}

// time is now as the rules see it.
func (c *clock) time() time.Time { return epoch0.Add(c.now) }

// chance is true with that probability.
func (c *clock) chance(p float64) bool { return p > 0 && c.chances.Float64() < p }

// between is a random duration.
func (c *clock) between(from, to time.Duration) time.Duration {
	if to <= from {
		return from
	}
	return from + time.Duration(c.chances.Int64N(int64(to-from)))
}

// pick returns one of the values.
func pick[T any](c *clock, values ...T) T { return values[c.chances.IntN(len(values))] }

// journal keeps what happened, if anybody wants to read it.
type journal struct {
	on    bool
	lines []string
}

func (j *journal) add(at time.Duration, format string, args ...any) {
	if j.on {
		j.lines = append(j.lines, fmt.Sprintf("%10.3fs  ", at.Seconds())+fmt.Sprintf(format, args...))
	}
}

// last returns the newest lines.
func (j *journal) last(n int) []string { return j.lines[max(0, len(j.lines)-n):] }
