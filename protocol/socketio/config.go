package socketio

import (
	"cmp"
	"errors"
	"fmt"
	"time"

	"github.com/rs/zerolog"

	"github.com/urban-robot/urban-robot/protocol"
)

// Config says how a Gateway treats its connections. The zero value of every field but Handler stands for its default.
type Config struct {
	Handler Handler        // required: is told what happens
	Log     zerolog.Logger // default: logs nothing

	PingInterval   time.Duration // pause between two pings; default 5 s
	PingTimeout    time.Duration // silence after a ping that ends a connection; default 60 s, for pings queue behind large frames
	ConnectTimeout time.Duration // from the handshake to the CONNECT packet, and for one upgrade; default 10 s
	WriteTimeout   time.Duration // a write that gets no byte through for so long ends the connection; default 20 s
	FlushTimeout   time.Duration // what is queued at an orderly close is waited for so long; default 1 s

	MaxCacheBytes            int // bytes of one cache, attachments counted in; default 16 MiB
	MaxQueuedBytes           int // bytes waiting to be sent to one client; default 4 caches
	MaxConnections           int // connections, counted from their handshake; default 10,000
	MaxConnectionsPerAddress int // connections of one address, a reverse proxy's too; default 5,000
	EventRate                int // events per second of one client, ten seconds' worth at once; default 100, -1 for no limit
}

const (
	maxAttachments = 256       // attachments of one event
	maxUnanswered  = 4096      // events of one client that wait for our acknowledgement
	overhead       = 64 << 10  // bytes around a payload: packet type, event name, acknowledgement number
	lingerTimeout  = 1e9       // how long the peer has to close its side after we have said goodbye
	reapInterval   = 30e9      // between two sweeps for connections that nobody told us the end of
	requestRate    = 64 << 10  // bytes per second that a polling request must reach
	maxPollBytes   = 1 << 20   // bytes in one polling response, unless a single frame is larger
	maxBatchBytes  = 256 << 10 // bytes in one write to a websocket, unless a single frame is larger
	maxBatchItems  = 64
)

func (c Config) withDefaults() Config {
	c.PingInterval = cmp.Or(c.PingInterval, 5*time.Second)
	c.PingTimeout = cmp.Or(c.PingTimeout, time.Minute)
	c.ConnectTimeout = cmp.Or(c.ConnectTimeout, 10*time.Second)
	c.WriteTimeout = cmp.Or(c.WriteTimeout, 20*time.Second)
	c.FlushTimeout = cmp.Or(c.FlushTimeout, time.Second)
	c.MaxCacheBytes = cmp.Or(c.MaxCacheBytes, 16<<20)
	c.MaxQueuedBytes = cmp.Or(c.MaxQueuedBytes, 4*c.MaxCacheBytes)
	c.MaxConnections = cmp.Or(c.MaxConnections, 10_000)
	c.MaxConnectionsPerAddress = cmp.Or(c.MaxConnectionsPerAddress, 5_000)
	c.EventRate = cmp.Or(c.EventRate, 100)
	return c
}

func (c Config) validate() error {
	if c.Handler == nil {
		return errors.New("socketio: Config.Handler is missing")
	}
	for _, d := range []struct {
		name  string
		value time.Duration
	}{
		{"PingInterval", c.PingInterval},
		{"PingTimeout", c.PingTimeout},
		{"ConnectTimeout", c.ConnectTimeout},
		{"WriteTimeout", c.WriteTimeout},
		{"FlushTimeout", c.FlushTimeout},
	} {
		if d.value < time.Millisecond {
			return fmt.Errorf("socketio: Config.%s is %s, want at least 1ms", d.name, d.value)
		}
	}
	for _, n := range []struct {
		name         string
		value, least int
	}{
		{"MaxCacheBytes", c.MaxCacheBytes, protocol.MaxEventBytes},
		{"MaxQueuedBytes", c.MaxQueuedBytes, c.MaxCacheBytes},
		{"MaxConnections", c.MaxConnections, 1},
		{"MaxConnectionsPerAddress", c.MaxConnectionsPerAddress, 1},
		{"EventRate", c.EventRate, -1},
	} {
		if n.value < n.least {
			return fmt.Errorf("socketio: Config.%s is %d, want at least %d", n.name, n.value, n.least)
		}
	}
	return nil
}

// maxMessage is the most that one Engine.IO message may hold and still be looked into.
func (c Config) maxMessage() int { return c.MaxCacheBytes + overhead }

// maxBody is the most that one polling request may hold: attachments come in base64.
func (c Config) maxBody() int64 {
	most := int64(c.maxMessage())
	return most + most/3 + overhead
}
