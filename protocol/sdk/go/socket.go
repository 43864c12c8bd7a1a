package urbanrobot

import (
	"context"
	"fmt"
	"time"

	"github.com/coder/websocket"
)

const (
	maxMessage   = 64 << 20         // one websocket message, a cache in one piece
	writeTimeout = 30 * time.Second // for one frame
)

// socket carries whole messages. read is called by one goroutine, write by one at a time, close by any.
type socket interface {
	read() (data []byte, binary bool, err error)
	write(data []byte, binary bool) error
	close()
}

// webSocket is a socket over a network.
type webSocket struct{ conn *websocket.Conn }

func dialWebSocket(ctx context.Context, address string) (socket, error) {
	conn, response, err := websocket.Dial(ctx, address, &websocket.DialOptions{CompressionMode: websocket.CompressionDisabled})
	if response != nil && response.Body != nil {
		defer func() { _ = response.Body.Close() }() // there is one only if the server refused
	}
	if err != nil {
		return nil, fmt.Errorf("dial: %w", err)
	}
	conn.SetReadLimit(maxMessage)
	return webSocket{conn}, nil
}

func (s webSocket) read() ([]byte, bool, error) {
	kind, data, err := s.conn.Read(context.Background())
	return data, kind == websocket.MessageBinary, err
}

func (s webSocket) write(data []byte, binary bool) error {
	ctx, cancel := context.WithTimeout(context.Background(), writeTimeout)
	defer cancel()
	kind := websocket.MessageText
	if binary {
		kind = websocket.MessageBinary
	}
	return s.conn.Write(ctx, kind, data)
}

// close ends the connection at once; what was written before is with the kernel.
func (s webSocket) close() { _ = s.conn.CloseNow() }
