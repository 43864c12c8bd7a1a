package urbanrobot

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"time"

	"github.com/urban-robot/urban-robot/protocol"
)

const handshakeTimeout = 20 * time.Second

var (
	errClosed       = errors.New("connection closed")
	errDisconnected = errors.New("disconnected by the server")
	errSilent       = errors.New("server was silent for too long")
)

// link is one connection, from the handshake to its end. run reads; any goroutine may send.
type link struct {
	socket socket
	heard  func(since time.Time) // called for every message after greeted, before anything else, with when it was first waited for
	events func(p packet)        // called for every event, in order

	since time.Time // when the newest message was first waited for; the reader's
	known bool      // greeted was called; the reader's

	writing sync.Mutex

	mu   sync.Mutex
	next uint64
	acks map[string]func(error) // nil once the link is closed

	once   sync.Once
	closed chan struct{}
	err    error // why it closed; read it after closed
}

func newLink(s socket, heard func(time.Time), events func(p packet)) *link {
	return &link{
		socket: s, heard: heard, events: events, acks: make(map[string]func(error)), closed: make(chan struct{}),
	}
}

// run does the handshake, calls connected, and reads until the link is closed; it returns why.
func (l *link) run(ctx context.Context, connected func()) error {
	defer context.AfterFunc(ctx, func() { l.close(ctx.Err()) })()
	watchdog := time.AfterFunc(handshakeTimeout, func() { l.close(errSilent) })
	defer watchdog.Stop()
	patience, err := l.handshake()
	if err == nil {
		connected()
		err = l.read(func() { watchdog.Reset(patience) })
	}
	l.close(err)
	return l.err
}

// close ends the link for that reason and fails every acknowledgement that is still owed. Only the first call counts.
func (l *link) close(err error) {
	l.once.Do(func() {
		l.err = err
		close(l.closed)
		l.socket.close()
		l.mu.Lock()
		owed := l.acks
		l.acks = nil
		l.mu.Unlock()
		for _, done := range owed {
			done(errClosed)
		}
	})
}

// leave tells the server that the client disconnects, and closes.
func (l *link) leave() {
	_ = l.write([]byte{engineMessage, packetDisconnect}) // it is gone either way
	l.close(errClosed)
}

// emit sends an event. done is called once, from another goroutine or before emit returns: with nil when the server has
// acknowledged it, with an error when it refused it or when the link closed first.
func (l *link) emit(event string, data []byte, attachments [][]byte, done func(error)) {
	l.mu.Lock()
	if l.acks == nil {
		l.mu.Unlock()
		done(errClosed)
		return
	}
	l.next++
	ack := strconv.FormatUint(l.next, 10)
	l.acks[ack] = done
	l.mu.Unlock()
	if err := l.write(appendEvent(event, data, len(attachments), ack), attachments...); err != nil {
		l.close(fmt.Errorf("send %s: %w", event, err))
	}
}

// call sends an event and waits for its acknowledgement.
func (l *link) call(ctx context.Context, event string, data []byte, attachments [][]byte) error {
	result := make(chan error, 1)
	l.emit(event, data, attachments, func(err error) { result <- err })
	select {
	case err := <-result:
		return err
	case <-ctx.Done():
		return fmt.Errorf("wait for the acknowledgement of %s: %w", event, ctx.Err())
	}
}

// write sends one text message and its attachments, with nothing between.
func (l *link) write(text []byte, attachments ...[]byte) error {
	l.writing.Lock()
	defer l.writing.Unlock()
	if err := l.socket.write(text, false); err != nil {
		return err
	}
	for _, a := range attachments {
		if err := l.socket.write(a, true); err != nil {
			return err
		}
	}
	return nil
}

// handshake opens Engine.IO and the namespace, and returns how long the server may be silent.
func (l *link) handshake() (time.Duration, error) {
	opened, _, err := l.socket.read()
	if err != nil {
		return 0, fmt.Errorf("handshake: %w", err)
	}
	var open struct{ PingInterval, PingTimeout int64 }
	if len(opened) == 0 || opened[0] != engineOpen || json.Unmarshal(opened[1:], &open) != nil {
		return 0, fmt.Errorf("handshake: %w", errPacket)
	}
	if err := l.write([]byte{engineMessage, packetConnect}); err != nil {
		return 0, fmt.Errorf("handshake: %w", err)
	}
	for {
		text, binary, err := l.socket.read()
		if err != nil {
			return 0, fmt.Errorf("handshake: %w", err)
		}
		if binary || len(text) < 2 || text[0] != engineMessage {
			if err := l.control(text); err != nil {
				return 0, fmt.Errorf("handshake: %w", err)
			}
			continue
		}
		if text[1] != packetConnect {
			return 0, fmt.Errorf("handshake: namespace refused: %w", errDisconnected)
		}
		return time.Duration(open.PingInterval+open.PingTimeout) * time.Millisecond, nil
	}
}

// read hands over events and acknowledgements until the socket ends.
func (l *link) read(alive func()) error {
	var waiting *packet // one whose attachments are still to come
	for {
		alive()
		l.since = time.Now()
		data, binary, err := l.socket.read()
		if err != nil {
			return fmt.Errorf("read: %w", err)
		}
		if l.known {
			l.heard(l.since)
		}
		if !binary && (len(data) == 0 || data[0] != engineMessage) {
			err = l.control(data)
		} else {
			waiting, err = l.message(waiting, data, binary)
		}
		if err != nil {
			return err
		}
	}
}

// greeted has every message count from now on, the one that is being dispatched included: until its hello the server does not know that
// this connection is the client's, and counts the lease from the end of the one before. Only the reader may call it.
func (l *link) greeted() {
	l.known = true
	l.heard(l.since)
}

// message takes one Socket.IO message and dispatches the packet if that completes it.
func (l *link) message(waiting *packet, data []byte, binary bool) (*packet, error) {
	waiting, err := join(waiting, data, binary)
	if err != nil || waiting.missing > 0 {
		return waiting, err
	}
	return nil, l.dispatch(*waiting)
}

// join adds a message to the packet that waits for it, or begins a packet.
func join(waiting *packet, data []byte, binary bool) (*packet, error) {
	switch {
	case binary && waiting != nil:
		waiting.attachments = append(waiting.attachments, data)
		waiting.missing--
		return waiting, nil
	case binary || waiting != nil:
		return nil, errPacket
	}
	p, err := parsePacket(string(data[1:]))
	return &p, err
}

// control answers an Engine.IO packet that is no message.
func (l *link) control(data []byte) error {
	switch {
	case len(data) == 0:
		return errPacket
	case data[0] == enginePing:
		return l.write(append([]byte{enginePong}, data[1:]...))
	case data[0] == engineClose:
		return errDisconnected
	}
	return nil
}

func (l *link) dispatch(p packet) error {
	switch p.kind {
	case packetEvent, packetBinaryEvent:
		if p.ack != "" {
			if err := l.write(appendAck(p.ack)); err != nil {
				return err
			}
		}
		l.events(p)
	case packetAck, packetBinaryAck:
		l.mu.Lock()
		done := l.acks[p.ack]
		delete(l.acks, p.ack)
		l.mu.Unlock()
		if done != nil {
			done(ackError(p.data))
		}
	case packetDisconnect, packetConnectError:
		return errDisconnected
	}
	return nil
}

// ackError returns nil if the server has done what was asked.
func ackError(data []byte) error {
	var answer []protocol.Ack
	switch err := json.Unmarshal(data, &answer); {
	case err != nil || len(answer) == 0:
		return fmt.Errorf("acknowledgement: %w", errPacket)
	case answer[0].OK:
		return nil
	case answer[0].Error == nil:
		return fmt.Errorf("acknowledgement: %w", errPacket)
	default:
		return answer[0].Error
	}
}
