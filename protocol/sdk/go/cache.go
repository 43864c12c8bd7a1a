package urbanrobot

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/urban-robot/urban-robot/protocol"
)

const cacheTimeout = 30 * time.Second // for the whole of a cache

var (
	errUnfinished = errors.New("more chunks to come")
	placeholder   = []byte(`{"_placeholder":true,"num":0}`)
)

// sendCache hands the cache to the server and waits until it is stored.
func (c *Client) sendCache(ctx context.Context, l *link) {
	if c.options.Cache == nil {
		return
	}
	cache := c.options.Cache()
	if cache == nil {
		return
	}
	within, cancel := context.WithTimeout(ctx, cacheTimeout)
	defer cancel()
	var err error
	switch text := json.Valid(cache); {
	case len(cache) > protocol.ChunkThreshold && slices.Contains(c.options.Capabilities, protocol.CapabilityCacheChunks):
		err = sendChunks(within, l, cache, !text)
	case text:
		err = l.call(within, protocol.EventCacheSync, cache, nil)
	default:
		err = l.call(within, protocol.EventCacheSync, placeholder, [][]byte{cache})
	}
	if err != nil {
		c.options.Logger.Warn("cache not sent", "size", len(cache), "err", err)
	}
}

// sendChunks keeps the window full and returns when the server has acknowledged the last chunk.
func sendChunks(ctx context.Context, l *link, cache []byte, binary bool) error {
	sum := sha256.Sum256(cache)
	id, digest := rand.Text(), hex.EncodeToString(sum[:])
	parts := (len(cache) + protocol.ChunkBytes - 1) / protocol.ChunkBytes
	answers := make(chan error, parts)
	part := 0
	for data := range slices.Chunk(cache, protocol.ChunkBytes) {
		if part >= protocol.ChunkWindow {
			if err := await(ctx, answers); err != nil {
				return err
			}
		}
		text, attachments := protocol.EncodeEvent(protocol.CacheChunk{
			ID: id, Part: part, Parts: parts, SHA256: digest, Binary: binary, Data: data,
		})
		l.emit(protocol.EventCacheChunk, text, attachments, func(err error) { answers <- err })
		part++
	}
	for range min(parts, protocol.ChunkWindow) {
		if err := await(ctx, answers); err != nil {
			return err
		}
	}
	return nil
}

func await(ctx context.Context, answers <-chan error) error {
	select {
	case err := <-answers:
		return err
	case <-ctx.Done():
		return fmt.Errorf("wait for the acknowledgement of a chunk: %w", ctx.Err())
	}
}

// cacheBytes returns a cache that came in one piece: JSON text, or the bytes of one that is binary as a whole.
func cacheBytes(cache protocol.Cache) ([]byte, error) {
	if len(cache.Attachments) == 0 {
		return cache.JSON, nil
	}
	var whole struct {
		Placeholder bool `json:"_placeholder"`
		Num         int  `json:"num"`
	}
	if len(cache.Attachments) == 1 && json.Unmarshal(cache.JSON, &whole) == nil && whole.Placeholder && whole.Num == 0 {
		return cache.Attachments[0], nil
	}
	return nil, errors.New("JSON with binary inside is not for a client in Go")
}

// assembly joins chunks. The zero assembly is ready for use by one goroutine at a time.
type assembly struct {
	id   string
	next int
	data bytes.Buffer
}

// add returns the whole cache with its last chunk, and errUnfinished with every other.
func (a *assembly) add(chunk protocol.CacheChunk) ([]byte, error) {
	if chunk.Part == 0 {
		*a = assembly{id: chunk.ID}
	}
	if chunk.ID != a.id || chunk.Part != a.next {
		*a = assembly{}
		return nil, fmt.Errorf("chunk %d of %d is out of order", chunk.Part, chunk.Parts)
	}
	a.next++
	a.data.Write(chunk.Data)
	if a.next < chunk.Parts {
		return nil, errUnfinished
	}
	whole := a.data.Bytes()
	*a = assembly{}
	if sum := sha256.Sum256(whole); hex.EncodeToString(sum[:]) != chunk.SHA256 {
		return nil, errors.New("sha256 does not match")
	}
	return whole, nil
}
