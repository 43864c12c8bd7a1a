package urbanrobot

import (
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// Types of Engine.IO v4 packets, the first byte of a text message.
const (
	engineOpen    = '0'
	engineClose   = '1'
	enginePing    = '2'
	enginePong    = '3'
	engineMessage = '4'
)

// Types of Socket.IO v5 packets, the byte after engineMessage.
const (
	packetConnect      = '0'
	packetDisconnect   = '1'
	packetEvent        = '2'
	packetAck          = '3'
	packetConnectError = '4'
	packetBinaryEvent  = '5'
	packetBinaryAck    = '6'
)

var errPacket = errors.New("server sent something that is no Socket.IO packet")

// packet is one Socket.IO packet of the namespace /.
type packet struct {
	kind        byte
	ack         string // the acknowledgement's number, empty: none
	event       string // of an event
	data        []byte // of an event its first argument, else all there is
	attachments [][]byte
	missing     int // attachments still to come
}

// parsePacket parses what follows engineMessage.
func parsePacket(text string) (packet, error) {
	if text == "" {
		return packet{}, errPacket
	}
	p := packet{kind: text[0]}
	rest := text[1:]
	if p.kind == packetBinaryEvent || p.kind == packetBinaryAck {
		count, after, found := strings.Cut(rest, "-")
		n, err := strconv.ParseUint(count, 10, 16)
		if !found || err != nil {
			return packet{}, errPacket
		}
		p.missing, rest = int(n), after
	}
	if strings.HasPrefix(rest, "/") {
		return packet{}, fmt.Errorf("%w of our namespace", errPacket)
	}
	digits := len(rest) - len(strings.TrimLeft(rest, "0123456789"))
	p.ack, p.data = rest[:digits], []byte(rest[digits:])
	if p.kind != packetEvent && p.kind != packetBinaryEvent {
		return p, nil
	}
	var parts []json.RawMessage
	if json.Unmarshal(p.data, &parts) != nil || len(parts) == 0 || json.Unmarshal(parts[0], &p.event) != nil {
		return packet{}, errPacket
	}
	p.data = nil
	if len(parts) > 1 {
		p.data = parts[1]
	}
	return p, nil
}

// appendEvent returns the text message of an event; ack is empty where none is asked for.
func appendEvent(event string, data []byte, attachments int, ack string) []byte {
	b := make([]byte, 0, len(event)+len(data)+32)
	b = append(b, engineMessage)
	if attachments > 0 {
		b = append(b, packetBinaryEvent)
		b = strconv.AppendInt(b, int64(attachments), 10)
		b = append(b, '-')
	} else {
		b = append(b, packetEvent)
	}
	b = append(b, ack...)
	b = append(b, '[')
	b = strconv.AppendQuote(b, event)
	b = append(b, ',')
	b = append(b, data...)
	return append(b, ']')
}

// appendAck returns the text message that acknowledges an event.
func appendAck(ack string) []byte {
	return append([]byte{engineMessage, packetAck}, ack+`[{"ok":true}]`...)
}
