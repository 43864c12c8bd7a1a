package main

import (
	"bytes"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// refusedConfig is one configuration and everything that is said against it.
type refusedConfig struct {
	name        string
	file        string // of fleet lines if it begins with two spaces: they are put below a fleet helium with a token
	environment map[string]string
	args        []string
	want        []string
}

func (r refusedConfig) check(t *testing.T) {
	t.Helper()
	clean(t)
	file := r.file
	if strings.HasPrefix(file, "  ") || file == "" {
		file = "fleets:\n  helium:\n    token: {env: TOKEN}\n" + file
	}
	write(t, configFile, file)
	for name, text := range r.environment {
		t.Setenv(name, text)
	}
	var stdout, stderr bytes.Buffer

	code := run(append([]string{"check", "--config", configFile}, r.args...), &stdout, &stderr)

	lines := strings.Split(strings.TrimSuffix(stderr.String(), "\n"), "\n")
	require.NotEmpty(t, lines)
	for i := range lines {
		lines[i] = strings.TrimPrefix(lines[i], "  ")
	}
	assert.Equal(t, r.want, lines[1:])
	assert.Equal(t, exitFailed, code)
	assert.Empty(t, stdout.String())
}

func TestConfigRefusesUnknownKeys(t *testing.T) {
	const at = configFile
	for _, tt := range []refusedConfig{
		{name: "a slip at the top", file: "lisen: x\nfleets: {a: {token: {env: TOKEN}}}", want: []string{
			at + ":1:1: lisen: unknown key; did you mean listen?",
		}},
		{name: "a slip in a fleet", file: "    lese: 10s", want: []string{
			at + ":4:5: fleets.helium.lese: unknown key; did you mean lease?",
		}},
		{name: "a slip deep down", file: "    health:\n      candidate: {succeses: 1}", want: []string{
			at + ":5:19: fleets.helium.health.candidate.succeses: unknown key; did you mean successes?",
		}},
		{name: "a key in the wrong group", file: "    drain: 1s", want: []string{
			at + ":4:5: fleets.helium.drain: unknown key; did you mean fleets.helium.handover.drain?",
		}},
		{name: "a fleet's key at the top", file: "vital_cogs: [a]\nfleets: {a: {token: {env: TOKEN}}}", want: []string{
			at + ":1:1: vital_cogs: unknown key; did you mean fleets.<fleet>.health.vital_cogs?",
		}},
		{name: "nothing like any key", file: "log: {colour: blue}\nfleets: {a: {token: {env: TOKEN}}}", want: []string{
			at + ":1:7: log.colour: unknown key; known here: level, format",
		}},
		{name: "drivers of later versions", file: "fleets:\n  a: {token: {env: TOKEN}, deploy: {driver: docker}}\n" +
			"  b: {token: {env: KEY}, deploy: {driver: kubernetes}}", want: []string{
			at + ":2:45: fleets.a.deploy.driver: docker is not yet supported by this version; write none, git or command",
			at + ":3:43: fleets.b.deploy.driver: kubernetes is not yet supported by this version; write none, git or command",
		}},
		{name: "a key twice", file: "    lease: 10s\n    lease: 20s", want: []string{
			at + ":5:5: fleets.helium.lease: stands here a second time, first in line 4; write it once",
		}},
		{name: "a flag with a slip", args: []string{"--set", "fleets.helium.lese=10s"}, want: []string{
			"--set: fleets.helium.lese: unknown key; did you mean lease?",
		}},
		{name: "a flag of a later driver", args: []string{"--set", "fleets.helium.deploy.driver=docker"}, want: []string{
			"--set: fleets.helium.deploy.driver: docker is not yet supported by this version; write none, git or command",
		}},
		{name: "a variable with a slip", environment: map[string]string{"URBAN_ROBOT_LISEN": "x"}, want: []string{
			"URBAN_ROBOT_LISEN: unknown variable; did you mean URBAN_ROBOT_LISTEN?",
		}},
		{name: "a variable of a fleet that the file has not", environment: map[string]string{"URBAN_ROBOT_FLEETS_HELUIM_LEASE": "10s"}, want: []string{
			"URBAN_ROBOT_FLEETS_HELUIM_LEASE: unknown variable; did you mean URBAN_ROBOT_FLEETS_HELIUM_LEASE?",
		}},
		{name: "a variable like nothing", environment: map[string]string{"URBAN_ROBOT_QX": "x"}, want: []string{
			"URBAN_ROBOT_QX: unknown variable; unset it, or see urban-robot check --help for those there are",
		}},
		{name: "a variable of a later driver", environment: map[string]string{"URBAN_ROBOT_FLEETS_HELIUM_DEPLOY_DRIVER": "kubernetes"}, want: []string{
			"URBAN_ROBOT_FLEETS_HELIUM_DEPLOY_DRIVER: fleets.helium.deploy.driver: kubernetes is not yet supported by this version; " +
				"write none, git or command",
		}},
		{
			name: "a variable of two fleets", file: "fleets: {a-b: {token: {env: TOKEN}}, a_b: {token: {env: KEY}}}",
			environment: map[string]string{"URBAN_ROBOT_FLEETS_A_B_LEASE": "10s"}, want: []string{
				"URBAN_ROBOT_FLEETS_A_B_LEASE: could mean fleets.a-b.lease or fleets.a_b.lease; say which one with --set",
			},
		},
	} {
		t.Run(tt.name, tt.check)
	}
}

func TestConfigRefusesWrongTypes(t *testing.T) {
	const at = configFile + ":4:12: fleets.helium.lease: "
	const high = configFile + ":4:15: fleets.helium.standbys: "
	for _, tt := range []refusedConfig{
		{name: "a duration without unit", file: "    lease: 30", want: []string{at + `"30" has no unit; write one, such as 30s or 30m`}},
		{name: "no duration", file: "    lease: soon", want: []string{
			at + `"soon" is no duration; write a number with its unit, such as 500ms, 30s, 10m or 1h`,
		}},
		{name: "a negative duration", file: "    lease: -1s", want: []string{at + `"-1s" is too short; write 0s or more`}},
		{name: "an endless duration", file: "    lease: 9000h", want: []string{at + `"9000h" is too long; write at most 720h`}},
		{name: "a list for a duration", file: "    lease: [1s]", want: []string{at + "is a list; write one value such as 30s"}},
		{name: "a group for a duration", file: "    lease: {max: 1s}", want: []string{at + "is a group of keys; write one value such as 30s"}},
		{name: "nothing for a duration", file: "    lease:", want: []string{
			configFile + ":4:5: fleets.helium.lease: is empty; write a duration or leave the key out",
		}},
		{name: "zero where it means nothing", file: "    deadlines: {ready: 0}", want: []string{
			configFile + `:4:24: fleets.helium.deadlines.ready: "0" is too short; write more than 0s`,
		}},
		{name: "a word for a number", file: "    standbys: many", want: []string{high + `"many" does not fit; write a whole number from 0 to 100`}},
		{name: "half a standby", file: "    standbys: 1.5", want: []string{high + `"1.5" does not fit; write a whole number from 0 to 100`}},
		{name: "too many standbys", file: "    standbys: 101", want: []string{high + `"101" does not fit; write a whole number from 0 to 100`}},
		{name: "a number in quotes", file: `    standbys: "1"`, want: []string{high + "is text in quotes; write it without them, such as 1"}},
		{name: "a percentage above all", file: "    health: {healthy_percentage: 250}", want: []string{
			configFile + `:4:34: fleets.helium.health.healthy_percentage: "250" does not fit; write a number from 0 to 100, without a percent sign`,
		}},
		{name: "a percentage that is no number", file: "    health: {healthy_percentage: NaN}", want: []string{
			configFile + `:4:34: fleets.helium.health.healthy_percentage: "NaN" does not fit; write a number from 0 to 100, without a percent sign`,
		}},
		{name: "a percent sign", file: "    health: {healthy_percentage: 90%}", want: []string{
			configFile + `:4:34: fleets.helium.health.healthy_percentage: "90%" does not fit; write a number from 0 to 100, without a percent sign`,
		}},
		{name: "yes for true", file: "    handover: {cache_sync: yes}", want: []string{
			configFile + `:4:28: fleets.helium.handover.cache_sync: "yes" does not fit; write true or false`,
		}},
		{name: "a word that is not on the list", file: "    outdated: sleep", want: []string{
			configFile + `:4:15: fleets.helium.outdated: "sleep" does not fit; write coma or shutdown`,
		}},
		{name: "no size", file: "    cache: {max_bytes: big}", want: []string{
			configFile + `:4:24: fleets.helium.cache.max_bytes: "big" is no size; write a number with its unit, such as 512KiB, 16MiB or 1GiB`,
		}},
		{name: "no bytes", file: "    cache: {max_bytes: 0}", want: []string{
			configFile + `:4:24: fleets.helium.cache.max_bytes: "0" is too small; write more than 0B`,
		}},
		{name: "a cache that no store takes", file: "    cache: {max_bytes: 257MiB}", want: []string{
			configFile + `:4:24: fleets.helium.cache.max_bytes: "257MiB" is too large; write at most 256MiB`,
		}},
		{name: "one cog for a list", file: "    health: {vital_cogs: admin}", want: []string{
			configFile + ":4:26: fleets.helium.health.vital_cogs: is one value; write a list such as [modules.admin, modules.fun]",
		}},
		{name: "a cog that is a group", file: "    health: {vital_cogs: [a, {b: c}]}", want: []string{
			configFile + ":4:26: fleets.helium.health.vital_cogs: its item 2 is a group of keys; write a name",
		}},
		{name: "a cog twice", file: "    health: {vital_cogs: [a, b, a]}", want: []string{
			configFile + ":4:26: fleets.helium.health.vital_cogs: its item 3 stands there twice; write it once",
		}},
		{name: "a cog without a name", file: `    health: {vital_cogs: [a, ""]}`, want: []string{
			configFile + ":4:26: fleets.helium.health.vital_cogs: its item 2 has 0 bytes; write a name of 1 to 1024 bytes",
		}},
		{name: "one value for a group", file: "    health: good", want: []string{
			configFile + ":4:13: fleets.helium.health: is one value; write its keys below it: " +
				"healthy_percentage, vital_cogs, timeout, interval, failures, candidate, bake",
		}},
		{name: "an address without a port", file: "", args: []string{"--listen", "127.0.0.1"}, want: []string{
			`--listen: listen: "127.0.0.1" is no address; write a host and a port, such as 127.0.0.1:8080, or 0.0.0.0:8080 for every host`,
		}},
		{name: "a URL for an address", file: "", args: []string{"--listen", "http://x:80"}, want: []string{
			`--listen: listen: "http://x:80" is no address; write a host and a port, such as 127.0.0.1:8080, or 0.0.0.0:8080 for every host`,
		}},
		{name: "a variable of the wrong type", environment: map[string]string{"URBAN_ROBOT_FLEETS_HELIUM_STANDBYS": "x"}, want: []string{
			`URBAN_ROBOT_FLEETS_HELIUM_STANDBYS: fleets.helium.standbys: "x" does not fit; write a whole number from 0 to 100`,
		}},
		{name: "an alias of nothing", file: "    lease: *x", want: []string{
			configFile + ":4:12: fleets.helium.lease: there is no such anchor above",
		}},
	} {
		t.Run(tt.name, tt.check)
	}
}

func TestConfigRefusesWhatIsNoConfiguration(t *testing.T) {
	for _, tt := range []refusedConfig{
		{name: "not YAML", file: "listen: [", want: []string{configFile + ":1:9: is not YAML: sequence end token ']' not found"}},
		{name: "a text", file: "hello", want: []string{configFile + ":1:1: is one value; write keys such as listen: 127.0.0.1:8080"}},
		{name: "two documents", file: "fleets: {a: {token: {env: TOKEN}}}\n---\nlisten: x", want: []string{
			configFile + ":3:7: a second document begins here; write one",
		}},
		{name: "an empty file", file: "# nothing", want: []string{
			configFile + ": fleets: there is no fleet; write one, such as fleets: {helium: {token: {env: HELIUM_DISCORD_TOKEN}}}",
		}},
		{name: "no fleets", file: "fleets: {}", want: []string{
			configFile + ":1:1: fleets: there is no fleet; write one, such as fleets: {helium: {token: {env: HELIUM_DISCORD_TOKEN}}}",
		}},
		{name: "a list of fleets", file: "fleets: [helium]", want: []string{
			configFile + ":1:9: fleets: is a list; write the name of a fleet and its keys below it",
		}},
		{name: "a fleet that is a text", file: "fleets: {a: b}", want: []string{
			configFile + ":1:13: fleets.a: is one value; write its keys below it, token at least: write {env: NAME} or {file: path}",
		}},
		{name: "names that are none", file: "fleets: {Helium: {}, a b: {}}", want: []string{
			configFile + ":1:10: fleets.Helium: is no name for a fleet; write 1 to 64 of a-z, 0-9, - and _, such as helium",
			configFile + ":1:22: fleets.a b: is no name for a fleet; write 1 to 64 of a-z, 0-9, - and _, such as helium",
		}},
		{name: "a fleet without a token", file: "fleets: {a: {}}", want: []string{
			configFile + ":1:10: fleets.a.token: is missing: Discord's bot token; write {env: NAME} or {file: path}",
		}},
		{name: "PostgreSQL", args: []string{"--state", "postgres://user:password@host/db"}, want: []string{
			"--state: state: PostgreSQL is not yet supported by this version; write sqlite:./urban-robot.db",
		}},
		{name: "no known store", args: []string{"--state", "mysql://user:password@host/db"}, want: []string{
			"--state: state: names no store that this version knows; write sqlite:./urban-robot.db",
		}},
		{name: "a store in memory", args: []string{"--state", "sqlite::memory:"}, want: []string{
			"--state: state: names no file, and what is not in a file is lost with the process; write sqlite:./urban-robot.db",
		}},
		{name: "a path with parameters", args: []string{"--state", "sqlite:x.db?mode=ro"}, want: []string{
			"--state: state: is no plain path; write sqlite:./urban-robot.db or sqlite:/var/lib/urban-robot/urban-robot.db",
		}},
		{name: "a directory that is not there", args: []string{"--state", "sqlite:nowhere/x.db"}, want: []string{
			"--state: state: the directory nowhere does not exist; make it, or write another path",
		}},
		{name: "a directory", args: []string{"--state", "sqlite:."}, want: []string{
			"--state: state: . is a directory; write the path of a file",
		}},
	} {
		t.Run(tt.name, tt.check)
	}
}

func TestConfigRefusesContradictions(t *testing.T) {
	const at = configFile
	for _, tt := range []refusedConfig{
		{name: "a bake shorter than its check interval", file: "    health: {bake: 30s}", want: []string{
			at + ":4:14: fleets.helium.health.bake: health.bake (30s) is shorter than health.interval (1m): " +
				"a bake would end without a check; write 1m or more, or a shorter interval",
		}},
		{name: "an interval longer than the bake is blamed where it is written", file: "    health: {interval: 20m}", want: []string{
			at + ":4:14: fleets.helium.health.interval: health.bake (10m) is shorter than health.interval (20m): " +
				"a bake would end without a check; write 20m or more, or a shorter interval",
		}},
		{name: "an answer later than the next check", file: "    health: {timeout: 1m}", want: []string{
			at + ":4:14: fleets.helium.health.timeout: health.timeout (1m) is not shorter than health.interval (1m): " +
				"the next check would begin before this one ends; write less than 1m, or a longer interval",
		}},
		{name: "a candidate that cannot answer", file: "    health: {candidate: {deadline: 9s}}", want: []string{
			at + ":4:26: fleets.helium.health.candidate.deadline: health.candidate.deadline (9s) is shorter than health.timeout (10s): " +
				"a candidate would fail before it could answer; write 10s or more, or a shorter timeout",
		}},
		{name: "a handover shorter than its drain", file: "    handover: {drain: 11s}", want: []string{
			at + ":4:16: fleets.helium.handover.drain: handover.deadline (10s) is shorter than handover.drain (11s): " +
				"a client that drains would be late; write 11s or more, or a shorter drain",
		}},
		{name: "a reserve of everything", file: "    identify: {reserve: 1000}", want: []string{
			at + ":4:16: fleets.helium.identify.reserve: identify.reserve (1000) leaves nothing of identify.daily (1000); " +
				"write less than 1000, or raise it",
		}},
		{name: "a lease of a few pings", file: "    lease: 8s", want: []string{
			at + ":4:5: fleets.helium.lease: lease (8s) is shorter than 3 times limits.ping_interval (3s): " +
				"a delayed ping would stop the bot; write 9s or more, or a shorter ping_interval",
		}},
		{name: "a public listener and a fleet without a key", args: []string{"--listen", "0.0.0.0:8080"}, want: []string{
			at + ":2:3: fleets.helium.key: is missing, and 0.0.0.0:8080 can be reached from other machines; " +
				"write {env: NAME} or {file: path}, or listen on 127.0.0.1",
		}},
		{name: "a listener on every host", args: []string{"--listen", ":8080"}, want: []string{
			at + ":2:3: fleets.helium.key: is missing, and :8080 can be reached from other machines; " +
				"write {env: NAME} or {file: path}, or listen on 127.0.0.1",
		}},
		{name: "a cache that cannot be queued", file: "    cache: {max_bytes: 20MiB}", args: []string{"--set", "limits.queued_bytes=19MiB"}, want: []string{
			at + ":4:13: fleets.helium.cache.max_bytes: cache.max_bytes (20MiB) is more than limits.queued_bytes (19MiB): " +
				"it could not be sent; write at most that, or raise it",
		}},
		{name: "more from one address than in all", args: []string{"--set", "limits.connections=10"}, want: []string{
			"--set: limits.connections: limits.connections_per_address (4096) is more than limits.connections (10) in all; " +
				"write at most that, or raise it",
		}},
		{name: "a ping that cannot be answered", args: []string{"--set", "limits.ping_timeout=2s"}, want: []string{
			"--set: limits.ping_timeout: limits.ping_timeout (2s) is shorter than limits.ping_interval (3s): " +
				"slow clients would be lost; write 3s or more, or a shorter ping_interval",
		}},
		{name: "two fleets of one application", file: "    key: {env: KEY}\n  neon: {token: {env: TOKEN}}", want: []string{
			at + ":5:10: fleets.neon.token: is the same token as that of the fleet helium: two fleets would answer every command twice; " +
				"write one fleet for each Discord application",
		}},
		{name: "a key that is the token", file: "    key: {env: TOKEN}", want: []string{
			at + ":4:5: fleets.helium.key: is the same secret as the token; make another one up for the key",
		}},
		{
			name: "everything at once, in the order of writing", file: "    outdated: never\n    lease: 1s\n    standbys: -1\nlog: {level: loud}",
			environment: map[string]string{"URBAN_ROBOT_LOG_FORMAT": "xml"}, args: []string{"--set", "limits.strikes=0", "--listen", "x"},
			want: []string{
				at + `:4:15: fleets.helium.outdated: "never" does not fit; write coma or shutdown`,
				at + ":5:5: fleets.helium.lease: lease (1s) is shorter than 3 times limits.ping_interval (3s): " +
					"a delayed ping would stop the bot; write 9s or more, or a shorter ping_interval",
				at + `:6:15: fleets.helium.standbys: "-1" does not fit; write a whole number from 0 to 100`,
				at + `:7:14: log.level: "loud" does not fit; write trace, debug, info, warn or error`,
				`URBAN_ROBOT_LOG_FORMAT: log.format: "xml" does not fit; write auto, json or text`,
				`--set: limits.strikes: "0" does not fit; write a whole number from 1 to 1000000`,
				`--listen: listen: "x" is no address; write a host and a port, such as 127.0.0.1:8080, or 0.0.0.0:8080 for every host`,
			},
		},
	} {
		t.Run(tt.name, tt.check)
	}
}

func TestConfigRefusesWithoutAFile(t *testing.T) {
	clean(t)
	_, err := loadConfig()
	require.EqualError(t, err, "the configuration is refused, 1 problem:\n  fleets.default.token: "+
		"the environment variable DISCORD_TOKEN is not set; put the secret there, or name a configuration file with --config")

	_, err = loadConfig("--config", "nowhere.yaml")
	require.EqualError(t, err, "the configuration is refused, 1 problem:\n  nowhere.yaml: cannot be read: no such file or directory")

	require.NoError(t, os.WriteFile("large.yaml", bytes.Repeat([]byte("#\n"), maxConfigBytes), 0o600))
	_, err = loadConfig("--config", "large.yaml")
	require.EqualError(t, err, "the configuration is refused, 1 problem:\n  large.yaml: cannot be read: it has more than 1048576 bytes")
}

// An alias of aliases does not fill the memory.
func TestConfigRefusesALaughingBillion(t *testing.T) {
	clean(t)
	file := "a: &a [x, x, x, x, x, x, x, x, x, x]\n"
	for letter := 'b'; letter < 'k'; letter++ {
		before := string(letter - 1)
		file += string(letter) + ": &" + string(letter) + " [" + strings.TrimSuffix(strings.Repeat("*"+before+", ", 10), ", ") + "]\n"
	}
	write(t, configFile, file)

	_, err := loadConfig("--config", configFile)

	require.ErrorContains(t, err, "more than 20000 values; write fewer aliases")
}
