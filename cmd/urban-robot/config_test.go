package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/spf13/cobra"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const (
	configFile = "urban-robot.yaml"
	aToken     = "MTIzNDU2Nzg5.the-token-of-helium"
	aKey       = "the-key-of-helium"
	aHook      = "the-secret-of-its-webhook"
	anAlert    = "https://discord.example/api/webhooks/1/the-alerts-of-helium"
	anAdmin    = "the-token-of-the-admin-api"
)

// clean puts the test into an empty directory with an environment of its own, in which the variables TOKEN, KEY, HOOK and
// ALERT hold secrets.
func clean(t *testing.T) {
	t.Helper()
	for _, pair := range os.Environ() {
		name, _, _ := strings.Cut(pair, "=")
		if strings.HasPrefix(name, environmentPrefix) || name == defaultTokenEnv {
			t.Setenv(name, "") // so that it comes back
			require.NoError(t, os.Unsetenv(name))
		}
	}
	t.Setenv("TOKEN", aToken)
	t.Setenv("KEY", aKey)
	t.Setenv("HOOK", aHook)
	t.Setenv("ALERT", anAlert)
	t.Chdir(t.TempDir())
}

// writeSecrets makes the files helium.key, admin.token and errors.url.
func writeSecrets(t *testing.T) {
	t.Helper()
	write(t, "helium.key", aKey+"\n")
	write(t, "admin.token", anAdmin+"\n")
	write(t, "errors.url", anAlert+"-errors\n")
}

// write makes a file that only its owner may read.
func write(t *testing.T, name, text string) {
	t.Helper()
	require.NoError(t, os.WriteFile(name, []byte(text), 0o600))
}

// loadConfig loads what the flags say.
func loadConfig(args ...string) (config, error) {
	cmd := &cobra.Command{}
	flags := addConfigFlags(cmd)
	if err := cmd.ParseFlags(args); err != nil {
		return config{}, err
	}
	return flags.load()
}

func TestConfigWithoutAFileIsOneFleetOnLoopback(t *testing.T) {
	clean(t)
	t.Setenv(defaultTokenEnv, aToken)

	c, err := loadConfig()

	require.NoError(t, err)
	assert.Equal(t, "127.0.0.1:8080", c.Listen)
	assert.Equal(t, "./urban-robot.db", c.State)
	require.Len(t, c.Fleets, 1)
	assert.Equal(t, "default", c.Fleets[0].Name)
	assert.Equal(t, aToken, c.Fleets[0].Token.Token.Reveal())
	assert.Equal(t, 30*time.Second, c.Fleets[0].Seat.Lease)
	assert.Equal(t, int64(32<<20), c.Limits.QueuedBytes)
}

// CONTRACT section 8, as far as this version goes, with every key of ours.
const wholeConfig = `
listen: 127.0.0.1:9000
admin: {listen: 127.0.0.1:9001, token: {file: admin.token}}
state: sqlite:./bots.db
log: {level: debug, format: json}
limits: {connections: 50, connections_per_address: 40, strikes: 3, ping_interval: 1s, ping_timeout: 5s, queued_bytes: 64MiB}
fleets:
  helium:
    token: {env: TOKEN}
    key: {file: helium.key}
    lease: 10s
    lease_margin: 1s
    standbys: 2
    shards: 4
    health: {healthy_percentage: 87.5, vital_cogs: [modules.utilities, modules.fun], timeout: 5s, interval: 20s, failures: 4,
             candidate: {successes: 2, deadline: 2m}, bake: 5m}
    handover: {to: shutdown, drain: 500ms, cache_sync: false, deadline: 7s}
    outdated: shutdown
    cache: {max_bytes: 20MiB}
    identify: {daily: 900, reserve: 90, spacing: 0s, concurrency: 16}
    deadlines: {identify: 3s, ready: 4m, answer: 6s}
    command_event: cmd
    restart: {max: 4, window: 20m, backoff: 2s..1m}
    rollback: {max: 2, window: 2h}
    deploy:
      driver: git
      repository: https://example.org/helium.git
      branch: release/stable
      dir: ./bots
      setup: [python3, -m, pip, install, -r, "requirements, all.txt"]
      setup_timeout: 5m
      command: [python3, main.py]
      environment: [DATABASE_URL, MUSIC_*]
      grace: 15s
      logs: {max_bytes: 1MiB, to_service: true}
      keep: 7
      poll: 1m
      webhook: {provider: github, secret: {env: HOOK}, only: "[DEPLOY]"}
    alerts:
      - url: {env: ALERT}
      - {url: {file: errors.url}, level: error}
`

func TestConfigReadsEveryKey(t *testing.T) {
	clean(t)
	write(t, configFile, wholeConfig)
	writeSecrets(t)

	c, err := loadConfig("--config", configFile)

	require.NoError(t, err)
	require.Len(t, c.Fleets, 1)
	f := *c.Fleets[0]
	assert.Equal(t, aToken, f.Token.Token.Reveal())
	assert.Equal(t, aKey, f.Key.Token.Reveal())
	assert.Equal(t, aHook, f.Deploy.Webhook.Secret.Token.Reveal())
	require.Len(t, f.Alerts, 2)
	assert.Equal(t, anAlert, f.Alerts[0].URL.Token.Reveal())
	assert.Equal(t, anAlert+"-errors", f.Alerts[1].URL.Token.Reveal())
	f.Token, f.Key, f.Deploy.Webhook.Secret, f.Alerts[0].URL, f.Alerts[1].URL = secret{}, secret{}, secret{}, secret{}, secret{}
	assert.Equal(t, fleetConfig{
		Name:         "helium",
		Seat:         seatConfig{Lease: 10 * time.Second, Margin: time.Second, Standbys: 2, Shards: 4},
		Outdated:     "shutdown",
		CommandEvent: "cmd",
		CacheMax:     20 << 20,
		Health: healthConfig{
			HealthyPercentage: 87.5, VitalCogs: []string{"modules.utilities", "modules.fun"}, Timeout: 5 * time.Second,
			Interval: 20 * time.Second, Failures: 4, Successes: 2, CandidateDeadline: 2 * time.Minute, Bake: 5 * time.Minute,
		},
		Handover:  handoverConfig{To: "shutdown", Drain: 500 * time.Millisecond, Deadline: 7 * time.Second},
		Login:     loginConfig{Daily: 900, Reserve: 90, Concurrency: 16},
		Deadlines: deadlinesConfig{Identify: 3 * time.Second, Ready: 4 * time.Minute, Answer: 6 * time.Second},
		Restart:   restartConfig{Max: 4, Window: 20 * time.Minute, BackoffMin: 2 * time.Second, BackoffMax: time.Minute},
		Rollback:  rollbackConfig{Max: 2, Window: 2 * time.Hour},
		Deploy: deployConfig{
			Driver: "git", Dir: "./bots", Environment: []string{"DATABASE_URL", "MUSIC_*"}, Grace: 15 * time.Second,
			LogBytes: 1 << 20, LogForward: true, Keep: 7, Poll: time.Minute,
			Git: gitConfig{
				Repository: "https://example.org/helium.git", Branch: "release/stable",
				Setup: []string{"python3", "-m", "pip", "install", "-r", "requirements, all.txt"}, SetupTimeout: 5 * time.Minute,
				Command: []string{"python3", "main.py"},
			},
			Commands: commandsConfig{Timeout: 5 * time.Minute},
			Webhook:  webhookConfig{Provider: "github", Only: "[DEPLOY]"},
		},
		Alerts: []*alertConfig{{Level: "warning"}, {Level: "error"}},
	}, f)
	assert.Equal(t, anAdmin, c.Admin.Token.Token.Reveal())
	c.Admin.Token = secret{}
	assert.Equal(t, config{
		Source: configFile, Listen: "127.0.0.1:9000", Admin: adminConfig{Listen: "127.0.0.1:9001"}, State: "./bots.db", Log: logConfig{Level: "debug", Format: "json"},
		Limits: limitsConfig{
			Connections: 50, PerAddress: 40, Strikes: 3, PingEvery: time.Second, PingTimeout: 5 * time.Second, QueuedBytes: 64 << 20,
		},
		Fleets: c.Fleets,
	}, c)
}

func TestConfigPrecedence(t *testing.T) {
	const file = "fleets:\n  helium:\n    token: {env: TOKEN}\n    lease: 11s\n    health: {vital_cogs: [a]}\n"
	lease := func(c config) any { return c.Fleets[0].Seat.Lease }
	for _, tt := range []struct {
		name        string
		environment map[string]string
		args        []string
		get         func(config) any
		want        any
	}{
		{"the file wins over the default", nil, nil, lease, 11 * time.Second},
		{
			"the environment wins over the file",
			map[string]string{"URBAN_ROBOT_FLEETS_HELIUM_LEASE": "12s"},
			nil,
			lease, 12 * time.Second,
		},
		{
			"a flag wins over the environment",
			map[string]string{"URBAN_ROBOT_FLEETS_HELIUM_LEASE": "12s"},
			[]string{"--set", "fleets.helium.lease=13s"},
			lease, 13 * time.Second,
		},
		{
			"the last flag wins", nil,
			[]string{"--set", "fleets.helium.lease=13s", "--set", "fleets.helium.lease=14s"},
			lease, 14 * time.Second,
		},
		{
			"an empty variable counts as not set",
			map[string]string{"URBAN_ROBOT_FLEETS_HELIUM_LEASE": ""},
			nil,
			lease, 11 * time.Second,
		},
		{"zero is a value", nil, []string{"--set", "fleets.helium.lease=0"}, lease, time.Duration(0)},
		{
			"a list has commas",
			map[string]string{"URBAN_ROBOT_FLEETS_HELIUM_HEALTH_VITAL_COGS": "b, c"},
			nil,
			func(c config) any { return c.Fleets[0].Health.VitalCogs },
			[]string{"b", "c"},
		},
		{
			"an empty list is a value", nil,
			[]string{"--set", "fleets.helium.health.vital_cogs="},
			func(c config) any { return c.Fleets[0].Health.VitalCogs },
			[]string{},
		},
		{
			"a top-level flag wins over its variable",
			map[string]string{"URBAN_ROBOT_LISTEN": "127.0.0.1:1"},
			[]string{"--listen", "127.0.0.1:2"},
			func(c config) any { return c.Listen }, "127.0.0.1:2",
		},
		{
			"log has flags", nil,
			[]string{"--log-level", "warn", "--log-format=text"},
			func(c config) any { return c.Log },
			logConfig{Level: "warn", Format: "text"},
		},
		{"state has a flag", nil, []string{"--state", "sqlite:/tmp/x.db"}, func(c config) any { return c.State }, "/tmp/x.db"},
		{
			"a secret of a higher layer replaces one of another kind",
			map[string]string{"URBAN_ROBOT_FLEETS_HELIUM_TOKEN_FILE": "token"},
			nil,
			func(c config) any { return c.Fleets[0].Token.Token.Reveal() }, "of the file",
		},
		{
			"what bots use is let alone",
			map[string]string{"URBAN_ROBOT_KEY": "x", "URBAN_ROBOT_URL": "y"},
			nil,
			lease, 11 * time.Second,
		},
		{
			"a variable of ours may hold a secret that is named",
			map[string]string{"URBAN_ROBOT_MINE": "of the variable"},
			[]string{"--set", "fleets.helium.token.env=URBAN_ROBOT_MINE"},
			func(c config) any { return c.Fleets[0].Token.Token.Reveal() }, "of the variable",
		},
		{
			"a flag may add a fleet", nil,
			[]string{"--set", "fleets.argon.token.env=KEY"},
			func(c config) any { return c.Fleets[0].Name + c.Fleets[1].Name }, "argonhelium",
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			clean(t)
			write(t, configFile, file)
			write(t, "token", "of the file")
			for name, text := range tt.environment {
				t.Setenv(name, strings.ReplaceAll(text, "of the variable", "of-the-variable"))
			}
			write(t, "token", "of-the-file")

			c, err := loadConfig(append([]string{"--config", configFile}, tt.args...)...)

			require.NoError(t, err)
			want := tt.want
			if text, ok := want.(string); ok {
				want = strings.ReplaceAll(strings.ReplaceAll(text, "of the file", "of-the-file"), "of the variable", "of-the-variable")
			}
			assert.Equal(t, want, tt.get(c))
		})
	}
}

func TestConfigFromTheEnvironmentAlone(t *testing.T) {
	clean(t)
	t.Setenv("URBAN_ROBOT_FLEETS_NOBLE_GAS_TOKEN_ENV", "TOKEN")
	t.Setenv("URBAN_ROBOT_FLEETS_NOBLE_GAS_LEASE_MARGIN", "5s")
	t.Setenv("URBAN_ROBOT_FLEETS_NOBLE_GAS_HEALTH_CANDIDATE_DEADLINE", "5m")

	c, err := loadConfig()

	require.NoError(t, err)
	require.Len(t, c.Fleets, 1)
	assert.Equal(t, "noble_gas", c.Fleets[0].Name)
	assert.Equal(t, 5*time.Second, c.Fleets[0].Seat.Margin)
	assert.Equal(t, 5*time.Minute, c.Fleets[0].Health.CandidateDeadline)
}

func TestConfigVariableNamesTheFile(t *testing.T) {
	clean(t)
	write(t, "a.yaml", "listen: 127.0.0.1:1\nfleets: {a: {token: {env: TOKEN}}}")
	write(t, "b.yaml", "listen: 127.0.0.1:2\nfleets: {b: {token: {env: TOKEN}}}")
	t.Setenv("URBAN_ROBOT_CONFIG", "a.yaml")

	c, err := loadConfig()
	require.NoError(t, err)
	assert.Equal(t, "127.0.0.1:1", c.Listen)

	c, err = loadConfig("--config", "b.yaml")
	require.NoError(t, err)
	assert.Equal(t, "127.0.0.1:2", c.Listen)
}

func TestConfigWithoutAFileKeepsTheDefaultFleetsToken(t *testing.T) {
	clean(t)
	t.Setenv(defaultTokenEnv, aToken)
	t.Setenv("URBAN_ROBOT_FLEETS_DEFAULT_STANDBYS", "3")

	c, err := loadConfig()

	require.NoError(t, err)
	require.Len(t, c.Fleets, 1)
	assert.Equal(t, 3, c.Fleets[0].Seat.Standbys)
	assert.Equal(t, defaultTokenEnv, c.Fleets[0].Token.Env)
}

func TestConfigAnchorsAndMergeKeys(t *testing.T) {
	clean(t)
	write(t, configFile, `
fleets:
  helium: &noble
    token: {env: TOKEN}
    lease: &lease 20s
    standbys: 3
  neon:
    <<: *noble
    token: {env: KEY}
    lease_margin: *lease
`)
	c, err := loadConfig("--config", configFile, "--set", "fleets.neon.lease=40s")

	require.NoError(t, err)
	require.Len(t, c.Fleets, 2)
	assert.Equal(t, seatConfig{Lease: 20 * time.Second, Margin: 2 * time.Second, Standbys: 3, Shards: 1}, c.Fleets[0].Seat)
	assert.Equal(t, seatConfig{Lease: 40 * time.Second, Margin: 20 * time.Second, Standbys: 3, Shards: 1}, c.Fleets[1].Seat)
	assert.Equal(t, "KEY", c.Fleets[1].Token.Env)
}

func TestConfigQueueHoldsTwoOfTheLargestCaches(t *testing.T) {
	clean(t)
	write(t, configFile, "fleets: {a: {token: {env: TOKEN}, cache: {max_bytes: 100MiB}}}")

	c, err := loadConfig("--config", configFile)

	require.NoError(t, err)
	assert.Equal(t, int64(200<<20), c.Limits.QueuedBytes)
}

// Nothing that a file can hold makes the reader panic or hang.
func FuzzConfig(f *testing.F) {
	f.Add([]byte(wholeConfig))
	f.Add([]byte("a: &a [*a]\nb: *a\n<<: *a"))
	f.Add([]byte("fleets: {a: {token: {env: X}}, b: {<<: [1, {lease: 3}]}}"))
	f.Add([]byte("? [x]\n: {\n---\n- |\n a"))
	name := filepath.Join(f.TempDir(), "fuzz.yaml")
	f.Fuzz(func(t *testing.T, text []byte) {
		write(t, name, string(text))
		_, err := loadConfig("--config", name)
		if err != nil {
			refused := &configError{}
			assert.ErrorAs(t, err, &refused)
		}
	})
}
