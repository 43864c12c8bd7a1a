package urbanrobot

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/urban-robot/urban-robot/protocol"
)

func TestFromEnvironment(t *testing.T) {
	for name, value := range map[string]string{
		"URL": "http://127.0.0.1:1", "FLEET": "helium", "INSTANCE": "abc-1", "VERSION": "1.2.3", "KEY": "a key", "LAUNCH": "a secret",
		"SHARD_ID": "1", "NUM_SHARDS": "3",
	} {
		t.Setenv("URBAN_ROBOT_"+name, value)
	}
	o, err := FromEnvironment(Options{Version: "mine"})
	require.NoError(t, err)
	assert.Equal(t, "mine", o.Version, "what is there already stays")
	assert.Equal(t, []string{"http://127.0.0.1:1", "helium", "abc-1"}, []string{o.URL, o.Fleet, o.Instance})
	assert.True(t, o.Key.Equal(protocol.NewToken("a key")))
	assert.True(t, o.Launch.Equal(protocol.NewToken("a secret")))
	assert.Equal(t, &Shard{ID: 1, Total: 3}, o.Shard)

	t.Setenv("URBAN_ROBOT_NUM_SHARDS", "many")
	_, err = FromEnvironment(Options{})
	assert.ErrorContains(t, err, "URBAN_ROBOT_NUM_SHARDS")
}

func TestFromAnEmptyEnvironment(t *testing.T) {
	o, err := FromEnvironment(Options{Version: "1"})
	require.NoError(t, err)
	assert.Equal(t, Options{Version: "1"}, o)
}
