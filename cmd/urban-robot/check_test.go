package main

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

var rewrite = flag.Bool("rewrite", false, "write the golden files anew")

// golden compares with a file of testdata; here is the directory the test stands in, which differs from run to run.
func golden(t *testing.T, testdata, name, got string) {
	t.Helper()
	here, err := os.Getwd()
	require.NoError(t, err)
	got = strings.ReplaceAll(got, here, "<here>")
	file := filepath.Join(testdata, name)
	if *rewrite {
		require.NoError(t, os.WriteFile(file, []byte(got), 0o600))
	}
	want, err := os.ReadFile(file)
	require.NoError(t, err)
	assert.Equal(t, string(want), got)
}

func TestCheckSaysWhatServeWouldDo(t *testing.T) {
	testdata, err := filepath.Abs("testdata")
	require.NoError(t, err)
	const public = "listen: 0.0.0.0:8080\nadmin: {listen: 0.0.0.0:8081, token: {file: admin.token}}\nfleets:\n" +
		"  helium: {token: {env: TOKEN}, key: {file: helium.key}, lease: 0, standbys: 0, handover: {to: shutdown, cache_sync: false}}\n" +
		"  neon: {token: {env: KEY}, key: {env: NEON_KEY}, identify: {daily: 2000, concurrency: 16}, log: {}}\n"
	for _, tt := range []struct {
		name string
		file string
		args []string
		code int
	}{
		{name: "default", args: nil},
		{name: "whole", file: wholeConfig},
		{name: "public", file: strings.Replace(public, ", log: {}", "", 1)},
		{name: "refused", file: public, code: exitFailed},
		{name: "git", file: gitConfigFile},
		{name: "command", file: commandConfigFile},
	} {
		for _, format := range []string{"text", "json"} {
			t.Run(tt.name+" as "+format, func(t *testing.T) {
				clean(t)
				t.Setenv(defaultTokenEnv, aToken)
				t.Setenv("NEON_KEY", "the-key-of-neon")
				writeSecrets(t)
				write(t, "bots.db", "")
				args := []string{"check", "-o", format}
				if tt.file != "" {
					write(t, configFile, tt.file)
					args = append(args, "--config", configFile)
				}
				var out bytes.Buffer

				code := run(args, &out, &out)

				assert.Equal(t, tt.code, code)
				golden(t, testdata, "check-"+tt.name+"."+strings.Replace(format, "text", "txt", 1), out.String())
			})
		}
	}
}

// The shortest configuration with a driver, and what there is to be said about it.
const gitConfigFile = `fleets:
  helium:
    token: {env: TOKEN}
    handover: {to: shutdown}
    restart: {max: 0}
    deploy:
      driver: git
      repository: http://example.org/helium.git
      command: [sh, -c, "exec python3 main.py"]
  neon:
    token: {env: KEY}
    restart: {backoff: 5s}
    deploy: {driver: git, repository: git@example.org:neon.git, command: [./neon], webhook: {provider: gitea, secret: {env: HOOK}}}
`

// Every command of the driver command, and as few as there can be.
const commandConfigFile = `fleets:
  helium:
    token: {env: TOKEN}
    deploy:
      driver: command
      start: [systemctl, --user, start, helium]
      stop: [./stop.sh]
      status: [./status.sh]
      prepare: [./prepare.sh]
      resolve: [./resolve.sh]
      collect: [./collect.sh]
      timeout: 1m
      poll: 1h
  neon:
    token: {env: KEY}
    deploy: {driver: command, start: [./start.sh], stop: [./stop.sh]}
`

// The settings that check prints are a configuration with the same meaning.
func TestCheckSettingsAreAConfiguration(t *testing.T) {
	clean(t)
	write(t, configFile, wholeConfig)
	writeSecrets(t)
	var out bytes.Buffer
	require.Equal(t, exitOK, run([]string{"check", "-o", "json", "--config", configFile}, &out, &out))
	var report checkReport
	require.NoError(t, json.Unmarshal(out.Bytes(), &report))
	assert.True(t, report.OK)
	text, err := json.Marshal(report.Settings)
	require.NoError(t, err)
	write(t, "settings.yaml", string(text)) // JSON is YAML

	want, err := loadConfig("--config", configFile)
	require.NoError(t, err)
	got, err := loadConfig("--config", "settings.yaml")
	require.NoError(t, err)
	got.Source = want.Source
	assert.Equal(t, want, got)
}

func TestCheckHelpListsEveryKey(t *testing.T) {
	var out bytes.Buffer
	require.Equal(t, exitOK, run([]string{"check", "--help"}, &out, &out))
	for path := range allSettings(t) {
		path = strings.Replace(path, "fleets.x.", "fleets."+anyFleet+".", 1)
		assert.Contains(t, out.String(), "  "+path)
	}
}
