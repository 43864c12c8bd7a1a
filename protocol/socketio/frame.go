package socketio

// Frame is one event encoded once, to be sent to any number of connections without a copy. It is immutable.
type Frame struct {
	event    string
	conflate bool
	data     []byte
	binary   [][]byte
}

// NewFrame makes a frame of an event's name, its one argument as JSON text and that argument's attachments, if any. None
// of the slices may change afterwards.
func NewFrame(event string, data []byte, attachments ...[]byte) Frame {
	return Frame{event: event, data: data, binary: attachments}
}

// Conflate returns the frame marked as replacing an unsent frame of the same event that is marked so too: of two caches
// still to be sent only the newer one is.
func (f Frame) Conflate() Frame {
	f.conflate = true
	return f
}

// Event returns the event's name.
func (f Frame) Event() string { return f.event }

// Data returns the argument's JSON text and its attachments.
func (f Frame) Data() ([]byte, [][]byte) { return f.data, f.binary }
