package socketio

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/urban-robot/urban-robot/protocol"
)

// transportsUnderTest runs a test for each way to be connected.
func eachTransport(t *testing.T, test func(t *testing.T, b *bench, connect func() link)) {
	t.Run("websocket", func(t *testing.T) {
		b := serve(t, nil)
		test(t, b, func() link { return dial(t, b) })
	})
	t.Run("polling", func(t *testing.T) {
		b := serve(t, nil)
		test(t, b, func() link { return &polled{poller: b.pollConnected(t)} })
	})
}

// link is a connected test client of either transport.
type link interface {
	send(text string)
	sendBinary(data []byte)
	next() string
}

func TestEventsArriveInOrderAndAreAcknowledged(t *testing.T) {
	t.Parallel()
	eachTransport(t, func(t *testing.T, b *bench, connect func() link) {
		b.onReceived = func(c Conn, in Inbound) {
			if in.Ack != 0 {
				c.Ack(in.Ack, in.Err)
				c.Ack(in.Ack, errRefused)
			}
		}
		p := connect()
		c := b.conn(0)
		const n = 50
		for i := range n {
			p.send(fmt.Sprintf(`42%d["ready",{"guilds":%d}]`, i, i))
		}
		for i := range n {
			require.Equal(t, fmt.Sprintf(`43%d[{"ok":true}]`, i), p.next())
		}
		for i, in := range b.events(c.ID(), n) {
			require.Equal(t, protocol.Ready{Guilds: i}, in.Event)
		}
		assert.True(t, c.Peer().Address.IsLoopback())
	})
}
