package fleet

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"github.com/urban-robot/urban-robot/protocol"
)

// hello returns the hello in some effects, and to whom it goes.
func helloIn(effects []Effect) (ClientID, *protocol.Hello) {
	for _, effect := range effects {
		if say, ok := effect.(Say); ok {
			return say.Client, &say.Hello
		}
	}
	return "", nil
}

func undriven(change func(*Policy)) Policy {
	p := drivenPolicy()
	p.Rollout.Driven = false
	change(&p)
	return p
}

// "It is paced (one login at a time a key: hello, then ready, disconnect, exit or timeout, then 5 s)". Section 7.
func TestLoginsArePaced(t *testing.T) {
	t.Parallel()
	paced := func(lanes int) *bench {
		return newBench(t, undriven(func(p *Policy) { p.Login.Spacing, p.Login.Concurrency, p.Shards = 5*time.Second, lanes, lanes }))
	}
	for _, c := range []struct {
		name string
		end  func(*bench) // of the first login
		free time.Duration
	}{
		{"ready", func(b *bench) { b.do("a", Ready{}) }, 5 * time.Second},
		{"disconnect", func(b *bench) { b.do("a", Disconnect{}) }, 5 * time.Second},
		{"exit", func(b *bench) { b.do("", Exited{Instance: "a"}) }, 5 * time.Second},
		{"shutdown", func(b *bench) { b.do("a", Shutdown{}) }, 5 * time.Second},
		{"timeout", func(*bench) {}, 2*time.Minute + 5*time.Second},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			b := paced(1)
			id, _ := helloIn(b.do("a", Identify{Instance: "a", Release: "1.0.0"}))
			assert.Equal(t, ClientID("a"), id)
			id, _ = helloIn(b.do("b", Identify{Instance: "b", Release: "1.0.0"}))
			assert.Empty(t, id, "one at a time")
			c.end(b)
			begun := b.at
			var greeted time.Duration
			b.wait(10*time.Minute, func(effects []Effect) {
				if id, _ := helloIn(effects); id == "b" {
					greeted = b.at.Sub(begun)
				}
			})
			assert.Equal(t, c.free, greeted)
		})
	}
	t.Run("each key has its own lane", func(t *testing.T) {
		t.Parallel()
		b := paced(2)
		for i, want := range []ClientID{"a", "b", ""} {
			shard := i % 2
			name := string(rune('a' + i))
			id, _ := helloIn(b.do(ClientID(name), Identify{Instance: name, Release: "1.0.0", Shard: &shard}))
			assert.Equal(t, want, id)
		}
	})
	t.Run("a client that is logged in needs no permit", func(t *testing.T) {
		t.Parallel()
		b := paced(1)
		b.do("a", Identify{Instance: "a", Release: "1.0.0"})
		id, _ := helloIn(b.do("b", Identify{Instance: "b", Release: "1.0.0", Session: &protocol.Session{Ready: true}}))
		assert.Equal(t, ClientID("b"), id)
		assert.Equal(t, 1, b.state.Logins(b.at))
	})
	t.Run("one may have begun just before a restart", func(t *testing.T) {
		t.Parallel()
		b := paced(1)
		b.do("a", Identify{Instance: "a", Release: "1.0.0"})
		b.restart()
		id, _ := helloIn(b.do("b", Identify{Instance: "b", Release: "1.0.0"}))
		assert.Empty(t, id)
		b.wait(5*time.Second, func(effects []Effect) { id, _ = helloIn(effects) })
		assert.Equal(t, ClientID("b"), id)
	})
	t.Run("the way back goes first, and those who have gone are skipped", func(t *testing.T) {
		t.Parallel()
		s := newScript(t)
		s.silent = true
		for _, step := range []string{
			"fleet undriven spacing=5s", "join a 1.0.0", "ready a", "wait 11m", "join b 2.0.0", "join c 2.0.0", "join d 2.0.0", "join e 1.0.0", "close c", "ready b", "health b vital",
		} {
			s.play(step)
		}
		var order []ClientID
		s.wait(time.Minute, func(effects []Effect) {
			if id, h := helloIn(effects); id != "" && h.Error == nil {
				order = append(order, id)
				s.do(id, Ready{})
			}
		})
		assert.Equal(t, []ClientID{"e"}, order, "d's release was refused meanwhile")
	})
}

// "counted in a stored 24 h budget with a reserve for the way back, and refused beyond it". Section 7.
func TestIdentifyBudget(t *testing.T) {
	t.Parallel()
	b := newBench(t, undriven(func(p *Policy) { p.Login.Daily, p.Login.Reserve = 4, 2 }))
	b.stored.keep(ReleaseRecord{Release: "1.0.0", State: ReleaseGood, At: b.at})
	b.restart()
	join := func(name string, r Release) *protocol.Hello {
		_, h := helloIn(b.do(ClientID(name), Identify{Instance: name, Release: r}))
		b.do(ClientID(name), Ready{})
		return h
	}
	assert.Nil(t, join("a", "1.0.0").Error)
	b.at = b.at.Add(90 * time.Minute)
	assert.Nil(t, join("b", "2.0.0").Error)
	refused := join("c", "2.0.0")
	assert.Equal(t, protocol.CodeIdentifyBudget, refused.Error.Code)
	assert.Equal(t, protocol.Token{}, refused.Token)
	assert.Nil(t, join("d", "1.0.0").Error, "the reserve is for the way back")
	b.restart()
	assert.Nil(t, join("e", "1.0.0").Error, "the count outlives the supervisor")
	assert.Equal(t, protocol.CodeIdentifyBudget, join("f", "1.0.0").Error.Code)
	assert.Equal(t, 4, b.state.Logins(b.at))
	b.at = b.at.Add(24 * time.Hour)
	assert.Equal(t, 3, b.state.Logins(b.at), "the oldest do not count any more")
	assert.Nil(t, join("g", "1.0.0").Error)
	assert.Equal(t, 4, b.state.Logins(b.at))
}

// "A bad release is refused by id until try-again; a redelivered webhook, a restart or a reconnect does not retry it." Section 6, 6.
func TestQuarantined(t *testing.T) {
	t.Parallel()
	b := newBench(t, undriven(func(*Policy) {}))
	b.stored.keep(ReleaseRecord{Release: "bad", State: ReleaseBad, Reason: "vital_cog_failure", At: b.at})
	b.restart()
	effects := b.ask("c", 5, Identify{Instance: "c", Release: "bad"})
	id, h := helloIn(effects)
	assert.Equal(t, ClientID("c"), id)
	assert.Equal(t, protocol.CodeQuarantined, h.Error.Code)
	assert.Equal(t, "release bad failed at 2023-11-14 22:13:20Z (vital_cog_failure) and is refused; deploy another one", h.Error.Message)
	assert.Contains(t, effects, Tell{Client: "c", Command: protocol.ShutDown{Reason: protocol.ReasonQuarantinedVersion}})
	assert.Zero(t, b.state.Len())
	assert.Zero(t, b.state.Logins(b.at), "no login is spent on it")
	assert.Empty(t, b.do("c", Disconnect{}))
}

func TestShards(t *testing.T) {
	t.Parallel()
	number := func(n int) *int { return &n }
	for _, c := range []struct {
		name   string
		shards int
		fact   Identify
		seat   int
		field  string
	}{
		{name: "no shard where there is one", shards: 1},
		{name: "its shard", shards: 3, fact: Identify{Shard: number(2), Shards: number(3)}, seat: 2},
		{name: "a shard without their number", shards: 3, fact: Identify{Shard: number(1)}, seat: 1},
		{name: "no shard where there are three: the emptiest seat", shards: 3, seat: 1},
		{name: "a number that is not the fleet's", shards: 3, fact: Identify{Shard: number(0), Shards: number(2)}, field: "num_shards"},
		{name: "a shard that is none", shards: 3, fact: Identify{Shard: number(3)}, field: "shard_id"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			b := newBench(t, undriven(func(p *Policy) { p.Shards = c.shards }))
			if c.shards > 1 {
				b.do("first", Identify{Release: "1.0.0", Shard: number(0)})
				b.do("first", Ready{})
				b.do("third", Identify{Release: "1.0.0", Shard: number(2)})
				b.do("third", Ready{})
			}
			c.fact.Release = "1.0.0"
			_, h := helloIn(b.do("x", c.fact))
			if c.field != "" {
				assert.Equal(t, c.field, h.Error.Field)
				assert.Equal(t, protocol.CodeMalformed, h.Error.Code)
				return
			}
			known, _ := b.state.Client("x")
			assert.Equal(t, c.seat, known.Seat)
			if c.shards > 1 {
				assert.Equal(t, c.seat, *h.ShardID)
				assert.Equal(t, c.shards, *h.NumShards)
			} else {
				assert.Nil(t, h.ShardID)
			}
		})
	}
}

// "A client that claims an old epoch is fenced". Section 4, 5. What it claims of the future is believed as far as it is not given out again.
func TestSessions(t *testing.T) {
	t.Parallel()
	held := func(t *testing.T) *bench {
		b := newBench(t, undriven(func(*Policy) {}))
		b.do("a", Identify{Instance: "a", Release: "1.0.0"})
		b.do("a", Ready{})
		return b
	}
	t.Run("an epoch from the future", func(t *testing.T) {
		t.Parallel()
		b := held(t)
		b.do("z", Identify{Instance: "z", Release: "1.0.0", Session: &protocol.Session{Epoch: 40, Active: true, Ready: true}})
		b.do("a", Shutdown{})
		b.do("z", Ready{})
		b.do("z", Coma{})
		assert.Greater(t, b.state.Seat(0).Epoch, uint64(40), "no epoch is given out twice")
	})
	t.Run("another instance claims the lost seat", func(t *testing.T) {
		t.Parallel()
		b := held(t)
		b.restart()
		_, h := helloIn(b.do("z", Identify{Instance: "z", Release: "1.0.0", Session: &protocol.Session{Epoch: 1, Active: true, Ready: true}}))
		assert.False(t, h.ProcessCommands)
		_, h = helloIn(b.do("a/2", Identify{Instance: "a", Release: "1.0.0", Session: &protocol.Session{Epoch: 1, Active: true, Ready: true}}))
		assert.True(t, h.ProcessCommands)
		assert.Equal(t, uint64(1), h.Epoch)
	})
	t.Run("an instance comes back before its loss is noticed", func(t *testing.T) {
		t.Parallel()
		b := held(t)
		effects := b.do("a/2", Identify{Instance: "a", Release: "1.0.0", Session: &protocol.Session{Epoch: 1, Active: true, Ready: true}})
		assert.Contains(t, effects, Hangup{Client: "a", Abort: true})
		_, h := helloIn(effects)
		assert.True(t, h.ProcessCommands)
		assert.Equal(t, 1, b.state.Len())
	})
	t.Run("an adopted holder that does not get ready keeps the seat for its lease", func(t *testing.T) {
		t.Parallel()
		b := held(t)
		b.restart()
		b.do("a/2", Identify{Instance: "a", Release: "1.0.0", Session: &protocol.Session{Epoch: 1, Active: true, Ready: true}})
		var cut bool
		b.wait(2*time.Minute, func(effects []Effect) {
			for _, effect := range effects {
				cut = cut || effect == Hangup{Client: "a/2", Abort: true}
			}
		})
		assert.True(t, cut)
		assert.Equal(t, SeatLost, b.state.Seat(0).Phase)
	})
}

func TestView(t *testing.T) {
	t.Parallel()
	s := newScript(t)
	s.silent = true
	for _, step := range []string{"fleet driven standbys=1", "serving v1", "push v2", "arrive v2-3", "health v2-3 vital", "push v3"} {
		s.play(step)
	}
	v := s.state.View(s.at)
	stages := map[Release]Stage{}
	for _, r := range v.Releases {
		stages[r.Release] = r.Stage
	}
	assert.Equal(t, map[Release]Stage{"v1": StageGood, "v2": StageBad, "v3": StageDeploying}, stages)
	assert.Equal(t, Release("v3"), v.Desired)
	assert.Equal(t, Release("v1"), v.LastGood)
	assert.Equal(t, Release("v1"), v.Seats[0].Release)
	assert.Equal(t, "v2", string(v.Rollout.Last.Release))
	assert.Equal(t, 3, v.Logins)
	s.play("deploy v4")
	s.play("deploy v5")
	for _, r := range s.state.View(s.at).Releases {
		if r.Release == "v4" {
			assert.Equal(t, StageSuperseded, r.Stage)
		}
		if r.Release == "v3" {
			assert.Zero(t, r.Stage, "it is not known any more")
		}
	}
}
