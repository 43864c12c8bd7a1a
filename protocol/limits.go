package protocol

// Limits of what a client may send, in bytes or in items. An event over one of them is answered with CodeTooLarge.
const (
	MaxEventBytes   = 64 << 10 // one event's JSON, the cache excepted
	MaxStringBytes  = 1 << 10  // one string field
	MaxIDBytes      = 128      // a version, an instance, an id
	MaxCogs         = 500      // cogs in one health report
	MaxHandled      = 4096     // ids in one handled list
	MaxCapabilities = 32       // capabilities in one identify
	MaxShards       = 4096     // num_shards
	MaxChunks       = 4096     // parts of one cache

	ChunkThreshold = 1 << 20   // a cache above this travels in chunks where the client can
	ChunkBytes     = 256 << 10 // data in one cache_chunk
	ChunkWindow    = 4         // chunks sent and not yet acknowledged
)

// MaxInteger is the largest integer that every language of our SDKs reads exactly. A number above it is malformed.
const MaxInteger = 1<<53 - 1

// Version is the version of the contract, sent in every hello.
//
//	1  the first
const Version = 1

// Capabilities a client may announce in identify.
const (
	CapabilityCacheRequest = "cache_request" // answers the command cache_sync
	CapabilityCacheChunks  = "cache_chunks"  // sends and takes cache_chunk
)
