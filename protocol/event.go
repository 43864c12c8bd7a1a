package protocol

// Names of the events. A client sends the first seven; hello, command and rejected come from the server; cache_sync and
// cache_chunk go both ways.
const (
	EventIdentify    = "identify"
	EventReady       = "ready"
	EventHealthCheck = "health_check"
	EventCacheSync   = "cache_sync"
	EventCacheChunk  = "cache_chunk"
	EventComa        = "coma"
	EventShutdown    = "shutdown"

	EventHello    = "hello"
	EventCommand  = "command"
	EventRejected = "rejected"
)

// Event is something a client said. The set is closed: Identify, Ready, HealthReport, CacheSync, CacheChunk, Coma and
// Shutdown.
type Event interface {
	// EventName returns the event's name on the wire.
	EventName() string
}

// Session is what a client that was connected before says of itself.
type Session struct {
	Epoch  uint64 `json:"epoch"`  // the newest epoch it has seen
	Active bool   `json:"active"` // it is processing commands now
	Ready  bool   `json:"ready"`  // it is logged in to Discord: no login permit is needed
}

// Identify is a client's first event. Only Version is required.
type Identify struct {
	Version      string   `json:"version"`
	Fleet        string   `json:"fleet,omitempty"`
	Key          Token    `json:"key,omitzero"`
	Launch       Token    `json:"launch,omitzero"`
	Instance     string   `json:"instance,omitempty"`
	Session      *Session `json:"session,omitempty"`
	Handled      []string `json:"handled,omitempty"`
	Library      string   `json:"library,omitempty"`
	SDK          string   `json:"sdk,omitempty"`
	PID          int      `json:"pid,omitempty"`
	Host         string   `json:"host,omitempty"`
	ShardID      *int     `json:"shard_id,omitempty"`
	NumShards    *int     `json:"num_shards,omitempty"`
	Capabilities []string `json:"capabilities,omitempty"`
}

// Ready says that Discord has sent READY. It may come again and then changes nothing.
type Ready struct {
	Guilds int    `json:"guilds,omitempty"`
	User   string `json:"user,omitempty"`
	Shards []int  `json:"shards,omitempty"`
}

// Coma says that the client has stopped processing, or is about to by itself.
type Coma struct {
	Reason  string   `json:"reason,omitempty"`
	Epoch   uint64   `json:"epoch,omitempty"` // 0: not said
	Handled []string `json:"handled,omitempty"`
}

// Shutdown says that the client stops entirely.
type Shutdown struct {
	Reason  string   `json:"reason,omitempty"`
	Epoch   uint64   `json:"epoch,omitempty"` // 0: not said
	Handled []string `json:"handled,omitempty"`
}

// CacheSync carries the cache, which the server never looks into.
type CacheSync struct{ Cache Cache }

// Cache is one value as Socket.IO carries it: JSON text in which each {"_placeholder":true,"num":N} stands for
// Attachments[N]. A cache that is binary as a whole is one placeholder and one attachment. Neither slice is changed
// after it was made.
type Cache struct {
	JSON        []byte
	Attachments [][]byte
}

// Size returns the bytes of the JSON text and of all attachments.
func (c Cache) Size() int {
	n := len(c.JSON)
	for _, a := range c.Attachments {
		n += len(a)
	}
	return n
}

// CacheChunk is one part of a cache above ChunkThreshold, for clients with CapabilityCacheChunks. The parts' data, joined, is
// the cache's JSON text in UTF-8, or with Binary the bytes of a cache that is binary as a whole.
type CacheChunk struct {
	ID     string `json:"id"`     // one id for one cache
	Part   int    `json:"part"`   // from 0
	Parts  int    `json:"parts"`  // at least 1
	SHA256 string `json:"sha256"` // of the joined data, the same in each part, in lower-case hexadecimal
	Binary bool   `json:"binary,omitempty"`
	Data   []byte `json:"-"`
}

// EventName implements Event.
func (Identify) EventName() string { return EventIdentify }

// EventName implements Event.
func (Ready) EventName() string { return EventReady }

// EventName implements Event.
func (HealthReport) EventName() string { return EventHealthCheck }

// EventName implements Event.
func (CacheSync) EventName() string { return EventCacheSync }

// EventName implements Event.
func (CacheChunk) EventName() string { return EventCacheChunk }

// EventName implements Event.
func (Coma) EventName() string { return EventComa }

// EventName implements Event.
func (Shutdown) EventName() string { return EventShutdown }
