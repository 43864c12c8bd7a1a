package socketio

import (
	"bytes"
	"log"

	"github.com/rs/zerolog"
)

// errorLog takes the lines of net/http's log over into ours.
//
// The Socket.IO library writes to standard error through loggers it made at its start and offers no hook for them. It stays
// silent unless one of its listeners panics, and ours never do: client.guard stands before the Handler.
type errorLog struct{ log zerolog.Logger }

func newErrorLog(to zerolog.Logger) *log.Logger { return log.New(errorLog{to}, "", 0) }

// Write implements io.Writer.
func (e errorLog) Write(line []byte) (int, error) {
	e.log.Warn().Bytes("line", bytes.TrimSpace(line)).Msg("http server complained")
	return len(line), nil
}
