package socketio

import (
	"context"
	"encoding/json"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/gorilla/websocket"
	"github.com/rs/zerolog"
	"github.com/zishang520/socket.io/servers/engine/v3/transports"

	"github.com/urban-robot/urban-robot/protocol"
)

// refusal is the answer to a request that does not reach the library, in the form Engine.IO clients know.
type refusal struct {
	status  int
	Code    int    `json:"code"`
	Message string `json:"message"`
}

// The codes are Engine.IO's own.
var (
	refuseTransport = &refusal{http.StatusBadRequest, 0, "the query needs transport=polling or transport=websocket, once"}
	refuseVersion   = &refusal{http.StatusBadRequest, 5, "the query needs EIO=4, once"}
	refuseJSONP     = &refusal{http.StatusBadRequest, 3, "JSONP is not supported"}
	refuseSession   = &refusal{http.StatusBadRequest, 3, "the query needs sid at most once"}
	refuseMethod    = &refusal{http.StatusMethodNotAllowed, 2, "only GET and POST are supported"}
	refuseUpgrade   = &refusal{http.StatusBadRequest, 3, "a websocket handshake and transport=websocket go together"}
	refuseLength    = &refusal{http.StatusLengthRequired, 3, "the request needs its Content-Length"}
	refuseSize      = &refusal{http.StatusRequestEntityTooLarge, 3, "the body is too large"}
	refuseDeadline  = &refusal{http.StatusInternalServerError, 3, "no deadline can be set"}
	refuseSecond    = &refusal{http.StatusBadRequest, 3, "the connection is being upgraded already"}
	refuseFull      = &refusal{http.StatusServiceUnavailable, 3, "too many connections, try again later"}
	refuseAddress   = &refusal{http.StatusTooManyRequests, 3, "too many connections from this address"}
	refuseClosed    = &refusal{http.StatusServiceUnavailable, 3, "the server is shutting down"}
)

// serve is the way in: it lets nothing through to the library that the library might take amiss.
func (g *Gateway) serve(w http.ResponseWriter, r *http.Request) {
	why := check(r)
	if why == nil {
		why = g.checkBody(w, r)
	}
	if why != nil {
		g.refuse(w, r, why)
		return
	}
	h := &handshake{gw: g, peer: peerOf(r)}
	sid := r.URL.Query().Get("sid")
	if sid == "" {
		if why := g.admit(h.peer.Address); why != nil {
			g.refuse(w, r, why)
			return
		}
		defer g.settle(h)
	} else if websocket.IsWebSocketUpgrade(r) {
		if session, ok := g.engine.Clients().Load(sid); ok {
			transport, ok := session.Transport().(*pollingTransport)
			if !ok || !transport.client.upgrading.CompareAndSwap(false, true) {
				g.refuse(w, r, refuseSecond)
				return
			}
			h.client, h.probe = transport.client, true
		}
	}
	g.handler.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), handshakeKey{}, h)))
	switch {
	case h.socket != nil:
		h.socket.start()
	case h.probe:
		h.client.upgrading.Store(false)
	}
}

func check(r *http.Request) *refusal {
	query := r.URL.Query()
	transport := query["transport"]
	switch {
	case len(transport) != 1 || transport[0] != transports.POLLING && transport[0] != transports.WEBSOCKET:
		return refuseTransport
	case !slices.Equal(query["EIO"], []string{"4"}):
		return refuseVersion
	case query.Has("j"):
		return refuseJSONP
	case len(query["sid"]) > 1:
		return refuseSession
	case r.Method != http.MethodGet && r.Method != http.MethodPost:
		return refuseMethod
	case websocket.IsWebSocketUpgrade(r) != (transport[0] == transports.WEBSOCKET):
		return refuseUpgrade
	}
	return nil
}

// checkBody limits a body in size and time. The time counts for whoever reads it, net/http included, which reads over what
// nobody wanted.
func (g *Gateway) checkBody(w http.ResponseWriter, r *http.Request) *refusal {
	switch {
	case r.ContentLength == 0:
		return nil
	case r.ContentLength < 0:
		return refuseLength
	case r.ContentLength > g.config.maxBody():
		g.config.Log.Warn().Str("address", r.RemoteAddr).Int64("bytes", r.ContentLength).Int64("limit", g.config.maxBody()).
			Msg("client sent too large a message")
		return refuseSize
	}
	deadline := time.Now().Add(g.config.ConnectTimeout + requestTime(r.ContentLength))
	if err := http.NewResponseController(w).SetReadDeadline(deadline); err != nil {
		return refuseDeadline
	}
	return nil
}

func (g *Gateway) refuse(w http.ResponseWriter, r *http.Request, why *refusal) {
	g.config.Log.Debug().Str("address", r.RemoteAddr).Str("reason", why.Message).Msg("request refused")
	body, err := json.Marshal(why)
	if err != nil {
		panic("socketio: a refusal does not encode: " + err.Error())
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Connection", "close") // or net/http waits for the rest of a body first
	w.WriteHeader(why.status)
	_, _ = w.Write(body)
}

func peerOf(r *http.Request) Peer {
	peer := Peer{UserAgent: cutText(strings.ToValidUTF8(r.UserAgent(), ""), protocol.MaxIDBytes)}
	if address, err := netip.ParseAddrPort(r.RemoteAddr); err == nil {
		peer.Address = address.Addr().Unmap()
	}
	return peer
}

// admit counts a handshake in, or says why not.
func (g *Gateway) admit(address netip.Addr) *refusal {
	g.mu.Lock()
	defer g.mu.Unlock()
	switch {
	case g.closed:
		return refuseClosed
	case len(g.clients)+g.pending >= g.config.MaxConnections:
		return refuseFull
	case g.addresses[address] >= g.config.MaxConnectionsPerAddress:
		return refuseAddress
	}
	g.pending++
	g.addresses[address]++
	return nil
}

// settle takes admit back if the handshake came to nothing.
func (g *Gateway) settle(h *handshake) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if h.client == nil || !h.client.counted {
		g.pending--
		g.forget(h.peer.Address)
		g.announce()
	}
}

func (g *Gateway) forget(address netip.Addr) {
	if g.addresses[address]--; g.addresses[address] <= 0 {
		delete(g.addresses, address)
	}
}

// socketBuffer is how much of what is sent to one client the kernel holds: what waits there can no longer be replaced by a newer cache,
// and the usual four megabytes for each of a thousand slow clients exhaust a machine's memory for TCP.
const socketBuffer = 256 << 10

// connKey is the key of a request's connection in its context.
type connKey struct{}

// NewServer returns a server for the gateway's Handler and what is mounted beside it. It has no limit on a whole request
// or response, for they may be large and a poll waits long: the gateway sets deadlines of its own.
func NewServer(handler http.Handler, log zerolog.Logger) *http.Server {
	return &http.Server{
		Handler:           handler,
		ReadHeaderTimeout: 5 * time.Second,
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    16 << 10,
		ErrorLog:          newErrorLog(log),
		ConnContext: func(ctx context.Context, conn net.Conn) context.Context {
			if tcp, ok := conn.(*net.TCPConn); ok {
				_ = tcp.SetWriteBuffer(socketBuffer) // with the usual size it works, too, until the machine is short of memory
			}
			return context.WithValue(ctx, connKey{}, conn)
		},
	}
}
