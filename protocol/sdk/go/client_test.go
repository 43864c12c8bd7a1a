package urbanrobot

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/urban-robot/urban-robot/protocol"
)

// Section 3: a client processes from ok on, not before.
func TestColdStart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := start(t, Options{
			Fleet: "helium", Key: protocol.NewToken("key"), Instance: "mine", Shard: &Shard{1, 4}, Cache: func() []byte { return nil },
		})
		p := w.accept()
		identify := expect[protocol.Identify](p)
		assert.Equal(t, "1.4.0", identify.Version)
		assert.Equal(t, "helium", identify.Fleet)
		assert.Equal(t, "key", identify.Key.Reveal())
		assert.Equal(t, "mine", identify.Instance)
		assert.Equal(t, 1, *identify.ShardID)
		assert.Nil(t, identify.Session, "it was not connected before")
		assert.Equal(t, []string{protocol.CapabilityCacheChunks, protocol.CapabilityCacheRequest}, identify.Capabilities)
		p.quiet(time.Hour / 2)
		assert.Empty(t, w.told(), "no login before hello, however long it takes")

		p = w.accept() // the server sent no pings for half an hour
		expect[protocol.Identify](p)
		p.hello(granted(1))
		expect[protocol.Ready](p)
		assert.Equal(t, "login discord", w.told())
		assert.False(t, w.Active(), "hello is a grant, not the go-ahead")
		p.command(protocol.OK{Epoch: 1})
		w.settle()
		assert.True(t, w.Active())
		assert.Equal(t, "active 1", w.told())
		p.command(protocol.OK{Epoch: 1})
		w.settle()
		assert.Empty(t, w.told(), "a second ok changes nothing")
		w.finish()
	})
}

// Section 3: a client in coma is woken by process_commands alone.
func TestBareOKWakesNobody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := start(t, Options{})
		p := w.accept()
		expect[protocol.Identify](p)
		p.hello(standby(7))
		expect[protocol.Ready](p)
		p.command(protocol.EnterComa{Reason: protocol.ReasonStandby, Epoch: 7})
		assert.Equal(t, "standby", expect[protocol.Coma](p).Reason)
		p.command(protocol.OK{Epoch: 7})
		p.command(protocol.OK{Epoch: 8})
		w.settle()
		assert.False(t, w.Active())
		assert.Equal(t, "login discord", w.told(), "it never was active, so it did not stop")

		p.command(protocol.ProcessCommands{Epoch: 9})
		expect[protocol.Ready](p)
		p.command(protocol.OK{Epoch: 9})
		w.settle()
		assert.True(t, w.Active())
		w.finish()
	})
}

// Section 3: stop at once, finish what has begun, send the cache, then say coma with the handled ids.
func TestComa(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := start(t, Options{Cache: func() []byte { return []byte(`{"prefix":"!"}`) }})
		p := w.activateAt(7)
		w.told()
		assert.True(t, w.Handle("1001", func() {}))
		assert.False(t, w.Handle("1001", func() { assert.Fail(t, "an event is handled once") }))
		done, process := w.Begin("1002")
		require.True(t, process)
		p.command(protocol.EnterComa{Reason: protocol.ReasonHandover, CacheSync: true, Epoch: 7, DrainMS: 1000})
		w.settle()
		assert.False(t, w.Active())
		assert.Equal(t, "coma handover", w.told())
		p.quiet(500 * time.Millisecond)
		done()
		done()
		assert.JSONEq(t, `{"prefix":"!"}`, string(expect[protocol.CacheSync](p).Cache.JSON))
		assert.Equal(t, protocol.Coma{Reason: "handover", Epoch: 7, Handled: []string{"1001", "1002"}}, expect[protocol.Coma](p))
		w.finish()
	})
}

func TestDrainEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := start(t, Options{})
		p := w.activateAt(7)
		_, process := w.Begin("1001") // never done
		require.True(t, process)
		began := time.Now()
		p.command(protocol.EnterComa{Reason: protocol.ReasonHandover, Epoch: 7, DrainMS: 1000})
		expect[protocol.Coma](p)
		assert.Equal(t, time.Second, time.Since(began).Round(time.Millisecond))
		w.finish()
	})
}

// Section 4.7: what was kept is replayed, save for what is in handled and what is older than 10 s.
func TestReplay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, replay := range []bool{true, false} {
			w := start(t, Options{})
			p := w.accept()
			expect[protocol.Identify](p)
			p.hello(standby(7))
			expect[protocol.Ready](p)
			w.told()
			keep := func(id string) { assert.False(t, w.Handle(id, func() { w.note("work %s", id) })) }
			keep("old")
			time.Sleep(keepFor + time.Second)
			keep("1001")
			keep("1002")
			p.command(protocol.ProcessCommands{Epoch: 8, Handled: []string{"1001"}, Replay: replay})
			expect[protocol.Ready](p)
			keep("1003")
			assert.Empty(t, w.told(), "a grant is not the go-ahead")
			p.command(protocol.OK{Epoch: 8})
			w.settle()
			assert.False(t, w.Handle("1001", func() { assert.Fail(t, "the client before has handled it") }))
			if replay {
				assert.Equal(t, "active 8, work 1002, work 1003", w.told())
			} else {
				assert.Equal(t, "active 8", w.told())
			}
			w.finish()
		}
	})
}

// Section 4.2: a client ignores a command whose epoch is lower than the newest it has seen.
func TestOldEpochs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := start(t, Options{})
		p := w.activateAt(7)
		p.command(protocol.EnterComa{Reason: protocol.ReasonHandover, Epoch: 6})
		p.command(protocol.ShutDown{Reason: protocol.ReasonOutdated, Epoch: 6})
		p.quiet(time.Second)
		assert.True(t, w.Active())

		p.socket.close()
		p = w.accept()
		expect[protocol.Identify](p)
		p.hello(granted(6))
		expect[protocol.Ready](p)
		p.command(protocol.OK{Epoch: 6})
		w.settle()
		assert.False(t, w.Active(), "a hello with an old epoch grants nothing")
		w.finish()
	})
}

func TestShutdown(t *testing.T) {
	for _, answer := range []string{"an acknowledgement", "a disconnect", "nothing"} {
		t.Run(answer, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := start(t, Options{Cache: func() []byte { return []byte{0xff, 0} }})
				p := w.activateAt(7)
				w.told()
				if answer != "an acknowledgement" {
					p.setMute(protocol.EventShutdown)
				}
				p.command(protocol.ShutDown{Reason: protocol.ReasonOutdated, CacheSync: true, Epoch: 7, DrainMS: 1000})
				assert.Equal(t, [][]byte{{0xff, 0}}, expect[protocol.CacheSync](p).Cache.Attachments)
				if answer == "a disconnect" {
					go func() {
						time.Sleep(time.Second)
						p.write("41")
					}()
				}
				require.NoError(t, <-w.ended)
				assert.Equal(t, "coma outdated, shutdown outdated", w.told())
				assert.Empty(t, w.dials, "it does not come back")
				w.cancel()
			})
		})
	}
}

func TestShutdownDuringLogin(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := start(t, Options{Login: func(ctx context.Context, _ protocol.Token) error {
			<-ctx.Done()
			return ctx.Err()
		}})
		p := w.accept()
		expect[protocol.Identify](p)
		p.hello(granted(1))
		p.quiet(time.Second)
		p.command(protocol.ShutDown{Reason: protocol.ReasonStartupTimeout, Epoch: 1})
		assert.Equal(t, "startup_timeout", expect[protocol.Shutdown](p).Reason)
		require.NoError(t, <-w.ended)
		w.cancel()
	})
}

func TestEndOfContextSaysGoodbye(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := start(t, Options{Cache: func() []byte { return []byte(`[1]`) }})
		p := w.activateAt(7)
		w.told()
		w.cancel()
		expect[protocol.CacheSync](p)
		assert.Equal(t, protocol.Shutdown{Reason: "stopped", Epoch: 7}, expect[protocol.Shutdown](p))
		require.NoError(t, <-w.ended)
		assert.Equal(t, "coma stopped, shutdown stopped", w.told())
	})
}

func TestEndOfContextWithoutServer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := start(t, Options{})
		w.settle()
		w.cancel()
		require.NoError(t, <-w.ended)
	})
}

func TestLoginFails(t *testing.T) {
	for reason, err := range map[string]error{
		"login: no such guild": errTest,
		"token_rejected":       fmt.Errorf("close 4004: %w", ErrTokenRejected),
	} {
		t.Run(reason, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := start(t, Options{Login: func(context.Context, protocol.Token) error { return err }})
				p := w.accept()
				expect[protocol.Identify](p)
				p.hello(granted(1))
				assert.Equal(t, reason, expect[protocol.Shutdown](p).Reason)
				require.ErrorIs(t, <-w.ended, err)
				w.cancel()
			})
		})
	}
}

func TestRefusedHello(t *testing.T) {
	for _, code := range []protocol.ErrorCode{protocol.CodeUnauthorized, protocol.CodeTokenRejected} {
		synctest.Test(t, func(t *testing.T) {
			w := start(t, Options{})
			p := w.accept()
			expect[protocol.Identify](p)
			p.hello(protocol.Hello{Error: protocol.Errorf(code, "", "not you")})
			var refused *protocol.Error
			require.ErrorAs(t, <-w.ended, &refused)
			assert.Equal(t, code, refused.Code)
			w.cancel()
		})
	}
}

func TestRefusedForNow(t *testing.T) {
	for code, atLeast := range map[protocol.ErrorCode]time.Duration{
		protocol.CodeIdentifyBudget: pauseOnBudget / 2,
		protocol.CodeUnavailable:    firstPause / 2,
		"moon_phase":                firstPause / 2,
	} {
		synctest.Test(t, func(t *testing.T) {
			w := start(t, Options{})
			p := w.accept()
			expect[protocol.Identify](p)
			began := time.Now()
			p.hello(protocol.Hello{Error: protocol.Errorf(code, "", "not now")})
			p = w.accept()
			assert.GreaterOrEqual(t, time.Since(began), atLeast)
			assert.LessOrEqual(t, time.Since(began), 2*atLeast)
			assert.Nil(t, expect[protocol.Identify](p).Session)
			w.finish()
		})
	}
}

func TestQuarantinedVersionIsToldToShutDown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := start(t, Options{})
		p := w.accept()
		expect[protocol.Identify](p)
		p.hello(protocol.Hello{Error: protocol.Errorf(protocol.CodeQuarantined, "", "1.4.0 failed before")})
		p.command(protocol.ShutDown{Reason: protocol.ReasonQuarantinedVersion, Epoch: 7})
		expect[protocol.Shutdown](p)
		require.NoError(t, <-w.ended)
		assert.Equal(t, "shutdown quarantined_version", w.told(), "no login")
		w.cancel()
	})
}

// Section 4.2: the shutdown after a hello with an error counts whatever its epoch.
func TestQuarantinedVersionIsToldToShutDownWhenItComesBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := start(t, Options{})
		p := w.activateAt(7)
		w.told()
		p.socket.close()
		p = w.accept()
		expect[protocol.Identify](p)
		p.hello(protocol.Hello{Error: protocol.Errorf(protocol.CodeQuarantined, "", "1.4.0 failed since")})
		p.command(protocol.ShutDown{Reason: protocol.ReasonQuarantinedVersion})
		expect[protocol.Shutdown](p)
		require.NoError(t, <-w.ended)
		assert.Equal(t, "coma quarantined_version, shutdown quarantined_version", w.told())
		w.cancel()
	})
}

func TestHealthCheck(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := start(t, Options{Health: func(ctx context.Context, phase protocol.Phase) protocol.HealthReport {
			deadline, _ := ctx.Deadline()
			share := time.Until(deadline).Seconds()
			assert.Equal(t, protocol.PhaseCandidate, phase)
			return protocol.HealthReport{Percentage: &share}
		}})
		p := w.accept()
		expect[protocol.Identify](p)
		p.hello(standby(7))
		expect[protocol.Ready](p)
		p.command(protocol.HealthCheck{CheckID: "c-17", Phase: protocol.PhaseCandidate, DeadlineMS: 10_000})
		report := expect[protocol.HealthReport](p)
		assert.Equal(t, "c-17", report.CheckID)
		assert.InDelta(t, 10, *report.Percentage, 0)
		w.finish()
	})
}

func TestTakeoverWithoutDiscordIsDeclined(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := start(t, Options{Validate: func(context.Context) error { return errTest }})
		p := w.accept()
		expect[protocol.Identify](p)
		p.hello(standby(7))
		expect[protocol.Ready](p)
		p.command(protocol.ProcessCommands{Epoch: 8})
		assert.Equal(t, "discord: no such guild", expect[protocol.Coma](p).Reason)
		p.command(protocol.OK{Epoch: 8})
		w.settle()
		assert.False(t, w.Active())
		w.finish()
	})
}

// Section 3: a coma that is overtaken by a new grant: commands are obeyed in the order in which they arrive.
func TestAbortedSwap(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := start(t, Options{})
		p := w.activateAt(7)
		w.told()
		_, process := w.Begin("1001")
		require.True(t, process)
		p.command(protocol.EnterComa{Reason: protocol.ReasonHandover, Epoch: 7, DrainMS: 1000})
		p.command(protocol.ProcessCommands{Epoch: 9, Replay: true})
		expect[protocol.Coma](p)
		expect[protocol.Ready](p)
		p.command(protocol.OK{Epoch: 9})
		w.settle()
		assert.Equal(t, "coma handover, active 9", w.told())
		w.finish()
	})
}

func TestOKThatComaOvertakes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := start(t, Options{})
		p := w.accept()
		expect[protocol.Identify](p)
		p.hello(granted(7))
		expect[protocol.Ready](p)
		p.command(protocol.OK{Epoch: 7})
		p.command(protocol.EnterComa{Reason: protocol.ReasonOperator, Epoch: 7})
		expect[protocol.Coma](p)
		assert.False(t, w.Active())
		w.finish()
	})
}

func TestReconnectBacksOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := start(t, Options{})
		last := time.Now()
		for i := range 12 {
			w.accept().socket.close()
			pause := time.Since(last)
			last = time.Now()
			if i > 0 {
				longest := min(firstPause<<(i-1), longestPause)
				assert.LessOrEqual(t, pause, longest, "attempt %d", i)
				assert.GreaterOrEqual(t, pause, longest/2, "attempt %d", i)
			}
		}
		w.finish()
	})
}

func TestSilentServerIsLeft(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := start(t, Options{})
		began := time.Now()
		expect[protocol.Identify](w.accept())
		expect[protocol.Identify](w.accept())
		assert.InDelta(t, 30, time.Since(began).Seconds(), 1)
		w.finish()
	})
}

func TestNewChecksOptions(t *testing.T) {
	for name, o := range map[string]Options{
		"no URL":               {Version: "1"},
		"a URL with no host":   {URL: "http://", Version: "1"},
		"another scheme":       {URL: "ftp://bots.example.org", Version: "1"},
		"no URL at all":        {URL: "::", Version: "1"},
		"no version":           {URL: "http://127.0.0.1"},
		"too long a version":   {URL: "http://127.0.0.1", Version: strings.Repeat("1", 129)},
		"too long a key":       {URL: "http://127.0.0.1", Version: "1", Key: protocol.NewToken(strings.Repeat("secret", 200))},
		"a shard out of range": {URL: "http://127.0.0.1", Version: "1", Shard: &Shard{4, 4}},
	} {
		c, err := New(o)
		require.Error(t, err, name)
		assert.Nil(t, c)
		assert.NotContains(t, err.Error(), "secret")
	}
	for given, want := range map[string]string{
		"http://127.0.0.1:8080":        "ws://127.0.0.1:8080/socket.io/?EIO=4&transport=websocket",
		"https://bots.example.org/":    "wss://bots.example.org/socket.io/?EIO=4&transport=websocket",
		"wss://bots.example.org/ur/io": "wss://bots.example.org/ur/io?EIO=4&transport=websocket",
	} {
		got, err := endpoint(given)
		require.NoError(t, err)
		assert.Equal(t, want, got)
	}
}
