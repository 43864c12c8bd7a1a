package socketio

import (
	"bytes"
	"encoding/json"
	"errors"
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
	rest := data[1:]
	if p.kind == packetBinaryEvent || p.kind == packetBinaryAck {
		digits := leadingDigits(rest, 4)
		n, err := strconv.Atoi(string(digits))
		if err != nil || n > maxAttachments || len(rest) == len(digits) || rest[len(digits)] != '-' {
			return socketPacket{}, errAttachments
		}
		p.attachments, rest = n, rest[len(digits)+1:]
	}
	if len(rest) > 0 && rest[0] == '/' {
		name, after, _ := bytes.Cut(rest[:min(len(rest), maxNamespaceBytes+1)], []byte{','})
		if len(name) > maxNamespaceBytes {
			return socketPacket{}, errNamespace
		}
		p.namespace, rest = string(name), rest[len(name):]
		if after != nil {
			rest = rest[1:]
		}
	}
	digits := leadingDigits(rest, maxNumberDigits+1)
	if len(digits) > maxNumberDigits {
		return socketPacket{}, errNumber
	}
	if len(digits) > 0 {
		number, err := strconv.ParseUint(string(digits), 10, 64)
		if err != nil {
			return socketPacket{}, errNumber
		}
		p.number, p.numbered = number, true
	}
	p.payload = rest[len(digits):]
	if !p.numbered && (p.kind == packetAck || p.kind == packetBinaryAck) {
		return socketPacket{}, errNoNumber
	}
	return p, nil
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

// checkPlaceholders reports whether each {"_placeholder":true,"num":N} in data stands for one of n attachments. A client
// that is sent one that does not breaks its connection, so one client's cache could disturb another.
func checkPlaceholders(data []byte, n int) bool {
	type object struct {
		isObject    bool
		value       bool // the next token of the object is a value
		key         string
		placeholder bool
		num         int
	}
	var open []object
	decoder := json.NewDecoder(bytes.NewReader(data))
	decoder.UseNumber()
	for {
		token, err := decoder.Token()
		if err != nil {
			return len(open) == 0
		}
		if token == json.Delim('}') || token == json.Delim(']') {
			last := open[len(open)-1]
			open = open[:len(open)-1]
			if last.placeholder && (last.num < 0 || last.num >= n) {
				return false
			}
			continue
		}
		if len(open) > 0 && open[len(open)-1].isObject {
			in := &open[len(open)-1]
			if !in.value {
				in.key, _ = token.(string)
				in.value = true
				continue
			}
			in.value = false
			switch in.key {
			case "_placeholder":
				in.placeholder = token != false
			case "num":
				in.num = placeholderNumber(token)
			}
		}
		if delim, ok := token.(json.Delim); ok {
			open = append(open, object{isObject: delim == '{', num: -1})
		}
	}
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
