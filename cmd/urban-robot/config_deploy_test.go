package main

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// driven is the shortest fleet with a driver: four lines, then the rest of its deploy.
const driven = "    deploy: {driver: git, repository: ./x, command: [x], "

func TestConfigRefusesWrongDeployTypes(t *testing.T) {
	const at = configFile + ":4:"
	for _, tt := range []refusedConfig{
		{name: "a range that goes down", file: "    restart: {backoff: 5m..1s}", want: []string{
			at + `24: fleets.helium.restart.backoff: "5m..1s" goes down; write the shorter one first, such as 1s..5m`,
		}},
		{name: "a range without units", file: "    restart: {backoff: 1..5}", want: []string{
			at + `24: fleets.helium.restart.backoff: "1" has no unit; write one, such as 1s or 1m`,
		}},
		{name: "half a range", file: "    restart: {backoff: 1s..}", want: []string{
			at + `24: fleets.helium.restart.backoff: "" is no duration; write a number with its unit, such as 500ms, 30s, 10m or 1h`,
		}},
		{name: "three durations", file: "    restart: {backoff: 1s..2s..3s}", want: []string{
			at + `24: fleets.helium.restart.backoff: "2s..3s" is no duration; write a number with its unit, such as 500ms, 30s, 10m or 1h`,
		}},
		{name: "no backoff", file: "    restart: {backoff: 0s}", want: []string{
			at + `24: fleets.helium.restart.backoff: "0s" is too short; write more than 0s`,
		}},
		{name: "no rollbacks", file: "    rollback: {max: 0}", want: []string{
			at + `21: fleets.helium.rollback.max: "0" does not fit; write a whole number from 1 to 1000`,
		}},
		{name: "too few releases kept", file: "    deploy: {keep: 4}", want: []string{
			at + `20: fleets.helium.deploy.keep: "4" does not fit; write a whole number from 5 to 100`,
		}},
		{name: "a driver that is none", file: "    deploy: {driver: svn}", want: []string{
			at + `22: fleets.helium.deploy.driver: "svn" does not fit; write none, git or command`,
		}},
		{name: "one value for a command", file: "    deploy: {driver: git, repository: x, command: python3 main.py}", want: []string{
			at + "51: fleets.helium.deploy.command: is one value; write a list such as [python3, main.py]",
		}},
		{name: "a command that begins with nothing", file: `    deploy: {driver: git, repository: x, command: ["", x]}`, want: []string{
			at + "51: fleets.helium.deploy.command: begins with nothing; write the program first, such as [python3, main.py]",
		}},
		{
			name: "JSON that is none", file: "    deploy: {driver: git, repository: x}",
			args: []string{"--set", "fleets.helium.deploy.command=[python3, main.py]"},
			want: []string{"--set: fleets.helium.deploy.command: begins like JSON and is no list of texts; " +
				`write one such as ["sh", "-c", "a, b"]`},
		},
		{name: "a variable with its value", file: driven + "environment: [A=b]}", want: []string{
			at + "71: fleets.helium.deploy.environment: its item 1 is not the name of a variable; " +
				"write names, never values, such as DATABASE_URL, or MUSIC_* for all that begin so",
		}},
		{name: "every variable", file: driven + `environment: ["*"]}`, want: []string{
			at + "71: fleets.helium.deploy.environment: its item 1 is not the name of a variable; " +
				"write names, never values, such as DATABASE_URL, or MUSIC_* for all that begin so",
		}},
		{name: "a variable twice", file: driven + "environment: [A, A]}", want: []string{
			at + "71: fleets.helium.deploy.environment: its item 2 stands there twice; write it once",
		}},
		{name: "an item of a list that is not there", file: driven + "environment: [A]}", args: []string{"--set", "fleets.helium.deploy.environment.2=B"}, want: []string{
			at + `71: fleets.helium.deploy.environment: has no item "2" to replace; write the whole list`,
		}},
		{name: "a provider that is none", file: driven + "webhook: {provider: svnhub}}", want: []string{
			at + `78: fleets.helium.deploy.webhook.provider: "svnhub" does not fit; write none, github, gitlab or gitea`,
		}},
		{name: "a filter of two lines", file: driven + `webhook: {provider: github, secret: {env: HOOK}, only: "a\nb"}}`, want: []string{
			at + "113: fleets.helium.deploy.webhook.only: is no short text; write one line of at most 1024 bytes",
		}},
		{name: "a home that nobody expands", file: driven + "dir: ~/bots}", want: []string{
			at + "63: fleets.helium.deploy.dir: begins with ~, which nobody expands here; write the whole path, such as /var/lib/urban-robot/helium",
		}},
		{name: "alerts that are no list", file: "    alerts: {url: {env: ALERT}}", want: []string{
			at + "13: fleets.helium.alerts: is a group of keys; write a list such as [{url: {env: HELIUM_ALERT_URL}}]",
		}},
		{name: "an alert that is an address", file: "    alerts: [x]", want: []string{
			at + "14: fleets.helium.alerts.0: is one value; write its keys below it: url, level",
		}},
		{name: "an alert with a slip", file: "    alerts: [{url: {env: ALERT}, levl: info}]", want: []string{
			at + "34: fleets.helium.alerts.0.levl: unknown key; did you mean level?",
		}},
		{name: "too many alerts", file: "    alerts: [" + strings.Repeat("{}, ", maxItems) + "{}]", want: []string{
			at + "13: fleets.helium.alerts: has 17 items; write at most 16",
		}},
		{name: "an alert beyond the end", file: "    alerts: [{url: {env: ALERT}}]", args: []string{"--set", "fleets.helium.alerts.2.level=info"}, want: []string{
			"--set: fleets.helium.alerts.2: is no place in the list; number its items 0, 1, 2 and so on, and leave none out",
		}},
		{name: "alerts that begin at 1", args: []string{"--set", "fleets.helium.alerts.1.url.env=ALERT"}, want: []string{
			"--set: fleets.helium.alerts.1: is no place in the list; number its items 0, 1, 2 and so on, and leave none out",
		}},
	} {
		t.Run(tt.name, tt.check)
	}
}

func TestConfigRefusesRepositories(t *testing.T) {
	const password = "holds a user or a password, which git would show in its output and its files; " +
		"write the address without it, and give git a credential helper, or write git@host:path with an SSH key"
	const behind = "has something behind ? or #, which may be a password; write the address alone, and give git a credential helper"
	const transport = "names a transport of its own, which may run anything; write an address such as https://example.org/helium.git"
	const none = "is no address of a repository; write one such as https://example.org/helium.git"
	for text, want := range map[string]string{
		"https://example.org/helium.git":            "",
		"https://example.org:8443/bots/helium":      "",
		"http://10.0.0.1/helium.git":                "",
		"ssh://git@example.org:22/helium.git":       "",
		"ssh://example.org/helium.git":              "",
		"git@example.org:bots/helium.git":           "",
		"example.org:helium.git":                    "",
		"git://example.org/helium.git":              "",
		"file:///srv/git/helium.git":                "",
		"/srv/git/helium.git":                       "",
		"./helium.git":                              "",
		"../@scope/helium":                          "",
		"helium":                                    "",
		"https://u:LEAKED@example.org/helium.git":   password,
		"https://LEAKED@example.org/helium.git":     password,
		"HTTPS://LEAKED@example.org/helium.git":     password,
		"https://u%3ALEAKED@example.org/helium.git": password,
		"https://:LEAKED@example.org/helium.git":    password,
		"https://u:LEA KED@example.org/helium.git":  none,
		"https://u:LEA%ZZKED@example.org/x":         password,
		"http://u:LEAKED@example.org/helium.git":    password,
		"git://u:LEAKED@example.org/helium.git":     password,
		"ssh://git:LEAKED@example.org/helium.git":   password,
		"u:LEAKED@example.org:helium.git":           password,
		"u/LEAKED@example.org:helium.git":           password,
		"https:u:LEAKED@example.org/helium.git":     password,
		strings.Repeat("LEAKED", 6) + "@host:x":     password,
		"https://example.org/helium?token=LEAKED":   behind,
		"https://example.org/helium#LEAKED":         behind,
		"ext::sh -c LEAKED":                         none,
		"ext::LEAKED":                               transport,
		"ftp://LEAKED.example.org/helium.git":       "has a scheme other than https, ssh, http, git and file; write an address such as https://example.org/helium.git",
		"--upload-pack=LEAKED":                      "begins like an option of git; write an address such as https://example.org/helium.git, or ./path",
		"~/helium.git":                              "begins with ~, which nobody expands here; write the whole path",
		"a\nb":                                      none,
	} {
		t.Run(text, func(t *testing.T) {
			var got string
			err := repository(&got).set(&node{shape: shapeScalar, text: text})
			if want == "" {
				require.NoError(t, err)
				assert.Equal(t, text, got)
				return
			}
			require.EqualError(t, err, want)
			assert.Empty(t, got)
		})
	}
}

func TestConfigRefusesBranches(t *testing.T) {
	for text, want := range map[string]bool{
		"main": true, "release/stable": true, "v1.2": true, "fix-#3": true, "käse": true,
		"": false, "-x": false, "a..b": false, "a b": false, "a~1": false, "a^": false, "a:b": false, "a?": false, "a*": false, "a[": false, `a\b`: false,
		"/a": false, "a/": false, "a//b": false, ".a": false, "a/.b": false, "a.": false, "a.lock": false, "a.lock/b": false, "@": false, "a@{1}": false,
		"refs/heads/main": false, "a\x7f": false, strings.Repeat("a", 201): false,
	} {
		got := "before"
		err := branch(&got).set(&node{shape: shapeScalar, text: text})
		if want {
			require.NoError(t, err, text)
			assert.Equal(t, text, got)
			continue
		}
		require.ErrorContains(t, err, "is not the name of a branch; write one such as main, without refs/heads/", text)
		assert.Equal(t, "before", got)
	}
}

func TestConfigRefusesDeployContradictions(t *testing.T) {
	const at = configFile + ":4:"
	const nothing = "means nothing to the driver none; write driver: git, or leave this out"
	for _, tt := range []refusedConfig{
		{name: "git without repository and command", file: "    deploy: {driver: git}", want: []string{
			at + "5: fleets.helium.deploy.command: is missing: what starts the bot; write a list such as [python3, main.py]",
			at + "5: fleets.helium.deploy.repository: is missing: where the code of the bot is; write one such as https://example.org/helium.git",
		}},
		{name: "a repository that nobody fetches", file: "    deploy: {repository: ./x}", want: []string{
			at + "14: fleets.helium.deploy.repository: " + nothing,
		}},
		{name: "a command that nobody runs", file: "    deploy: {driver: none, command: [x]}", want: []string{
			at + "28: fleets.helium.deploy.command: " + nothing,
		}},
		{name: "a setup that nobody runs", file: "    deploy: {setup: [x]}", want: []string{at + "14: fleets.helium.deploy.setup: " + nothing}},
		{name: "a poll of nothing", file: "    deploy: {poll: 1m}", want: []string{at + "14: fleets.helium.deploy.poll: " + nothing}},
		{name: "a webhook for nothing", file: "    deploy: {webhook: {provider: github, secret: {env: HOOK}}}", want: []string{
			at + "24: fleets.helium.deploy.webhook.provider: " + nothing,
		}},
		{name: "commands for git", file: driven + "stop: [x]}", want: []string{
			at + "58: fleets.helium.deploy.stop: means nothing to the driver git; write driver: command, or leave this out",
		}},
		{name: "a repository for commands", file: "    deploy: {driver: command, start: [x], stop: [x], repository: ./x}", want: []string{
			at + "54: fleets.helium.deploy.repository: means nothing to the driver command; write driver: git, or leave this out",
		}},
		{name: "commands that nobody runs", file: "    deploy: {start: [x], stop: [x]}", want: []string{
			at + "14: fleets.helium.deploy.start: means nothing to the driver none; write driver: command, or leave this out",
		}},
		{name: "no commands", file: "    deploy: {driver: command}", want: []string{
			at + "5: fleets.helium.deploy.start: is missing: what starts the bot; write a list such as [./start.sh]",
			at + "5: fleets.helium.deploy.stop: is missing: what ends the bot; write a list such as [./stop.sh]",
		}},
		{name: "a poll of commands that find nothing", file: "    deploy: {driver: command, start: [x], stop: [x], poll: 1m}", want: []string{
			at + "54: fleets.helium.deploy.poll: needs deploy.resolve, which says what there is to deploy; write one, or a webhook",
		}},
		{name: "a webhook without a secret", file: driven + "webhook: {provider: github}}", want: []string{
			at + "58: fleets.helium.deploy.webhook.secret: is missing: without it anybody could deploy; " +
				"write {env: NAME} or {file: path}, and give it to github too",
		}},
		{name: "a secret of no webhook", file: driven + "webhook: {secret: {env: HOOK}}}", want: []string{
			at + "58: fleets.helium.deploy.webhook.provider: is missing: whose webhook the secret is for; write github, gitlab or gitea",
		}},
		{name: "a filter of no webhook", file: driven + `webhook: {only: "[DEPLOY]"}}`, want: []string{
			at + "68: fleets.helium.deploy.webhook.only: means nothing without a webhook; write its provider and secret, or leave this out",
		}},
		{
			name: "a webhook's secret that can be guessed", file: driven + "webhook: {provider: gitea, secret: {env: SHORT}}}",
			environment: map[string]string{"SHORT": "fifteen-letters"},
			want: []string{at + "85: fleets.helium.deploy.webhook.secret: has less than 16 characters: from the environment variable SHORT; " +
				"put a longer one there, such as what openssl rand -hex 32 prints"},
		},
		{name: "a webhook's secret that the bots know", file: "    key: {env: KEY}\n" + driven + "webhook: {provider: gitea, secret: {env: KEY}}}", want: []string{
			configFile + ":5:85: fleets.helium.deploy.webhook.secret: is the same secret as fleets.helium.key; make another one up",
		}},
		{name: "a poll that is an attack", file: driven + "poll: 9s}", want: []string{
			at + "58: fleets.helium.deploy.poll: deploy.poll (9s) is too often for the host of the repository; write 10s or more, or 0s for never",
		}},
		{name: "a log without room", file: driven + "logs: {max_bytes: 63KiB}}", want: []string{
			at + "65: fleets.helium.deploy.logs.max_bytes: deploy.logs.max_bytes (63KiB) has no room for the end of a crash; write 64KiB or more",
		}},
		{name: "a file for a directory", file: driven + "dir: " + configFile + "}", want: []string{
			at + "58: fleets.helium.deploy.dir: urban-robot.yaml is not a directory; write the path of one, which need not exist",
		}},
		{
			name: "two drivers in one directory", file: driven + "dir: ./a}\n  neon: {token: {env: KEY}, deploy: {driver: git, repository: y, command: [y], dir: a/../a}}",
			want: []string{configFile + ":5:80: fleets.neon.deploy.dir: is also the directory of the fleet helium; write one for each"},
		},
		{name: "the token for the bots' environment", file: driven + "environment: [TOKEN]}", want: []string{
			at + "58: fleets.helium.deploy.environment: would hand the bots the variable TOKEN, which holds fleets.helium.token; " +
				"leave it out, or put that secret into another one",
		}},
		{
			name: "another fleet's key for the bots' environment", file: driven + "environment: [B, KEY*]}\n  neon: {token: {env: HOOK}, key: {env: KEY_2}}",
			environment: map[string]string{"KEY_2": "x"},
			want: []string{at + "58: fleets.helium.deploy.environment: would hand the bots the variable KEY_2, which holds fleets.neon.key; " +
				"leave it out, or put that secret into another one"},
		},
		{name: "our own variables for the bots' environment", file: driven + "environment: [URBAN_*]}", want: []string{
			at + "58: fleets.helium.deploy.environment: would hand the bots variables that begin with URBAN_ROBOT_, " +
				"which Urban Robot sets for them itself; leave them out",
		}},
		{name: "a limit of restarts that is never reached", file: "    restart: {backoff: 5m}", want: []string{
			at + "15: fleets.helium.restart.backoff: restart.max (5) is never reached in restart.window (10m): 5 restarts with " +
				"restart.backoff (5m) take 25m, and a bot that always crashes would be restarted for ever; " +
				"write a longer window, a smaller max or a shorter backoff",
		}},
		{name: "an alert without an address", file: "    alerts: [{level: info}]", want: []string{
			at + "14: fleets.helium.alerts.0.url: is missing: the address of a webhook; write {env: NAME} or {file: path}",
		}},
		{name: "an alert to no address", file: "    alerts: [{url: {env: KEY}}]", want: []string{
			at + "15: fleets.helium.alerts.0.url: is no address: from the environment variable KEY; put one there such as https://discord.com/api/webhooks/…",
		}},
		{name: "an alert that is told twice", file: "    alerts: [{url: {env: ALERT}}, {url: {env: ALERT}, level: info}]", want: []string{
			at + "36: fleets.helium.alerts.1.url: is the same address as that of alerts.0: everything would be told twice; write it once",
		}},
		{name: "a public admin API without a token", args: []string{"--admin-listen", "0.0.0.0:8081"}, want: []string{
			"--admin-listen: admin.token: is missing, and 0.0.0.0:8081 can be reached from other machines; " +
				"write {env: NAME} or {file: path}, or listen on 127.0.0.1",
		}},
		{name: "an admin token that bots know", args: []string{"--set", "admin.token.env=TOKEN"}, want: []string{
			"--set: admin.token: is the same secret as fleets.helium.token; make another one up",
		}},
		{name: "an admin token that can be guessed", environment: map[string]string{"SHORT": "x", "URBAN_ROBOT_ADMIN_TOKEN_ENV": "SHORT"}, want: []string{
			"URBAN_ROBOT_ADMIN_TOKEN_ENV: admin.token: has less than 16 characters: from the environment variable SHORT; " +
				"put a longer one there, such as what openssl rand -hex 32 prints",
		}},
		{name: "two listeners on one port", args: []string{"--set", "admin.token.env=HOOK", "--admin-listen", "127.0.0.1:8080"}, want: []string{
			"--admin-listen: admin.listen: admin.listen (127.0.0.1:8080) and listen (127.0.0.1:8080) want the same port; write two",
		}},
	} {
		t.Run(tt.name, tt.check)
	}
}

func TestConfigReadsCommands(t *testing.T) {
	clean(t)
	write(t, configFile, commandConfigFile)

	c, err := loadConfig("--config", configFile)

	require.NoError(t, err)
	want := defaultDeploy()
	want.Driver, want.Dir, want.Poll = "command", "urban-robot.d/helium", time.Hour
	want.Commands = commandsConfig{
		Start: []string{"systemctl", "--user", "start", "helium"}, Stop: []string{"./stop.sh"}, Status: []string{"./status.sh"},
		Prepare: []string{"./prepare.sh"}, Resolve: []string{"./resolve.sh"}, Collect: []string{"./collect.sh"}, Timeout: time.Minute,
	}
	assert.Equal(t, want, c.Fleets[0].Deploy)
}

func TestConfigDeployPrecedence(t *testing.T) {
	const file = "fleets:\n  helium:\n    token: {env: TOKEN}\n    deploy: {driver: git, repository: ./x, command: [a, b]}\n" +
		"    alerts: [{url: {env: ALERT}, level: info}]\n"
	command := func(f *fleetConfig) any { return f.Deploy.Git.Command }
	urls := func(f *fleetConfig) any {
		var all []string
		for _, a := range f.Alerts {
			all = append(all, a.Level+" "+a.URL.String())
		}
		return all
	}
	for _, tt := range []struct {
		name        string
		environment map[string]string
		args        []string
		get         func(*fleetConfig) any
		want        any
	}{
		{"a command in a variable", map[string]string{"URBAN_ROBOT_FLEETS_HELIUM_DEPLOY_COMMAND": "c, d,e"}, nil, command, []string{"c", "d", "e"}},
		{
			"a command as JSON",
			map[string]string{"URBAN_ROBOT_FLEETS_HELIUM_DEPLOY_COMMAND": "c"},
			[]string{"--set", `fleets.helium.deploy.command=["sh", "-c", "a, b", ""]`},
			command,
			[]string{"sh", "-c", "a, b", ""},
		},
		{"one argument", nil, []string{"--set", "fleets.helium.deploy.command.1=z"}, command, []string{"a", "z"}},
		{
			"a key deep down",
			map[string]string{"URBAN_ROBOT_FLEETS_HELIUM_DEPLOY_LOGS_MAX_BYTES": "2MiB"},
			nil, func(f *fleetConfig) any { return f.Deploy.LogBytes }, int64(2 << 20),
		},
		{
			"a range",
			map[string]string{"URBAN_ROBOT_FLEETS_HELIUM_RESTART_BACKOFF": "2s..3s"},
			nil, func(f *fleetConfig) any { return []time.Duration{f.Restart.BackoffMin, f.Restart.BackoffMax} },
			[]time.Duration{2 * time.Second, 3 * time.Second},
		},
		{
			"a webhook",
			map[string]string{"URBAN_ROBOT_FLEETS_HELIUM_DEPLOY_WEBHOOK_PROVIDER": "gitlab", "URBAN_ROBOT_FLEETS_HELIUM_DEPLOY_WEBHOOK_SECRET_ENV": "HOOK"},
			nil, func(f *fleetConfig) any {
				return f.Deploy.Webhook.Provider + " " + f.Deploy.Webhook.Secret.Token.Reveal()
			}, "gitlab " + aHook,
		},
		{
			"the level of an alert of the file",
			map[string]string{"URBAN_ROBOT_FLEETS_HELIUM_ALERTS_0_LEVEL": "error"},
			nil, urls,
			[]string{"error from the environment variable ALERT"},
		},
		{
			"one alert more",
			map[string]string{"URBAN_ROBOT_FLEETS_HELIUM_ALERTS_1_URL_FILE": "errors.url"},
			[]string{"--set", "fleets.helium.alerts.1.level=error"},
			urls,
			[]string{"info from the environment variable ALERT", "error from the file errors.url"},
		},
		{
			"an address of a higher layer replaces one of another kind", nil,
			[]string{"--set", "fleets.helium.alerts.0.url.file=errors.url"},
			urls,
			[]string{"info from the file errors.url"},
		},
		{"no alerts", nil, []string{"--set", "fleets.helium.alerts="}, urls, []string(nil)},
		{
			"alerts of flags alone, in any order", nil,
			[]string{
				"--set", "fleets.helium.alerts=", "--set", "fleets.neon.token.env=KEY", "--set", "fleets.neon.alerts.1.url.file=errors.url",
				"--set", "fleets.neon.alerts.0.url.env=ALERT",
			},
			func(f *fleetConfig) any { return len(f.Alerts) }, 0,
		},
		{
			"a variable of ours that an alert of the file names is let alone",
			map[string]string{"URBAN_ROBOT_ALERT": anAlert},
			[]string{"--set", "fleets.helium.alerts.0.url.env=URBAN_ROBOT_ALERT"},
			urls,
			[]string{"info from the environment variable URBAN_ROBOT_ALERT"},
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			clean(t)
			writeSecrets(t)
			write(t, configFile, file)
			for name, text := range tt.environment {
				t.Setenv(name, text)
			}

			c, err := loadConfig(append([]string{"--config", configFile}, tt.args...)...)

			require.NoError(t, err)
			assert.Equal(t, tt.want, tt.get(c.Fleets[0]))
		})
	}
}

func TestConfigAlertsFromTheEnvironmentAlone(t *testing.T) {
	clean(t)
	writeSecrets(t)
	t.Setenv("URBAN_ROBOT_MINE", anAlert)
	t.Setenv("URBAN_ROBOT_FLEETS_HELIUM_TOKEN_ENV", "TOKEN")
	t.Setenv("URBAN_ROBOT_FLEETS_HELIUM_ALERTS_1_URL_FILE", "errors.url")
	t.Setenv("URBAN_ROBOT_FLEETS_HELIUM_ALERTS_0_URL_ENV", "URBAN_ROBOT_MINE")

	c, err := loadConfig()

	require.NoError(t, err)
	require.Len(t, c.Fleets, 1)
	require.Len(t, c.Fleets[0].Alerts, 2)
	assert.Equal(t, anAlert, c.Fleets[0].Alerts[0].URL.Token.Reveal())
	assert.Equal(t, anAlert+"-errors", c.Fleets[0].Alerts[1].URL.Token.Reveal())
}

func TestConfigKeepsAFleetsFilesBesideTheState(t *testing.T) {
	clean(t)
	write(t, configFile, "fleets:\n  a:\n    token: {env: TOKEN}\n"+driven+"}\n  b: {token: {env: KEY}}")

	c, err := loadConfig("--config", configFile, "--state", "sqlite:../"+"state.db")

	require.NoError(t, err)
	assert.Equal(t, "../urban-robot.d/a", c.Fleets[0].Deploy.Dir)
	assert.Empty(t, c.Fleets[1].Deploy.Dir)
}

func TestConfigListenersThatAreInEachOthersWay(t *testing.T) {
	for _, tt := range []struct {
		a, b string
		want bool
	}{
		{"127.0.0.1:1", "127.0.0.1:1", true},
		{"127.0.0.1:1", "127.0.0.1:2", false},
		{"127.0.0.1:1", "127.0.0.2:1", false},
		{"0.0.0.0:1", "127.0.0.1:1", true},
		{"127.0.0.1:1", ":1", true},
		{"127.0.0.1:0", "127.0.0.1:0", false},
		{"x", "x", false},
	} {
		assert.Equal(t, tt.want, sameSocket(tt.a, tt.b), "%s and %s", tt.a, tt.b)
	}
}

func TestShowListIsReadAgain(t *testing.T) {
	for _, items := range [][]string{{}, {"a"}, {"a", "b"}, {"a, b"}, {""}, {"", ""}, {"a", ""}, {" a"}, {"[x]"}, {`"`}} {
		got := []string{"before"}
		v := listOf(&got, "", func([]string) error { return nil })
		require.NoError(t, v.set(&node{shape: shapeScalar, text: showList(items)}))
		assert.Equal(t, items, got)
	}
}

// No secret of a deploy is in any output: not where it is used rightly, and not where it was put by mistake.
func TestNoOutputHoldsASecretOfADeploy(t *testing.T) {
	const leaked = "LEAKED"
	const hook, alert, admin = "a-LEAKED-secret-of-a-webhook", "https://discord.example/api/webhooks/LEAKED/x", "a-LEAKED-token-of-the-api"
	const begin = "admin: {token: {env: ADMIN_SECRET}}\nfleets:\n  helium:\n    token: {env: TOKEN}\n" + driven
	const good = begin + "webhook: {provider: github, secret: {env: HOOK_SECRET}}}\n    alerts: [{url: {env: ALERT_URL}}]"
	for _, tt := range []struct {
		name        string
		file        string
		environment map[string]string
		args        []string
	}{
		{name: "rightly named", file: good},
		{name: "rightly named, refused for something else", file: good + "\nlog: {level: x}"},
		{name: "written for a webhook", file: begin + "webhook: {provider: github, secret: " + hook + "}}"},
		{name: "written for an alert", file: begin + "}\n    alerts: [{url: " + `"` + alert + `"` + "}]"},
		{name: "written for the alerts", file: begin + "}\n    alerts: " + `"` + alert + `"`},
		{name: "written for the alerts, in a list", file: begin + "}\n    alerts: [" + `"` + alert + `"]`},
		{name: "written for the admin API", file: "admin: {token: " + admin + "}\n" + good},
		{name: "written for the admin API, for all of it", file: "fleets: {}\nadmin: " + admin},
		{name: "by a flag for an alert", file: good, args: []string{"--set", "fleets.helium.alerts.0.url=" + alert}},
		{name: "by a flag for the alerts", file: good, args: []string{"--set", "fleets.helium.alerts=" + alert}},
		{name: "by a flag for a new alert", file: good, args: []string{"--set", "fleets.helium.alerts.1=" + alert}},
		{name: "by a flag as a place", file: good, args: []string{"--set", "fleets.helium.alerts." + hook + ".level=info"}},
		{name: "in a variable for an alert", file: good, environment: map[string]string{"URBAN_ROBOT_FLEETS_HELIUM_ALERTS_0_URL": alert}},
		{name: "in a variable for the alerts", file: good, environment: map[string]string{"URBAN_ROBOT_FLEETS_HELIUM_ALERTS": alert}},
		{name: "in a variable for a webhook", file: good, environment: map[string]string{"URBAN_ROBOT_FLEETS_HELIUM_DEPLOY_WEBHOOK_SECRET": hook}},
		{name: "in a variable for the admin API", file: good, environment: map[string]string{"URBAN_ROBOT_ADMIN_TOKEN": admin}},
		{name: "for an address", file: good, args: []string{"--admin-listen", admin}},
		{name: "in a repository", file: good, args: []string{"--set", "fleets.helium.deploy.repository=https://u:" + hook + "@example.org/x"}},
		{name: "in a repository, as a user", file: good, args: []string{"--set", "fleets.helium.deploy.repository=https://" + hook + "@example.org/x"}},
		{name: "in a repository, in the file", file: strings.Replace(good, "./x", "ssh://u:"+hook+"@example.org/x", 1)},
		{name: "in a repository of driver none", file: "fleets: {a: {token: {env: TOKEN}, deploy: {repository: \"https://u:" + hook + "@x/x\"}}}"},
		{name: "for a branch", file: good, args: []string{"--set", "fleets.helium.deploy.branch=" + hook + ":"}},
		{name: "for a variable to hand on", file: good, args: []string{"--set", "fleets.helium.deploy.environment=A=" + hook}},
		{name: "for a driver", file: good, args: []string{"--set", "fleets.helium.deploy.driver=" + hook}},
		{name: "for a provider", file: good, args: []string{"--set", "fleets.helium.deploy.webhook.provider=" + hook}},
		{name: "for a range", file: good, args: []string{"--set", "fleets.helium.restart.backoff=1s.." + hook}},
		{name: "for a level", file: good, args: []string{"--set", "fleets.helium.alerts.0.level=" + hook}},
		{name: "for a place of an argument", file: good, args: []string{"--set", "fleets.helium.deploy.command." + hook + "=x"}},
		{name: "for a command that is no JSON", file: good, args: []string{"--set", "fleets.helium.deploy.command=[" + hook}},
		{name: "for a directory", file: good, args: []string{"--set", "fleets.helium.deploy.dir=~" + hook}},
		{name: "no address of an alert", file: good, environment: map[string]string{"ALERT_URL": hook}},
		{name: "half an address of an alert", file: good, environment: map[string]string{"ALERT_URL": "https://%zz" + hook}},
		{name: "the same secret everywhere", file: good, environment: map[string]string{"HOOK_SECRET": admin}},
		{name: "a short one", file: good, environment: map[string]string{"HOOK_SECRET": leaked, "ADMIN_SECRET": leaked}},
	} {
		for _, format := range []string{"text", "json"} {
			t.Run(tt.name+", as "+format, func(t *testing.T) {
				clean(t)
				t.Setenv("HOOK_SECRET", hook)
				t.Setenv("ALERT_URL", alert)
				t.Setenv("ADMIN_SECRET", admin)
				write(t, configFile, tt.file)
				for name, text := range tt.environment {
					t.Setenv(name, text)
				}
				var out bytes.Buffer

				run(append([]string{"check", "-o", format, "--config", configFile}, tt.args...), &out, &out)

				assert.NotEmpty(t, out.String())
				assert.NotContains(t, out.String(), leaked)
			})
		}
	}
}
