// Package packed turns a cache into what lies in a table, and back. Its form is the same in every store, so that a row can be
// taken from one to another: the JSON text and the attachments, each a zstd frame, one after the other. Of a cache without
// attachments that is simply its JSON text, compressed.
package packed

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/klauspost/compress/zstd"

	"github.com/urban-robot/urban-robot/actors/store"
	"github.com/urban-robot/urban-robot/protocol"
)

// Row is a cache as it is stored.
type Row struct {
	Data  []byte // zstd frames
	Parts string // the uncompressed bytes of the JSON text and of each attachment, with commas between them
	Size  int    // the sum of Parts
	Sum   []byte // SHA-256 of Parts, a line feed, and all uncompressed bytes
}

// Codec packs and unpacks. It is safe for concurrent use and needs no closing.
type Codec struct {
	encoder *zstd.Encoder
	decoder *zstd.Decoder
}

// NewCodec returns a codec.
func NewCodec() (*Codec, error) {
	encoder, err := zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedFastest))
	if err != nil {
		return nil, fmt.Errorf("start the compressor: %w", err)
	}
	decoder, err := zstd.NewReader(nil, zstd.WithDecodeAllCapLimit(true), zstd.WithDecoderConcurrency(0))
	if err != nil {
		return nil, fmt.Errorf("start the decompressor: %w", err)
	}
	return &Codec{encoder: encoder, decoder: decoder}, nil
}

// Pack compresses a cache, which it does not keep.
func (c *Codec) Pack(cache protocol.Cache) Row {
	parts := append([][]byte{cache.JSON}, cache.Attachments...)
	lengths := make([]string, len(parts))
	for i, part := range parts {
		lengths[i] = strconv.Itoa(len(part))
	}
	row := Row{Parts: strings.Join(lengths, ","), Size: cache.Size()}
	sum := sha256.New()
	sum.Write([]byte(row.Parts + "\n"))
	for _, part := range parts {
		sum.Write(part)
		row.Data = c.encoder.EncodeAll(part, row.Data)
	}
	row.Sum = sum.Sum(nil)
	return row
}

// Unpack returns the cache that Pack was given, byte for byte, or store.ErrCorrupt.
func (c *Codec) Unpack(row Row) (protocol.Cache, error) {
	lengths, err := row.lengths()
	if err != nil {
		return protocol.Cache{}, fmt.Errorf("%w: %w", store.ErrCorrupt, err)
	}
	body, err := c.decoder.DecodeAll(row.Data, make([]byte, 0, row.Size))
	if err != nil {
		return protocol.Cache{}, fmt.Errorf("%w: %w", store.ErrCorrupt, err)
	}
	sum := sha256.New()
	sum.Write([]byte(row.Parts + "\n"))
	sum.Write(body)
	if len(body) != row.Size || string(sum.Sum(nil)) != string(row.Sum) {
		return protocol.Cache{}, fmt.Errorf("%w: its checksum is wrong", store.ErrCorrupt)
	}
	cache := protocol.Cache{JSON: body[:lengths[0]:lengths[0]]}
	body = body[lengths[0]:]
	for _, n := range lengths[1:] {
		cache.Attachments = append(cache.Attachments, body[:n:n])
		body = body[n:]
	}
	return cache, nil
}

// lengths reads Parts, and makes sure that they add up to a size that is worth allocating.
func (r Row) lengths() ([]int, error) {
	if r.Size < 0 || r.Size > store.MaxCacheBytes {
		return nil, fmt.Errorf("a size of %d bytes", r.Size)
	}
	rest := r.Size
	var lengths []int
	for part := range strings.SplitSeq(r.Parts, ",") {
		n, err := strconv.Atoi(part)
		if err != nil || n < 0 || n > rest {
			return nil, fmt.Errorf("a part of %q bytes", part)
		}
		lengths = append(lengths, n)
		rest -= n
	}
	if rest != 0 {
		return nil, errors.New("its parts do not add up")
	}
	return lengths, nil
}
