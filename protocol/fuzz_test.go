package protocol

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func FuzzDecodeEvent(f *testing.F) {
	for _, vectors := range readVectors(f) {
		for _, v := range vectors {
			data, attachments := v.frame(f)
			first, second := []byte(nil), []byte(nil)
			if len(attachments) > 0 {
				first = attachments[0]
			}
			if len(attachments) > 1 {
				second = attachments[1]
			}
			f.Add(v.Event, data, first, second, uint8(len(attachments)))
		}
	}
	f.Fuzz(func(t *testing.T, name string, data, first, second []byte, n uint8) {
		attachments := [][]byte{first, second}[:n%3]
		e, err := DecodeEvent(name, data, attachments)
		if checkOutcome(t, e == nil, err) {
			return
		}
		assert.Equal(t, name, e.EventName())
		text, binary := EncodeEvent(e)
		if len(text) > MaxEventBytes && name != EventCacheSync {
			return // an escaped character may take more room than it did
		}
		again, err := DecodeEvent(name, text, binary)
		require.NoError(t, err, "%s", text)
		assert.Equal(t, e, again)
	})
}

func FuzzDecodeCommand(f *testing.F) {
	addFrames(f)
	f.Fuzz(func(t *testing.T, data []byte) {
		c, err := DecodeCommand(data)
		if checkOutcome(t, c == nil, err) {
			return
		}
		assert.Contains(t, commandNames(), c.CommandName())
		text := EncodeCommand(c)
		again, err := DecodeCommand(text)
		require.NoError(t, err, "%s", text)
		assert.Equal(t, c, again)
	})
}

func FuzzDecodeHello(f *testing.F) {
	addFrames(f)
	f.Fuzz(func(t *testing.T, data []byte) {
		h, err := DecodeHello(data)
		if checkOutcome(t, h == Hello{}, err) {
			return
		}
		text := EncodeHello(h)
		again, err := DecodeHello(text)
		require.NoError(t, err, "%s", text)
		assert.Equal(t, h, again)
	})
}

func addFrames(f *testing.F) {
	f.Helper()
	for _, vectors := range readVectors(f) {
		for _, v := range vectors {
			data, _ := v.frame(f)
			f.Add(data)
		}
	}
}

// checkOutcome checks that there is either a value or an *Error with a code of the list, and reports whether it is the error.
func checkOutcome(t *testing.T, none bool, err error) bool {
	t.Helper()
	if err == nil {
		require.False(t, none, "neither a value nor an error")
		return false
	}
	require.True(t, none, "a value beside an error")
	var wrong *Error
	require.ErrorAs(t, err, &wrong)
	assert.Contains(t, []ErrorCode{CodeMalformed, CodeTooLarge, CodeUnknownEvent}, wrong.Code)
	assert.NotEmpty(t, wrong.Message)
	return true
}
