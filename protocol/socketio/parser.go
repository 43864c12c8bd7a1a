package socketio

import (
	"encoding/json"
	"io"
	"strconv"

	"github.com/zishang520/socket.io/parsers/socket/v3/parser"
	"github.com/zishang520/socket.io/v3/pkg/types"
)

// message is one Engine.IO message on its way from our transport through the library to our decoder, with the client it
// came from.
type message struct {
	client *client
	data   []byte
	binary bool
	cut    bool // it was longer than the limit: data is only its beginning
}

// Read makes a message fit where the library wants an io.Reader; nobody reads it.
func (*message) Read([]byte) (int, error) { return 0, io.EOF }

// packetParser replaces the library's parser, which decodes every payload into interfaces: integers above 2^53, such as
// Discord's ids, come out of it changed, and a large cache costs ten times its size.
type packetParser struct{}

// NewEncoder implements parser.Parser.
func (packetParser) NewEncoder() parser.Encoder { return packetEncoder{} }

// NewDecoder implements parser.Parser.
func (packetParser) NewDecoder() parser.Decoder {
	return &packetDecoder{EventEmitter: types.NewEventEmitter()}
}

// packetEncoder encodes what the library itself sends: CONNECT, CONNECT_ERROR and DISCONNECT. Our events and
// acknowledgements do not pass through it.
type packetEncoder struct{}

// Encode implements parser.Encoder.
func (packetEncoder) Encode(p *parser.Packet) []types.BufferInterface {
	text := strconv.AppendInt(nil, int64(p.Type), 10)
	if p.Nsp != "" && p.Nsp != "/" {
		text = append(append(text, p.Nsp...), ',')
	}
	if p.Data != nil {
		if data, err := json.Marshal(p.Data); err == nil {
			text = append(text, data...)
		}
	}
	return []types.BufferInterface{types.NewStringBuffer(text)}
}

// packetDecoder belongs to one connection and is called under client.reading. CONNECT and DISCONNECT go to the
// library; events and acknowledgements go straight to the client, on the goroutine that read them, so that a client is
// read no faster than it is handled and nothing queues up in between.
type packetDecoder struct {
	types.EventEmitter

	pending *socketPacket // waits for its attachments
	missing int
	bytes   int
}

// Add implements parser.Decoder. An error ends the connection.
func (d *packetDecoder) Add(data any) error {
	m, ok := data.(*message)
	if !ok {
		return errForeignPacket
	}
	var err error
	if m.binary {
		err = d.addAttachment(m)
	} else {
		err = d.addText(m)
	}
	if err != nil {
		m.client.violated(err)
	}
	return err
}

// Destroy implements parser.Decoder.
func (d *packetDecoder) Destroy() { d.Clear() }

func (d *packetDecoder) addText(m *message) error {
	if d.pending != nil {
		return errInterrupted
	}
	p, err := parsePacket(m.data)
	if err != nil {
		return err
	}
	p.cut = m.cut
	if p.attachments > 0 {
		d.pending, d.missing, d.bytes = &p, p.attachments, len(m.data)
		return nil
	}
	d.decoded(m.client, p)
	return nil
}

func (d *packetDecoder) addAttachment(m *message) error {
	if d.pending == nil {
		return errNotExpected
	}
	d.bytes += len(m.data)
	d.missing--
	p := d.pending
	if m.cut || d.bytes > m.client.gateway.config.maxMessage() {
		p.cut, p.binary = true, nil
	}
	if !p.cut {
		p.binary = append(p.binary, m.data)
	}
	if d.missing == 0 {
		d.pending = nil
		d.decoded(m.client, *p)
	}
	return nil
}

func (d *packetDecoder) decoded(c *client, p socketPacket) {
	isData := p.kind != packetConnect && p.kind != packetDisconnect && p.kind <= packetBinaryAck && p.kind != packetConnectError
	if isData && p.namespace == "/" && c.isOpen() {
		c.guard(func() { c.received(p) })
		return
	}
	d.Emit("decoded", &parser.Packet{Type: parser.PacketType(p.kind - '0'), Nsp: p.namespace})
	if p.kind == packetConnect && p.namespace == "/" {
		// The library makes the connection on another goroutine. What the client sends right behind its CONNECT would meet
		// a half-made one there and cost it the connection.
		c.awaitOpen()
	}
}
