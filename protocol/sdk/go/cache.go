package urbanrobot

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/urban-robot/urban-robot/protocol"
)

const cacheTimeout = 30 * time.Second // for the whole of a cache

// sendCache hands the cache to the server and waits until it is stored.
func (c *Client) sendCache(ctx context.Context, l *link) {
	if c.options.Cache == nil {
		return
	}
	data := c.options.Cache()
	if data == nil {
		return
	}
	cache := protocol.Binary(data)
	if json.Valid(data) {
		cache = protocol.Cache{JSON: data}
	}
	within, cancel := context.WithTimeout(ctx, cacheTimeout)
	defer cancel()
	var err error
	if len(data) > protocol.ChunkThreshold && slices.Contains(c.options.Capabilities, protocol.CapabilityCacheChunks) {
		err = sendChunks(within, l, cache)
	} else {
		err = l.call(within, protocol.EventCacheSync, cache.JSON, cache.Attachments)
	}
	if err != nil {
		c.options.Logger.Warn("cache not sent", "size", len(data), "err", err)
	}
}

// sendChunks keeps the window full and returns when the server has acknowledged the last chunk.
func sendChunks(ctx context.Context, l *link, cache protocol.Cache) error {
	chunks := protocol.SplitCache(rand.Text(), cache)
	answers := make(chan error, len(chunks))
	for part, chunk := range chunks {
		if part >= protocol.ChunkWindow {
			if err := await(ctx, answers); err != nil {
				return err
			}
		}
		text, attachments := protocol.EncodeEvent(chunk)
		l.emit(protocol.EventCacheChunk, text, attachments, func(err error) { answers <- err })
	}
	for range min(len(chunks), protocol.ChunkWindow) {
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
