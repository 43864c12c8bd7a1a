package main

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// allSettings lists the settings of a fleet "x" and of the service.
func allSettings(t *testing.T) map[string]field {
	t.Helper()
	c := defaultConfig()
	all := map[string]field{}
	eachSetting(schema(&c), "", []string{"x"}, func(path string, f field) { all[path] = f })
	require.NotEmpty(t, all)
	return all
}

func TestEverySettingSaysWhatItIs(t *testing.T) {
	for path, f := range allSettings(t) {
		assert.NotEmpty(t, f.what, path)
		if f.secret == nil {
			assert.NotEmpty(t, f.value.kind, path)
		}
	}
}

// What a setting shows is what may be written.
func TestEverySettingReadsWhatItShows(t *testing.T) {
	for path, f := range allSettings(t) {
		if f.secret != nil || path == "limits.queued_bytes" {
			continue
		}
		shown := f.value.show()
		require.NoError(t, f.value.set(&node{shape: shapeScalar, text: shown}), path)
		assert.Equal(t, shown, f.value.show(), path)
	}
}

func TestEverySettingHasAVariable(t *testing.T) {
	clean(t)
	t.Setenv(defaultTokenEnv, aToken)
	seen := map[string]string{}
	for path, f := range allSettings(t) {
		name := environmentName(path)
		assert.Empty(t, seen[name], "%s is for %s and %s", name, seen[name], path)
		seen[name] = path
		if f.secret == nil {
			root := &node{shape: shapeObject}
			assert.Equal(t, []string{path}, newEnvironmentReader(root).paths(name))
		}
	}
	for _, name := range botVariables() {
		assert.Empty(t, seen[name], "%s is the bots'", name)
	}
}

func TestShow(t *testing.T) {
	for text, want := range map[string]string{
		"30s": "30s", "90s": "1m30s", "60s": "1m", "3600s": "1h", "5400s": "1h30m", "0": "0s", "500ms": "500ms", "3601s": "1h0m1s",
	} {
		d := defaultFleet("x").Seat.Lease
		v := duration(&d, false)
		require.NoError(t, v.set(&node{shape: shapeScalar, text: text}))
		assert.Equal(t, want, v.show())
	}
	for bytes, want := range map[int64]string{1: "1B", 1023: "1023B", 1024: "1KiB", 1 << 20: "1MiB", 3 << 29: "1536MiB", 1 << 30: "1GiB", 1 << 42: "4096GiB"} {
		assert.Equal(t, want, showSize(bytes))
	}
}

func TestPublic(t *testing.T) {
	for listen, want := range map[string]bool{
		"127.0.0.1:1": false, "[::1]:1": false, "localhost:1": false, "127.9.9.9:0": false, "[::ffff:127.0.0.1]:1": false,
		":1": true, "0.0.0.0:1": true, "[::]:1": true, "10.0.0.1:1": true, "bots.example:1": true, "nonsense": true,
	} {
		assert.Equal(t, want, public(listen), listen)
	}
}
