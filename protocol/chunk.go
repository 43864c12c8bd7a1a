package protocol

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
)

// Binary is the cache that is binary as a whole.
func Binary(data []byte) Cache {
	return Cache{JSON: []byte(`{"_placeholder":true,"num":0}`), Attachments: [][]byte{data}}
}

// Whole returns the bytes that a cache's chunks carry, and whether they are binary. ok is false for JSON that holds binary
// parts: such a cache cannot travel in chunks.
func (c Cache) Whole() (data []byte, binary, ok bool) {
	if len(c.Attachments) == 0 {
		return c.JSON, false, true
	}
	if len(c.Attachments) == 1 && bytes.Equal(bytes.TrimSpace(c.JSON), Binary(nil).JSON) {
		return c.Attachments[0], true, true
	}
	return nil, false, false
}

// SplitCache returns the chunks of a cache, under an id that no other cache of the sender has. nil if Whole has none.
func SplitCache(id string, c Cache) []CacheChunk {
	data, binary, ok := c.Whole()
	if !ok {
		return nil
	}
	sum := sha256.Sum256(data)
	parts := max(1, (len(data)+ChunkBytes-1)/ChunkBytes)
	chunks := make([]CacheChunk, parts)
	for i := range chunks {
		chunks[i] = CacheChunk{
			ID: id, Part: i, Parts: parts, SHA256: hex.EncodeToString(sum[:]), Binary: binary,
			Data: data[i*ChunkBytes : min(len(data), (i+1)*ChunkBytes)],
		}
	}
	return chunks
}

// Joiner puts a cache together from its chunks, one cache at a time: the first chunk of another one drops what is there.
type Joiner struct {
	Max   int // bytes a cache may have
	first CacheChunk
	next  int
	data  []byte
}

// Add takes the next chunk. done is true with the last one, and then the cache is whole and checked.
func (j *Joiner) Add(c CacheChunk) (cache Cache, done bool, err *Error) {
	if c.Part == 0 {
		j.first, j.next, j.data = c, 0, nil
	}
	switch {
	case c.ID != j.first.ID || c.Parts != j.first.Parts || c.SHA256 != j.first.SHA256 || c.Part != j.next:
		j.next = -1
		return Cache{}, false, Errorf(CodeMalformed, "part", "want the parts of one cache in their order, from 0; begin again with part 0")
	case c.Parts > max(1, (j.Max+ChunkBytes-1)/ChunkBytes) || len(j.data)+len(c.Data) > j.Max:
		j.next, j.data = -1, nil
		return Cache{}, false, Errorf(CodeTooLarge, "parts", "the cache is over %d bytes; make it smaller", j.Max)
	}
	j.data = append(j.data, c.Data...)
	j.next++
	if j.next < c.Parts {
		return Cache{}, false, nil
	}
	data := j.data
	j.next, j.data = -1, nil
	if sum := sha256.Sum256(data); hex.EncodeToString(sum[:]) != c.SHA256 {
		return Cache{}, false, Errorf(CodeMalformed, "sha256", "the parts do not add up to it; send the cache again")
	}
	if c.Binary {
		return Binary(data), true, nil
	}
	if !json.Valid(data) {
		return Cache{}, false, Errorf(CodeMalformed, "data", "the parts together are not JSON text; send binary:true for a binary cache")
	}
	return Cache{JSON: data}, true, nil
}
