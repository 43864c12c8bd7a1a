package socketio

import (
	"context"
	"net/http"
	"net/netip"
	"sync"
	"time"

	"github.com/zishang520/socket.io/servers/engine/v3"
	"github.com/zishang520/socket.io/servers/engine/v3/transports"
	"github.com/zishang520/socket.io/servers/socket/v3"
	"github.com/zishang520/socket.io/v3/pkg/types"
)

// Path is where the gateway's Handler must be mounted.
const Path = "/socket.io/"

// Gateway accepts Socket.IO connections and tells its Handler of them.
type Gateway struct {
	config  Config
	handler http.Handler // the library's
	server  *socket.Server
	engine  engine.BaseServer

	mu        sync.Mutex
	clients   map[*client]struct{} // from the handshake to the end of the Engine.IO session
	pending   int                  // handshakes under way
	addresses map[netip.Addr]int   // connections and pending handshakes of each
	closed    bool
	empty     chan struct{} // closed once a closed gateway has no client left
	reaping   bool
}

// New checks the config and returns a gateway that waits for requests to its Handler.
func New(config Config) (*Gateway, error) {
	config = config.withDefaults()
	if err := config.validate(); err != nil {
		return nil, err
	}
	g := &Gateway{
		config:    config,
		clients:   make(map[*client]struct{}),
		addresses: make(map[netip.Addr]int),
		empty:     make(chan struct{}),
	}
	g.server = socket.NewServer(nil, g.options())
	g.handler = g.server.ServeHandler(nil)
	g.engine = g.server.Engine()
	if err := g.engine.On("connection", g.sessionOpened); err != nil {
		return nil, err
	}
	if err := g.server.On("connection", g.connected); err != nil {
		return nil, err
	}
	return g, nil
}

// Handler serves Path.
func (g *Gateway) Handler() http.Handler { return http.HandlerFunc(g.serve) }

// Connections returns how many connections there are, those whose handshake is not over included.
func (g *Gateway) Connections() int {
	g.mu.Lock()
	defer g.mu.Unlock()
	return len(g.clients) + g.pending
}

// Shutdown refuses new connections, sends what is queued for the others and closes them so that the clients come back by
// themselves. It returns when all of them have ended; those that have not when ctx ends are cut off.
func (g *Gateway) Shutdown(ctx context.Context) error {
	g.mu.Lock()
	first := !g.closed
	g.closed = true
	if first {
		g.announce()
	}
	g.mu.Unlock()
	for _, c := range g.all() {
		c.leave()
	}
	select {
	case <-g.empty:
		return nil
	case <-ctx.Done():
	}
	for _, c := range g.all() {
		c.abort(reasonShutdown)
	}
	return ctx.Err()
}

// options are the library's. What is off stays off: rooms and broadcasts (our roster hands one frame to many), connection
// state recovery (it keeps every payload for two minutes), compression (it costs more memory than it saves), CORS.
func (g *Gateway) options() *socket.ServerOptions {
	o := socket.DefaultServerOptions()
	o.SetServeClient(false)
	o.SetParser(packetParser{})
	o.SetAdapter(noRooms{})
	o.SetConnectTimeout(g.config.ConnectTimeout)
	o.SetUpgradeTimeout(g.config.ConnectTimeout)
	o.SetPingInterval(g.config.PingInterval)
	o.SetPingTimeout(g.config.PingTimeout)
	o.SetMaxHttpBufferSize(int64(g.config.maxMessage()))
	o.SetTransports(types.NewSet[transports.TransportCtor](&pollingBuilder{}, &websocketBuilder{}))
	o.SetAllowUpgrades(true)
	o.SetAllowEIO3(false)
	return o
}

func (g *Gateway) all() []*client {
	g.mu.Lock()
	defer g.mu.Unlock()
	all := make([]*client, 0, len(g.clients))
	for c := range g.clients {
		all = append(all, c)
	}
	return all
}

// announce tells Shutdown that nobody is left; g.mu is held.
func (g *Gateway) announce() {
	if !g.closed || len(g.clients) > 0 || g.pending > 0 {
		return
	}
	select {
	case <-g.empty:
	default:
		close(g.empty)
	}
}

// sessionOpened is called by the engine after the library's own listener, on the goroutine of the request.
func (g *Gateway) sessionOpened(args ...any) {
	session, ok := args[0].(engine.Socket)
	if !ok {
		return
	}
	transport, ok := session.Transport().(owned)
	if !ok {
		return
	}
	c := transport.owner()
	g.add(c)
	_ = session.Once("close", func(args ...any) {
		reason := reasonTransport
		if s, ok := args[0].(string); ok {
			reason = s
		}
		c.ended(reason)
		g.remove(c)
	})
	_ = session.On("upgrade", func(args ...any) {
		if t, ok := args[0].(*websocketTransport); ok {
			t.activate()
		}
	})
	c.session.Store(&session)
	if session.ReadyState() == "closed" {
		c.ended(reasonTransport)
		g.remove(c)
	}
	if t, ok := transport.(*pollingTransport); ok {
		t.start()
	}
}

// connected is called by the library for each client that has joined the namespace, on a goroutine of its own.
func (g *Gateway) connected(args ...any) {
	joined, ok := args[0].(*socket.Socket)
	if !ok {
		return
	}
	transport, ok := joined.Conn().Transport().(owned)
	if !ok {
		joined.Disconnect(true)
		return
	}
	c := transport.owner()
	_ = joined.Once("disconnect", func(args ...any) {
		reason := reasonTransport
		if s, ok := args[0].(string); ok {
			reason = s
		}
		// The namespace can be left without the connection being closed, which nobody would do any more after that.
		c.disconnected(reason)
	})
	alive := c.open(string(joined.Id()))
	// The library forgets a socket that joined while its connection was being closed: nobody would tell it of the end.
	if !alive || joined.Conn().ReadyState() == "closed" {
		c.ended(reasonTransport)
		joined.Disconnect(true)
	}
}

func (g *Gateway) add(c *client) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.clients[c] = struct{}{}
	g.pending--
	c.counted = true
	if !g.reaping {
		g.reaping = true
		time.AfterFunc(reapInterval, g.reap)
	}
}

func (g *Gateway) remove(c *client) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if _, ok := g.clients[c]; !ok {
		return
	}
	delete(g.clients, c)
	g.forget(c.peer.Address)
	g.announce()
}

// reap ends what the library says is closed and did not tell us of. It runs only while there are clients.
func (g *Gateway) reap() {
	for _, c := range g.all() {
		if session := c.session.Load(); session != nil && (*session).ReadyState() == "closed" {
			c.ended(reasonTransport)
			g.remove(c)
		}
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.reaping = len(g.clients) > 0; g.reaping {
		time.AfterFunc(reapInterval, g.reap)
	}
}

// noRooms is an adapter without rooms: we have none, and the library's race when a socket joins while it leaves.
type noRooms struct{}

// New implements socket.AdapterConstructor.
func (noRooms) New(nsp socket.Namespace) socket.Adapter {
	a := roomless{socket.MakeAdapter()}
	a.Prototype(a)
	a.Construct(nsp)
	return a
}

type roomless struct{ socket.Adapter }

// AddAll implements socket.Adapter.
func (roomless) AddAll(socket.SocketId, *types.Set[socket.Room]) {}

// DelAll implements socket.Adapter.
func (roomless) DelAll(socket.SocketId) {}
