package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"runtime/debug"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/urban-robot/urban-robot/protocol"
)

func TestExitCodes(t *testing.T) {
	for _, tt := range []struct {
		name   string
		args   []string
		want   int
		stderr string
	}{
		{"help", []string{"--help"}, exitOK, ""},
		{"help of a command", []string{"check", "-h"}, exitOK, ""},
		{"version", []string{"version"}, exitOK, ""},
		{"completion", []string{"completion", "bash"}, exitOK, ""},
		{"a configuration that is refused", []string{"check"}, exitFailed, "the configuration is refused"},
		{"a file that is not there", []string{"check", "--config", "none"}, exitFailed, "none: cannot be read"},
		{"no command", []string{}, exitUsage, "say what to do"},
		{"an unknown command", []string{"chekc"}, exitUsage, "check"},
		{"an unknown flag", []string{"check", "--nothing"}, exitUsage, "unknown flag: --nothing"},
		{"a flag without its value", []string{"check", "--config"}, exitUsage, "needs an argument"},
		{"an output that is none", []string{"version", "-o", "xml"}, exitUsage, "write text or json"},
		{"an argument", []string{"version", "x"}, exitUsage, "unknown command"},
		{"a file as an argument", []string{"check", configFile}, exitUsage, "check takes no argument; write --config " + configFile},
		{"any argument", []string{"check", "x"}, exitUsage, "check takes no argument"},
		{"a setting without a value", []string{"check", "--set", "listen"}, exitUsage, "write path=value"},
		{"a setting without a path", []string{"check", "--set", "a..b=c"}, exitUsage, "write path=value"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			clean(t)
			write(t, configFile, "")
			var stdout, stderr bytes.Buffer

			assert.Equal(t, tt.want, run(tt.args, &stdout, &stderr))

			assert.Contains(t, stderr.String(), tt.stderr)
			if tt.want == exitOK {
				assert.Empty(t, stderr.String())
				assert.NotEmpty(t, stdout.String())
				return
			}
			assert.Empty(t, stdout.String())
			assert.Equal(t, tt.want == exitUsage, bytes.Contains(stderr.Bytes(), []byte("Usage:")))
		})
	}
}

// broken is a writer whose reader has gone away.
type broken struct{}

func (broken) Write([]byte) (int, error) { return 0, errors.New("broken pipe") }

func TestOutputThatCannotBeWrittenIsAFailure(t *testing.T) {
	clean(t)
	t.Setenv(defaultTokenEnv, aToken)
	for _, args := range [][]string{{"version"}, {"version", "-o", "json"}, {"check"}, {"check", "-o", "json"}} {
		var stderr bytes.Buffer
		assert.Equal(t, exitFailed, run(args, broken{}, &stderr))
		assert.Contains(t, stderr.String(), "broken pipe")
	}
}

func TestVersion(t *testing.T) {
	info := &debug.BuildInfo{GoVersion: "go1.26.0", Main: debug.Module{Version: "v1.2.3"}, Settings: []debug.BuildSetting{
		{Key: "vcs.revision", Value: "0123abc"}, {Key: "vcs.time", Value: "2026-01-02T03:04:05Z"}, {Key: "vcs.modified", Value: "true"},
	}}
	got := reportVersion(info)
	assert.Equal(t, versionReport{
		Version: "v1.2.3", Commit: "0123abc", Time: "2026-01-02T03:04:05Z", Modified: true, Go: "go1.26.0", Contract: protocol.Version,
	}, got)
	assert.Equal(t, "urban-robot v1.2.3\ncommit   0123abc (modified)\ngo       go1.26.0\ncontract 1", got.String())
	assert.Equal(t, "urban-robot unknown\ncommit   unknown\ngo       unknown\ncontract 1", reportVersion(nil).String())

	var out bytes.Buffer
	require.Equal(t, exitOK, run([]string{"version", "-o", "json"}, &out, &out))
	var printed versionReport
	require.NoError(t, json.Unmarshal(out.Bytes(), &printed))
	assert.Equal(t, protocol.Version, printed.Contract)
}
