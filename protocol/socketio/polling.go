package socketio

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/zishang520/socket.io/parsers/engine/v3/packet"
	"github.com/zishang520/socket.io/servers/engine/v3/transports"
	"github.com/zishang520/socket.io/v3/pkg/types"
)

const separator = 0x1e // between the packets of one request or response

var errPolling = errors.New("polling")

// pollingTransport answers GET requests with what the outbox holds and reads POST requests. All of a request is handled on
// the goroutine that net/http gave it.
type pollingTransport struct {
	transports.Transport

	client   *client
	first    *types.HttpContext // the request of the handshake, until start answers it
	polling  atomic.Bool        // a GET is waiting
	posting  atomic.Bool        // a POST is being read
	news     chan struct{}      // holds a token when a waiting GET should look again
	noop     atomic.Bool        // answer the waiting GET with nothing: the client is upgrading
	closed   chan struct{}      // closed when GETs are answered no more
	farewell atomic.Int32
	once     atomic.Bool
	conn     atomic.Pointer[net.Conn] // of the latest GET
}

// How the last GET is answered.
const (
	sayNoop    int32 = iota // the client goes on elsewhere
	sayClose                // it shall not come back by itself
	sayError                // it shall
	sayNothing              // cut it off
)

func newPolling(ctx *types.HttpContext, c *client) *pollingTransport {
	t := &pollingTransport{
		Transport: transports.MakeTransport(),
		client:    c,
		news:      make(chan struct{}, 1),
		closed:    make(chan struct{}),
	}
	t.Prototype(t)
	t.Construct(ctx)
	t.SetWritable(true)
	return t
}

// Name implements transports.Transport.
func (t *pollingTransport) Name() string { return transports.POLLING }

// OnRequest implements transports.Transport. The guard lets in nothing but GET and POST.
func (t *pollingTransport) OnRequest(ctx *types.HttpContext) {
	switch {
	case ctx.Query().Peek("sid") == "":
		t.first = ctx
	case ctx.Method() == http.MethodPost:
		t.post(ctx)
	default:
		t.get(ctx)
	}
}

// Send implements transports.Transport. It never blocks.
func (t *pollingTransport) Send(packets []*packet.Packet) {
	for _, p := range packets {
		if p.Type == packet.NOOP {
			t.noop.Store(true)
			t.wake()
			continue
		}
		t.client.queue(encodePacket(p))
	}
	t.Emit("drain")
}

// DoClose implements transports.Transport; see websocketTransport.DoClose.
func (t *pollingTransport) DoClose(done types.Callable) {
	if done == nil {
		t.stop(sayNoop)
		return
	}
	landed := t.client.out.seal()
	go func() {
		t.client.await(landed)
		t.stop(sayClose)
		done()
	}()
}

// start answers the handshake. The gateway calls it when the library has put up all its listeners: a client may send its
// CONNECT as soon as it has the answer.
func (t *pollingTransport) start() {
	t.client.setWire(t)
	t.get(t.first)
	t.first = nil
}

func (t *pollingTransport) owner() *client { return t.client }

// wake implements sender.
func (t *pollingTransport) wake() {
	select {
	case t.news <- struct{}{}:
	default:
	}
}

// end implements wire.
func (t *pollingTransport) end(orderly bool) {
	if orderly {
		t.stop(sayClose)
	} else {
		t.stop(sayError)
	}
	t.OnClose()
}

// abort implements wire.
func (t *pollingTransport) abort() {
	t.stop(sayNothing)
	if conn := t.conn.Load(); conn != nil {
		reset(*conn)
	}
	go t.OnClose()
}

func (t *pollingTransport) stop(farewell int32) {
	if t.once.CompareAndSwap(false, true) {
		t.farewell.Store(farewell)
		close(t.closed)
	}
}

// fail ends the connection because of a request that must not be.
func (t *pollingTransport) fail(ctx *types.HttpContext, why string) {
	t.client.log().Debug().Str("reason", why).Msg("polling request refused")
	refuse(ctx, http.StatusBadRequest, why)
	t.OnError(why, errPolling)
}

func refuse(ctx *types.HttpContext, status int, why string) {
	_ = ctx.SetStatusCode(status)
	_, _ = ctx.Write([]byte(why))
}

// get waits until there is something to send and sends it.
func (t *pollingTransport) get(ctx *types.HttpContext) {
	if !t.polling.CompareAndSwap(false, true) {
		t.fail(ctx, "two GET requests at once")
		return
	}
	if conn, ok := ctx.Context().Value(connKey{}).(net.Conn); ok {
		t.conn.Store(&conn)
	}
	for {
		if batch := t.client.out.take(t, maxPollBytes); len(batch) > 0 {
			t.polling.Store(false) // the client may be back before the response is off our hands
			err := t.respond(ctx, encodePayload(batch))
			t.client.out.landed(t)
			t.wake()
			if err != nil {
				t.OnError("polling response not sent", err)
			}
			return
		}
		if t.noop.CompareAndSwap(true, false) {
			t.polling.Store(false)
			_ = t.respond(ctx, []byte{engineNoop})
			return
		}
		select {
		case <-t.news:
		case <-t.closed:
			t.polling.Store(false)
			t.sayFarewell(ctx)
			return
		case <-ctx.Context().Done():
			t.polling.Store(false)
			ctx.Flush()
			t.OnError("poll connection closed prematurely", context.Cause(ctx.Context()))
			return
		}
	}
}

func (t *pollingTransport) sayFarewell(ctx *types.HttpContext) {
	switch t.farewell.Load() {
	case sayNoop:
		_ = t.respond(ctx, []byte{engineNoop})
	case sayClose:
		_ = t.respond(ctx, []byte{engineClose})
	case sayError:
		refuse(ctx, http.StatusServiceUnavailable, "the server is shutting down")
	default:
		if conn, _, err := http.NewResponseController(ctx.Response()).Hijack(); err == nil {
			reset(conn)
		}
		ctx.Flush()
	}
}

// respond writes a whole response. It does not use the library's Write, whose data may still be in a buffer of net/http
// when it returns.
func (t *pollingTransport) respond(ctx *types.HttpContext, payload []byte) error {
	defer ctx.Flush()
	w := ctx.Response()
	control := http.NewResponseController(w)
	allowed := t.client.gateway.config.WriteTimeout + requestTime(int64(len(payload)))
	_ = control.SetWriteDeadline(time.Now().Add(allowed))
	defer func() { _ = control.SetWriteDeadline(time.Time{}) }()
	header := w.Header()
	header.Set("Content-Type", "text/plain; charset=UTF-8")
	header.Set("Content-Length", strconv.Itoa(len(payload)))
	header.Set("Cache-Control", "no-store")
	w.WriteHeader(http.StatusOK)
	if _, err := w.Write(payload); err != nil {
		return err
	}
	return control.Flush()
}

// post reads one request with any number of packets.
func (t *pollingTransport) post(ctx *types.HttpContext) {
	if !t.posting.CompareAndSwap(false, true) {
		t.fail(ctx, "two POST requests at once")
		return
	}
	defer t.posting.Store(false)
	r := ctx.Request()
	if strings.HasPrefix(r.Header.Get("Content-Type"), "application/octet-stream") {
		t.fail(ctx, "binary bodies are not part of protocol 4")
		return
	}
	body := make([]byte, r.ContentLength)
	_, err := io.ReadFull(r.Body, body)
	_ = http.NewResponseController(ctx.Response()).SetReadDeadline(time.Time{}) // the guard's
	if err != nil {
		t.fail(ctx, "the body is incomplete")
		return
	}
	t.posted(ctx, body)
}

func (t *pollingTransport) posted(ctx *types.HttpContext, body []byte) {
	going := true
	for part := range bytes.SplitSeq(body, []byte{separator}) {
		if going = t.deliver(part); !going {
			break
		}
	}
	t.posting.Store(false)
	header := ctx.ResponseHeaders()
	header.Set("Content-Type", "text/html")
	header.Set("Cache-Control", "no-store")
	_, _ = ctx.Write([]byte("ok"))
	if !going {
		t.stop(sayNoop)
		t.OnClose()
	}
}

func (t *pollingTransport) deliver(part []byte) bool {
	m := &message{client: t.client, data: part}
	if len(part) > 0 && part[0] == 'b' {
		m.binary = true
		data := make([]byte, base64.StdEncoding.DecodedLen(len(part)-1))
		n, err := base64.StdEncoding.Decode(data, part[1:])
		if err != nil {
			t.OnPacket(&packet.Packet{Type: packet.ERROR})
			return false
		}
		m.data = data[:n]
	}
	if limit := t.client.gateway.config.maxMessage(); len(m.data) > limit {
		m.data, m.cut = m.data[:limit], true
	}
	return deliver(t, m)
}

// encodePayload joins packets; binary messages travel as base64.
func encodePayload(batch []item) []byte {
	size := 0
	for _, it := range batch {
		size += len(it.text) + 1
		for _, b := range it.binary {
			size += base64.StdEncoding.EncodedLen(len(b)) + 2
		}
	}
	payload := make([]byte, 0, size)
	for i, it := range batch {
		if i > 0 {
			payload = append(payload, separator)
		}
		payload = append(payload, it.text...)
		for _, b := range it.binary {
			payload = append(payload, separator, 'b')
			payload = base64.StdEncoding.AppendEncode(payload, b)
		}
	}
	return payload
}

// requestTime is how long so many bytes may take.
func requestTime(bytes int64) time.Duration {
	return time.Duration(bytes) * time.Second / requestRate
}
