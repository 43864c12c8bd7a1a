package socketio

import (
	"encoding/json"
	"strconv"
	"sync"
)

// Frame is one event encoded once, to be sent to any number of connections without a copy. It is immutable.
type Frame struct {
	*event
	conflate bool
}

// event is what all copies of a Frame share.
type event struct {
	name   string
	data   []byte
	binary [][]byte
	text   func() []byte // the Socket.IO packet with its Engine.IO type, built when first needed
}

// NewFrame makes a frame of an event's name, its one argument as JSON text and that argument's attachments, if any. None
// of the slices may change afterwards.
func NewFrame(name string, data []byte, attachments ...[]byte) Frame {
	e := &event{name: name, data: data, binary: attachments}
	e.text = sync.OnceValue(func() []byte { return e.encode("") })
	return Frame{event: e}
}

// Conflate returns the frame marked as replacing an unsent frame of the same event that is marked so too: of two caches
// still to be sent only the newer one is, and it takes the older one's place in the order. SendAcked ignores the mark.
func (f Frame) Conflate() Frame {
	f.conflate = true
	return f
}

// Event returns the event's name.
func (f Frame) Event() string { return f.name }

// Data returns the argument's JSON text and its attachments.
func (f Frame) Data() ([]byte, [][]byte) { return f.data, f.binary }

// encode returns the packet's text; number is the acknowledgement's, or empty.
func (e *event) encode(number string) []byte {
	name, err := json.Marshal(e.name)
	if err != nil {
		panic("socketio: an event's name does not encode: " + err.Error())
	}
	text := make([]byte, 0, len(name)+len(number)+len(e.data)+16)
	text = append(text, engineMessage)
	if len(e.binary) > 0 {
		text = append(text, packetBinaryEvent)
		text = strconv.AppendInt(text, int64(len(e.binary)), 10)
		text = append(text, '-')
	} else {
		text = append(text, packetEvent)
	}
	text = append(text, number...)
	text = append(text, '[')
	text = append(text, name...)
	text = append(text, ',')
	text = append(text, e.data...)
	return append(text, ']')
}

// item returns the frame as it stands in a queue.
func (f Frame) item() item {
	it := newItem(f.text(), f.binary)
	if f.conflate {
		it.key = f.name
	}
	return it
}

// itemAcked returns the frame with a request for an acknowledgement.
func (f Frame) itemAcked(number uint64) item {
	return newItem(f.encode(strconv.FormatUint(number, 10)), f.binary)
}
