package protocol

import (
	"encoding/base64"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// vector is one entry of testdata/vectors, whose README.md describes the format.
type vector struct {
	Name        string
	Section     string
	Event       string
	Data        *text
	Attachments []text
	Want        json.RawMessage
	Error       *struct {
		Code  ErrorCode
		Field string
	}
}

// text is a string, or a list of strings and repetitions to be joined.
type text string

func (t *text) UnmarshalJSON(data []byte) error {
	if data[0] == '"' {
		return json.Unmarshal(data, (*string)(t))
	}
	var parts []json.RawMessage
	if err := json.Unmarshal(data, &parts); err != nil {
		return err
	}
	for _, part := range parts {
		repeat := struct {
			Repeat string
			Times  int
		}{Times: 1}
		into := any(&repeat)
		if part[0] == '"' {
			into = &repeat.Repeat
		}
		if err := json.Unmarshal(part, into); err != nil {
			return err
		}
		*t += text(strings.Repeat(repeat.Repeat, repeat.Times))
	}
	return nil
}

func (v vector) frame(t testing.TB) (data []byte, attachments [][]byte) {
	t.Helper()
	if v.Data != nil {
		data = []byte(*v.Data)
	}
	for _, a := range v.Attachments {
		raw, err := base64.StdEncoding.DecodeString(string(a))
		require.NoError(t, err)
		attachments = append(attachments, raw)
	}
	return data, attachments
}

// readVectors returns the vectors of every file, by its name without .json.
func readVectors(t testing.TB) map[string][]vector {
	t.Helper()
	files, err := filepath.Glob("testdata/vectors/*.json")
	require.NoError(t, err)
	require.NotEmpty(t, files)
	all := make(map[string][]vector)
	for _, file := range files {
		raw, err := os.ReadFile(file)
		require.NoError(t, err)
		var vectors []vector
		require.NoError(t, json.Unmarshal(raw, &vectors), file)
		all[strings.TrimSuffix(filepath.Base(file), ".json")] = vectors
	}
	return all
}

// decodeAny decodes a frame of any event, and encodes what it means.
func decodeAny(event string, data []byte, attachments [][]byte) (value any, canonical []byte, binary [][]byte, err error) {
	switch event {
	case EventHello:
		h, err := DecodeHello(data)
		if err != nil {
			return nil, nil, nil, err
		}
		return h, EncodeHello(h), nil, nil
	case EventCommand:
		c, err := DecodeCommand(data)
		if err != nil {
			return nil, nil, nil, err
		}
		return c, EncodeCommand(c), nil, nil
	case EventRejected:
		var r Rejected
		err := json.Unmarshal(data, &r)
		return r, encode(r), nil, err
	case "ack":
		var a Ack
		err := json.Unmarshal(data, &a)
		return a, encode(a), nil, err
	}
	e, err := DecodeEvent(event, data, attachments)
	if err != nil {
		return nil, nil, nil, err
	}
	canonical, binary = EncodeEvent(e)
	return e, canonical, binary, nil
}

func TestVectors(t *testing.T) {
	for file, vectors := range readVectors(t) {
		t.Run(file, func(t *testing.T) {
			names := make(map[string]bool)
			for _, v := range vectors {
				assert.False(t, names[v.Name], "two vectors are called %q", v.Name)
				names[v.Name] = true
				t.Run(v.Name, func(t *testing.T) { checkVector(t, v) })
			}
		})
	}
}

func checkVector(t *testing.T, v vector) {
	data, attachments := v.frame(t)
	value, canonical, binary, err := decodeAny(v.Event, data, attachments)
	if v.Error != nil {
		require.Error(t, err)
		checkError(t, v, err)
		return
	}
	require.NoError(t, err)
	assert.Equal(t, attachments, binary)
	if v.Event == EventCacheSync {
		var want string
		require.NoError(t, json.Unmarshal(v.Want, &want))
		assert.Equal(t, want, string(canonical))
		return
	}
	assert.JSONEq(t, string(v.Want), string(canonical))
	again, _, _, err := decodeAny(v.Event, v.Want, attachments)
	require.NoError(t, err, "the canonical form is a frame too")
	assert.Equal(t, value, again)
}

func checkError(t *testing.T, v vector, err error) {
	var e *Error
	require.ErrorAs(t, err, &e)
	assert.Equal(t, v.Error.Code, e.Code, e.Message)
	assert.Equal(t, v.Error.Field, e.Field, e.Message)
	assert.True(t, strings.HasPrefix(e.Message, e.Field), "the message names the field: %s", e.Message)
	assert.Contains(t, e.Message, "want", "the message says what to write instead")
	assert.Less(t, len(e.Error()), 2*MaxStringBytes, "the message does not repeat what was sent")
	assert.NotContains(t, e.Message, "of-a-test", "no secret is repeated")
}

func TestEveryEventAndCommandHasVectors(t *testing.T) {
	all := readVectors(t)
	want := []string{
		EventIdentify, EventReady, EventHealthCheck, EventCacheSync, EventCacheChunk, EventComa, EventShutdown,
		EventHello, EventRejected, "ack", "unknown_event", "command_unknown",
	}
	for _, name := range commandNames() {
		want = append(want, "command_"+name)
	}
	for file := range all {
		assert.Contains(t, want, file, "a file of vectors is named after what it holds")
	}
	for _, name := range want {
		assert.NotEmpty(t, all[name], name)
	}
}

func TestClientCannotSendServerEvents(t *testing.T) {
	for _, name := range []string{EventHello, EventCommand, EventRejected} {
		e, err := DecodeEvent(name, []byte("{}"), nil)
		assert.Nil(t, e)
		var wrong *Error
		require.ErrorAs(t, err, &wrong)
		assert.Equal(t, CodeUnknownEvent, wrong.Code)
	}
}
