package socketio

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"strconv"
	"unicode/utf8"
)

// Packet types of Engine.IO 4 and Socket.IO 5 as they stand on the wire, as far as this package writes or reads them
// itself.
const (
	engineClose   = '1'
	enginePing    = '2'
	enginePong    = '3'
	engineMessage = '4'
	engineUpgrade = '5'
	engineNoop    = '6'

	packetConnect      = '0'
	packetDisconnect   = '1'
	packetEvent        = '2'
	packetAck          = '3'
	packetConnectError = '4'
	packetBinaryEvent  = '5'
	packetBinaryAck    = '6'
)

const (
	maxNamespaceBytes = 128
	maxNumberDigits   = 19 // of an acknowledgement number: every one of them fits a uint64
)

// Violations of the protocol that end a connection, for what follows could not be understood.
var (
	errEmptyPacket   = errors.New("a packet is empty")
	errPacketType    = errors.New("a packet has an unknown type")
	errAttachments   = errors.New("a packet's number of attachments is missing or above the limit")
	errNamespace     = errors.New("a namespace is too long")
	errNumber        = errors.New("an acknowledgement number is too long")
	errNoNumber      = errors.New("an acknowledgement has no number")
	errInterrupted   = errors.New("a text packet came where an attachment was expected")
	errNotExpected   = errors.New("an attachment came that no packet announced")
	errForeignPacket = errors.New("a packet came from a transport that is not ours")
)

// socketPacket is one Socket.IO packet; its payload is neither decoded nor checked.
type socketPacket struct {
	kind        byte
	attachments int
	namespace   string
	number      uint64
	numbered    bool
	payload     []byte   // a part of the message it was read from
	binary      [][]byte // the attachments, once they have come
	cut         bool     // it was longer than the limit: payload is only its beginning, or attachments are missing
}

// parsePacket reads the head of a packet: <type>[<attachments>-][/<namespace>,][<number>][payload].
func parsePacket(data []byte) (socketPacket, error) {
	if len(data) == 0 {
		return socketPacket{}, errEmptyPacket
	}
	p := socketPacket{kind: data[0], namespace: "/"}
	if p.kind < packetConnect || p.kind > packetBinaryAck {
		return socketPacket{}, errPacketType
	}
	rest, err := p.parseAttachments(data[1:])
	if err != nil {
		return socketPacket{}, err
	}
	if rest, err = p.parseNamespace(rest); err != nil {
		return socketPacket{}, err
	}
	if p.payload, err = p.parseNumber(rest); err != nil {
		return socketPacket{}, err
	}
	return p, nil
}

func (p *socketPacket) parseAttachments(data []byte) ([]byte, error) {
	if p.kind != packetBinaryEvent && p.kind != packetBinaryAck {
		return data, nil
	}
	digits := leadingDigits(data, 4)
	n, err := strconv.Atoi(string(digits))
	if err != nil || n > maxAttachments || len(data) == len(digits) || data[len(digits)] != '-' {
		return nil, errAttachments
	}
	p.attachments = n
	return data[len(digits)+1:], nil
}

func (p *socketPacket) parseNamespace(data []byte) ([]byte, error) {
	if len(data) == 0 || data[0] != '/' {
		return data, nil
	}
	name, _, found := bytes.Cut(data[:min(len(data), maxNamespaceBytes+1)], []byte{','})
	if len(name) > maxNamespaceBytes {
		return nil, errNamespace
	}
	p.namespace = string(name)
	if found {
		return data[len(name)+1:], nil
	}
	return data[len(name):], nil
}

func (p *socketPacket) parseNumber(data []byte) ([]byte, error) {
	digits := leadingDigits(data, maxNumberDigits+1)
	if len(digits) == 0 {
		if p.kind == packetAck || p.kind == packetBinaryAck {
			return nil, errNoNumber
		}
		return data, nil
	}
	number, err := strconv.ParseUint(string(digits), 10, 64)
	if err != nil || len(digits) > maxNumberDigits {
		return nil, errNumber
	}
	p.number, p.numbered = number, true
	return data[len(digits):], nil
}

func leadingDigits(data []byte, most int) []byte {
	n := 0
	for n < len(data) && n < most && data[n] >= '0' && data[n] <= '9' {
		n++
	}
	return data[:n]
}

// Faults of one event: it is rejected, the connection stays.
var (
	errNotUTF8   = errors.New("not UTF-8 text")
	errNotJSON   = errors.New("not valid JSON")
	errNoName    = errors.New("not an array that begins with the event's name")
	errArguments = errors.New("not exactly one argument")
)

// parseEvent splits an event's payload ["name",argument] without decoding the argument: numbers stay the text they are.
// Every byte is looked at once by json.Valid. The name is returned with an error too, where it could be read.
func parseEvent(payload []byte) (name string, argument []byte, err error) {
	name, rest, ok := eventName(payload)
	if !ok {
		return "", nil, errNoName
	}
	if !utf8.Valid(payload) {
		return name, nil, errNotUTF8
	}
	rest = trim(rest)
	if len(rest) == 0 || rest[len(rest)-1] != ']' {
		return name, nil, errNotJSON
	}
	rest = trim(rest[:len(rest)-1])
	if len(rest) == 0 {
		return name, nil, errArguments
	}
	if rest[0] != ',' {
		return name, nil, errNotJSON
	}
	argument = trim(rest[1:])
	if json.Valid(argument) {
		return name, argument, nil
	}
	if json.Valid(payload) {
		return name, nil, errArguments
	}
	return name, nil, errNotJSON
}

// eventName reads ["name" and returns what follows it.
func eventName(payload []byte) (name string, rest []byte, ok bool) {
	rest = trim(payload)
	if len(rest) == 0 || rest[0] != '[' {
		return "", nil, false
	}
	rest = trim(rest[1:])
	if len(rest) == 0 || rest[0] != '"' {
		return "", nil, false
	}
	for i := 1; i < len(rest); i++ {
		switch rest[i] {
		case '\\':
			i++
		case '"':
			if err := json.Unmarshal(rest[:i+1], &name); err != nil {
				return "", nil, false
			}
			return name, rest[i+1:], true
		}
	}
	return "", nil, false
}

// trim cuts what JSON takes for white space.
func trim(data []byte) []byte { return bytes.Trim(data, " \t\r\n") }

// cutText returns at most most bytes of text, whole characters only.
func cutText(text string, most int) string {
	if len(text) <= most {
		return text
	}
	for most > 0 && !utf8.RuneStart(text[most]) {
		most--
	}
	return text[:most]
}

// checkPlaceholders reports whether each {"_placeholder":true,"num":N} in data, which is valid JSON, stands for one of n
// attachments. A client that is sent one that does not breaks its connection, so one client's cache could disturb another.
func checkPlaceholders(data []byte, n int) bool {
	w := placeholderWalk{attachments: n}
	decoder := json.NewDecoder(bytes.NewReader(data))
	decoder.UseNumber()
	for {
		token, err := decoder.Token()
		if err != nil {
			return errors.Is(err, io.EOF)
		}
		if !w.step(token) {
			return false
		}
	}
}

// placeholderWalk follows the tokens of a JSON text.
type placeholderWalk struct {
	attachments int
	open        []container
}

// container is an object or a list whose end has not come.
type container struct {
	isObject    bool
	inMember    bool // the next token is the value of key
	key         string
	placeholder bool
	number      int
}

func (w *placeholderWalk) step(token json.Token) bool {
	if token == json.Delim('}') || token == json.Delim(']') {
		last := w.open[len(w.open)-1]
		w.open = w.open[:len(w.open)-1]
		return !last.placeholder || last.number >= 0 && last.number < w.attachments
	}
	if len(w.open) > 0 && w.open[len(w.open)-1].member(token) {
		return true
	}
	if token == json.Delim('{') || token == json.Delim('[') {
		w.open = append(w.open, container{isObject: token == json.Delim('{'), number: -1})
	}
	return true
}

// member takes note of a key or a value and reports whether it was a key.
func (c *container) member(token json.Token) (isKey bool) {
	if !c.isObject {
		return false
	}
	c.inMember = !c.inMember
	if c.inMember {
		c.key, _ = token.(string)
		return true
	}
	switch c.key {
	case "_placeholder":
		c.placeholder = token != false && token != nil
	case "num":
		c.number = placeholderNumber(token)
	}
	return false
}

func placeholderNumber(token json.Token) int {
	number, ok := token.(json.Number)
	if !ok {
		return -1
	}
	n, err := strconv.Atoi(number.String())
	if err != nil {
		return -1
	}
	return n
}
