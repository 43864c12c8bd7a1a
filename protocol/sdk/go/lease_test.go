package urbanrobot

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"

	"github.com/urban-robot/urban-robot/protocol"
)

// Section 4.6: a holder that comes back is adopted and never stops.
func TestAdoption(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := start(t, Options{})
		p := w.activateAt(7)
		w.told()
		w.Handle("1001", func() {})
		p.socket.close()
		p = w.accept()
		assert.True(t, w.Active())
		identify := expect[protocol.Identify](p)
		assert.Equal(t, &protocol.Session{Epoch: 7, Active: true, Ready: true}, identify.Session)
		assert.Equal(t, "bot-7", identify.Instance)
		assert.Equal(t, []string{"1001"}, identify.Handled)
		p.hello(granted(7))
		expect[protocol.Ready](p)
		assert.True(t, w.Active())
		p.command(protocol.OK{Epoch: 7})
		w.settle()
		assert.True(t, w.Active())
		assert.Empty(t, w.told(), "it logs in once, and notices nothing")
		w.finish()
	})
}

// Section 3: hello on a reconnect is an order, not news.
func TestFence(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := start(t, Options{})
		p := w.activateAt(7)
		w.told()
		p.socket.close()
		p = w.accept()
		expect[protocol.Identify](p)
		assert.True(t, w.Active())
		p.hello(standby(8))
		expect[protocol.Ready](p)
		assert.False(t, w.Active())
		p.command(protocol.EnterComa{Reason: protocol.ReasonStandby, Epoch: 8})
		expect[protocol.Coma](p)
		assert.Equal(t, "coma fenced", w.told())
		w.finish()
	})
}

// Section 4.4: a holder that has not heard from the server for lease_ms stops by itself; pings count.
func TestLease(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := start(t, Options{})
		p := w.activateAt(7)
		w.told()
		ctx, cancel := context.WithCancel(t.Context())
		go p.pings(ctx)
		time.Sleep(5 * time.Minute)
		assert.True(t, w.Active(), "pings renew the lease")
		cancel()
		p.write("2")
		w.settle()
		time.Sleep(29 * time.Second)
		assert.True(t, w.Active())
		time.Sleep(time.Second)
		assert.False(t, w.Active())
		w.settle()
		assert.Equal(t, "coma fenced", w.told())

		p = w.accept() // pingInterval and pingTimeout are over too
		identify := expect[protocol.Identify](p)
		assert.Equal(t, &protocol.Session{Epoch: 7, Active: false, Ready: true}, identify.Session)
		p.hello(granted(8))
		expect[protocol.Ready](p)
		p.command(protocol.OK{Epoch: 8})
		w.settle()
		assert.Equal(t, "active 8", w.told())
		w.finish()
	})
}

// Until its hello the server does not know whose a new connection is, and counts the lease from the end of the one before.
func TestPingsBeforeHelloDoNotRenewTheLease(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := start(t, Options{})
		p := w.activateAt(7)
		w.told()
		p.socket.close()
		p = w.accept()
		expect[protocol.Identify](p)
		go p.pings(t.Context())
		time.Sleep(31 * time.Second)
		assert.False(t, w.Active())
		p.hello(standby(7))
		expect[protocol.Ready](p)
		w.finish()
	})
}

func TestLeaseThatRunsOutIsSaid(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := start(t, Options{})
		p := w.accept()
		expect[protocol.Identify](p)
		h := granted(7)
		h.LeaseMS = 5000
		p.hello(h)
		expect[protocol.Ready](p)
		p.command(protocol.OK{Epoch: 7})
		assert.Equal(t, protocol.Coma{Reason: "fenced", Epoch: 7}, expect[protocol.Coma](p))
		p.command(protocol.OK{Epoch: 7})
		w.settle()
		assert.False(t, w.Active(), "only a new grant opens the gate again")
		p.command(protocol.ProcessCommands{Epoch: 8})
		expect[protocol.Ready](p)
		p.command(protocol.OK{Epoch: 8})
		w.settle()
		assert.True(t, w.Active())
		w.finish()
	})
}

func TestNoLeaseNeverRunsOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := start(t, Options{})
		p := w.accept()
		expect[protocol.Identify](p)
		h := granted(7)
		h.LeaseMS = 0
		p.hello(h)
		expect[protocol.Ready](p)
		p.command(protocol.OK{Epoch: 7})
		go p.pings(t.Context())
		time.Sleep(time.Second)
		p.socket.close()
		time.Sleep(time.Hour)
		assert.True(t, w.Active())
		w.finish()
	})
}
