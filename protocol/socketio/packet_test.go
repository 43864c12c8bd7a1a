package socketio

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestParsePacketReadsTheHead(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]socketPacket{
		`0`:               {kind: '0', namespace: "/"},
		`0{"a":1}`:        {kind: '0', namespace: "/", payload: []byte(`{"a":1}`)},
		`0/admin,{"a":1}`: {kind: '0', namespace: "/admin", payload: []byte(`{"a":1}`)},
		`0/admin`:         {kind: '0', namespace: "/admin"},
		`1`:               {kind: '1', namespace: "/"},
		`2["a",1]`:        {kind: '2', namespace: "/", payload: []byte(`["a",1]`)},
		`20["a",1]`:       {kind: '2', namespace: "/", numbered: true, payload: []byte(`["a",1]`)},
		`2/n,17["a",1]`:   {kind: '2', namespace: "/n", numbered: true, number: 17, payload: []byte(`["a",1]`)},
		`313[]`:           {kind: '3', namespace: "/", numbered: true, number: 13, payload: []byte(`[]`)},
		`52-4["a",1]`:     {kind: '5', namespace: "/", attachments: 2, numbered: true, number: 4, payload: []byte(`["a",1]`)},
		`61-/n,4["a",1]`:  {kind: '6', namespace: "/n", attachments: 1, numbered: true, number: 4, payload: []byte(`["a",1]`)},
	} {
		got, err := parsePacket([]byte(text))
		require.NoError(t, err, text)
		if len(got.payload) == 0 {
			got.payload = nil
		}
		assert.Equal(t, want, got, text)
	}
}

func TestParseEventLeavesTheArgumentAsItIs(t *testing.T) {
	t.Parallel()
	for text, want := range map[string][2]string{
		`["a",1]`:                               {"a", `1`},
		" [ \"a\" ,\n{\"b\" : [1 , 2]} ] ":      {"a", `{"b" : [1 , 2]}`},
		`["\u00e4\"]",12345678901234567890123]`: {`ä"]`, `12345678901234567890123`},
		`["a","],["]`:                           {"a", `"],["`},
	} {
		name, argument, err := parseEvent([]byte(text))
		require.NoError(t, err, text)
		assert.Equal(t, want, [2]string{name, string(argument)}, text)
	}
	for text, want := range map[string]error{
		``: errNoName, `{}`: errNoName, `[]`: errNoName, `[1]`: errNoName, `["a`: errNoName, `["\x"]`: errNoName,
		`["a"`: errNotJSON, `["a" 1]`: errNotJSON, `["a",1`: errNotJSON, `["a",]`: errNotJSON, `["a",1]]`: errNotJSON, `["a",1 2]`: errNotJSON,
		`["a"]`: errArguments, `["a",1,2]`: errArguments,
		"[\"a\",\"\xff\"]": errNotUTF8,
	} {
		_, _, err := parseEvent([]byte(text))
		require.ErrorIs(t, err, want, text)
	}
}

func TestCheckPlaceholdersFindsThemWhereverTheyAre(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]bool{
		`1`:                                                    true,
		`{"_placeholder":true,"num":0}`:                        true,
		`{"num":1,"_placeholder":true}`:                        true,
		`{"_placeholder":true,"num":2}`:                        false,
		`{"_placeholder":true,"num":-1}`:                       false,
		`{"_placeholder":true,"num":0.5}`:                      false,
		`{"_placeholder":true,"num":"0"}`:                      false,
		`{"_placeholder":true}`:                                false,
		`{"_pl\u0061ceholder":true,"num":9}`:                   false,
		`{"_placeholder":false,"num":9}`:                       true,
		`{"a":["_placeholder",true,{"num":9}]}`:                true,
		`[{"a":{"b":[[{"_placeholder":true,"num":9}]]}}]`:      false,
		`{"a":{"_placeholder":true,"num":1},"num":9,"b":[{}]}`: true,
	} {
		assert.Equal(t, want, checkPlaceholders([]byte(text), 2), text)
	}
}

// FuzzDecode feeds a decoder with two messages, as a transport does: nothing may panic, and what it takes for an event has
// exactly one valid argument.
func FuzzDecode(f *testing.F) {
	for _, seed := range []string{
		`0`, `1`, `2["ready",{}]`, `21["cache_sync",[1,"\u00e9"]]`, `3/,1[]`, `52-1["cache_sync",{"_placeholder":true,"num":0}]`, `4{"message":"no"}`, "",
	} {
		f.Add([]byte(seed), []byte{1, 2}, true)
	}
	g, err := New(Config{Handler: deaf{}})
	require.NoError(f, err)
	f.Fuzz(func(t *testing.T, first, second []byte, binary bool) {
		c := newClient(g, Peer{})
		c.open("id")
		d := packetParser{}.NewDecoder()
		if d.Add(&message{client: c, data: first}) == nil {
			_ = d.Add(&message{client: c, data: second, binary: binary})
		}
		p, err := parsePacket(first)
		if err != nil {
			return
		}
		in := c.inbound(p)
		require.NotEqual(t, in.Err == nil, in.Event == nil)
		if _, argument, err := parseEvent(p.payload); err == nil {
			require.True(t, json.Valid(argument))
			require.True(t, json.Valid(p.payload))
			checkPlaceholders(argument, 1)
		}
	})
}

// deaf is a Handler that does nothing.
type deaf struct{}

func (deaf) Opened(Conn)              {}
func (deaf) Received(string, Inbound) {}
func (deaf) Closed(string, string)    {}
