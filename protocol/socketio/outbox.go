package socketio

import (
	"slices"
	"sync"
)

// item is one Engine.IO packet that waits to be sent, with the binary messages that must follow it at once.
type item struct {
	text   []byte
	binary [][]byte
	key    string // items of the same key replace each other; empty: never
	urgent bool   // goes ahead of everything that is not
	size   int
}

func newItem(text []byte, binary [][]byte) item {
	it := item{text: text, binary: binary, size: len(text)}
	for _, b := range binary {
		it.size += len(b)
	}
	return it
}

// sender empties an outbox. wake is called under the outbox's lock whenever there is something to take: it must not block.
type sender interface{ wake() }

// outbox is what waits to be sent to one client. It outlives the change from polling to websocket, so that nothing is lost
// or reordered there. The library's own buffer always stays empty, because it knows no limit.
type outbox struct {
	limit int // bytes

	mu     sync.Mutex
	items  []item
	bytes  int // in items, and taken but not landed
	sealed bool
	sender sender
	awake  bool // the sender was woken and has not found the outbox empty since
	flying int  // bytes taken and not landed
	flight bool
	empty  []chan struct{} // closed once nothing is queued or taken
}

// push queues an item and reports whether there was room; a sealed outbox drops it. An item larger than the limit fits
// into an empty outbox.
func (o *outbox) push(it item) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.sealed {
		return true
	}
	if it.key != "" {
		same := func(queued item) bool { return queued.key == it.key }
		if i := slices.IndexFunc(o.items, same); i >= 0 {
			o.bytes += it.size - o.items[i].size
			o.items[i] = it
			return true
		}
	}
	if o.bytes > 0 && o.bytes+it.size > o.limit {
		return false
	}
	if it.urgent {
		o.items = slices.Insert(o.items, 0, it)
	} else {
		o.items = append(o.items, it)
	}
	o.bytes += it.size
	o.rouse()
	return true
}

func (o *outbox) rouse() {
	if len(o.items) > 0 && o.sender != nil && !o.awake && !o.flight {
		o.awake = true
		o.sender.wake()
	}
}

// attach makes s the sender from now on.
func (o *outbox) attach(s sender) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.sender, o.awake = s, false
	o.rouse()
}

// take returns what s shall send next, at least one item and not many more than most bytes; nothing if s is no longer the
// sender or an earlier batch has not landed.
func (o *outbox) take(s sender, most int) []item {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.sender != s {
		return nil
	}
	o.awake = false
	if o.flight || len(o.items) == 0 {
		return nil
	}
	n, bytes := 1, o.items[0].size
	for n < len(o.items) && n < maxBatchItems && bytes+o.items[n].size <= most {
		bytes += o.items[n].size
		n++
	}
	batch := slices.Clone(o.items[:n])
	o.items = slices.Delete(o.items, 0, n)
	if len(o.items) == 0 {
		o.items = nil
	}
	o.flight, o.flying = true, bytes
	return batch
}

// landed says that what was taken is in the kernel's hands. If the sender has changed meanwhile, the new one is woken.
func (o *outbox) landed(s sender) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.bytes -= o.flying
	o.flight, o.flying = false, 0
	if len(o.items) == 0 {
		o.announce()
	} else if o.sender != s {
		o.rouse()
	}
}

func (o *outbox) announce() {
	for _, c := range o.empty {
		close(c)
	}
	o.empty = nil
}

// seal lets in the last items and nothing more. It returns a channel that is closed once all that was let in has landed.
func (o *outbox) seal(last ...item) <-chan struct{} {
	o.mu.Lock()
	defer o.mu.Unlock()
	if !o.sealed {
		for _, it := range last {
			o.items = append(o.items, it)
			o.bytes += it.size
		}
		o.rouse()
	}
	o.sealed = true
	c := make(chan struct{})
	o.empty = append(o.empty, c)
	if len(o.items) == 0 && !o.flight {
		o.announce()
	}
	return c
}

// discard seals the outbox and forgets what is in it.
func (o *outbox) discard() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.sealed = true
	o.items, o.bytes, o.sender = nil, o.flying, nil
	o.announce()
}

// queued returns the bytes queued or taken and not landed.
func (o *outbox) queued() int {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.bytes
}
