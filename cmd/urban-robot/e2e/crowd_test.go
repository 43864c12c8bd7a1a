package e2e

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"io"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/coder/websocket"
	"github.com/stretchr/testify/require"
)

// crowd is many clients in this process. They speak the protocol directly, hash a cache while it arrives, and keep none of it: a
// thousand copies of it would be a test of this process.
type crowd struct {
	clients []*member
	sent    int      // caches
	newest  [32]byte // hash of the last one sent

	mu    sync.Mutex
	grown chan struct{} // closed, and replaced, whenever a member has news
}

// member is one client of a crowd.
type member struct {
	socket *websocket.Conn
	crowd  *crowd

	// under the crowd's lock
	state  string           // connected, identified, ready, active, coma
	caches map[[32]byte]int // how often each arrived, by its hash
	order  [][32]byte       // in which they arrived
	err    error            // why it ended
}

func newCrowd() *crowd { return &crowd{grown: make(chan struct{})} }

func (c *crowd) change(news func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	news()
	close(c.grown)
	c.grown = make(chan struct{})
}

// join connects one more client of that version and reads until the connection ends.
func (c *crowd) join(ctx context.Context, t *testing.T, url, version string) *member {
	t.Helper()
	address := "ws" + strings.TrimPrefix(url, "http") + "/socket.io/?EIO=4&transport=websocket"
	socket, response, err := websocket.Dial(ctx, address, nil)
	require.NoError(t, err)
	if response.Body != nil {
		_ = response.Body.Close() // it has none, save for a failure
	}
	socket.SetReadLimit(-1)
	m := &member{socket: socket, crowd: c, caches: map[[32]byte]int{}}
	c.mu.Lock()
	c.clients = append(c.clients, m)
	c.mu.Unlock()
	go func() {
		err := m.read(ctx, version)
		c.change(func() { m.err = err })
	}()
	return m
}

// read answers what comes.
func (m *member) read(ctx context.Context, version string) error {
	for {
		_, message, err := m.socket.Reader(ctx)
		if err != nil {
			return fmt.Errorf("read: %w", err)
		}
		hash := sha256.New()
		head := make([]byte, 0, 512)
		if err := readHead(io.TeeReader(message, hash), &head); err != nil {
			return fmt.Errorf("read: %w", err)
		}
		if err := m.hear(ctx, version, string(head), [32]byte(hash.Sum(nil))); err != nil {
			return err
		}
	}
}

// readHead reads a message to its end and keeps its beginning.
func readHead(message io.Reader, head *[]byte) error {
	buffer := make([]byte, 32<<10)
	for {
		n, err := message.Read(buffer)
		*head = append(*head, buffer[:min(n, cap(*head)-len(*head))]...)
		switch {
		case err == io.EOF:
			return nil
		case err != nil:
			return err
		}
	}
}

// hear handles one packet.
func (m *member) hear(ctx context.Context, version, packet string, hash [32]byte) error {
	switch {
	case strings.HasPrefix(packet, "0"):
		return m.say(ctx, "40")
	case packet == "2":
		return m.say(ctx, "3")
	case strings.HasPrefix(packet, "40"):
		m.becomes("connected")
		return m.say(ctx, `42["identify",{"version":"`+version+`"}]`)
	case strings.HasPrefix(packet, `42["hello"`):
		m.becomes("identified")
		return m.say(ctx, `42["ready",{}]`)
	case strings.HasPrefix(packet, `42["cache_sync"`):
		m.crowd.change(func() {
			m.caches[hash]++
			m.order = append(m.order, hash)
		})
	case strings.HasPrefix(packet, `42["command"`):
		return m.obey(ctx, packet[2:])
	}
	return nil
}

func (m *member) obey(ctx context.Context, frame string) error {
	var parts [2]json.RawMessage
	var command struct{ T string }
	if err := json.Unmarshal([]byte(frame), &parts); err != nil {
		return fmt.Errorf("command: %w", err)
	}
	if err := json.Unmarshal(parts[1], &command); err != nil {
		return fmt.Errorf("command: %w", err)
	}
	switch command.T {
	case "ok":
		m.becomes("active")
	case "coma":
		m.becomes("coma")
		return m.say(ctx, `42["coma",{}]`)
	case "health_check":
		return m.say(ctx, `42["health_check",{"ok":true}]`)
	}
	return nil
}

func (m *member) becomes(state string) { m.crowd.change(func() { m.state = state }) }

func (m *member) say(ctx context.Context, text string) error {
	if err := m.socket.Write(ctx, websocket.MessageText, []byte(text)); err != nil {
		return fmt.Errorf("write: %w", err)
	}
	return nil
}

// all waits until as many members as wanted are as they should be.
func (c *crowd) all(t *testing.T, want int, what string, is func(*member) bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 3*patience)
	defer cancel()
	for {
		have := 0
		c.mu.Lock()
		grown := c.grown
		for _, m := range c.clients {
			require.NoError(t, m.err, "a member of the crowd was lost")
			if is(m) {
				have++
			}
		}
		c.mu.Unlock()
		if have >= want {
			return
		}
		select {
		case <-grown:
		case <-ctx.Done():
			require.FailNow(t, "the crowd is slow", "%s: %d clients, want %d", what, have, want)
		}
	}
}

// cacheOf is a cache event of that size, different for each number.
func cacheOf(size, number int) string {
	head, tail := `{"n":`+strconv.Itoa(number)+`,"guild":1152921504606846977,"x":"`, `"}`
	return `42["cache_sync",` + head + strings.Repeat("x", size-len(head)-len(tail)) + tail + `]`
}
