package main

import (
	"bytes"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestConfigRefusesSecrets(t *testing.T) {
	const at = configFile + ":1:21: fleets.a.token: "
	const before = configFile + ":1:14: fleets.a.token: "
	for _, tt := range []struct {
		name  string
		token string
		want  string
	}{
		{"a secret in the file", aToken, at + "a secret is named, never written here; write {env: NAME} or {file: path}"},
		{"a list", "[x]", at + "a secret is named, never written here; write {env: NAME} or {file: path}"},
		{"nothing", "", configFile + ":1:20: fleets.a.token: a secret is named, never written here; write {env: NAME} or {file: path}"},
		{"an empty group", "{}", at + "names no secret; write {env: NAME} or {file: path}"},
		{"another key", "{value: x}", at + "has a key other than env and file; write {env: NAME} or {file: path}"},
		{"both", "{env: TOKEN, file: token}", at + "has both env and file; write one of them"},
		{"no name", `{env: ""}`, at + "its env is not a name; write {env: NAME} or {file: path}"},
		{"a list of names", "{file: [a]}", at + "its file is not a name; write {env: NAME} or {file: path}"},
		{"a secret for a name", "{env: " + aToken + "}", at + "its env is not the name of a variable; write {env: NAME} or {file: path}"},
		{"a variable that is not set", "{env: NONE}", before + "the environment variable NONE is not set; put the secret there"},
		{"a variable that is empty", "{env: EMPTY}", before + "is empty: from the environment variable EMPTY; put the secret there"},
		{
			"a variable with two lines", "{env: LINES}",
			before + "is not one line of printable characters: from the environment variable LINES; put nothing but the secret there",
		},
		{"a file that is not there", "{file: none}", before + "the file none cannot be read: no such file or directory"},
		{"a directory", "{file: .}", before + "the file . is no plain file; name one that holds nothing but the secret"},
		{"a file open to all", "{file: open}", before + "the file open is open to every user of this machine (mode 0644); chmod 600 it"},
		{"an empty file", "{file: empty}", before + "is empty: from the file empty; put the secret there"},
		{"a large file", "{file: large}", before + "the file large has more than 16384 bytes; name one that holds nothing but the secret"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			clean(t)
			t.Setenv("EMPTY", "")
			t.Setenv("LINES", "one\ntwo")
			write(t, "open", aToken)
			require.NoError(t, os.Chmod("open", 0o644))
			write(t, "empty", "\n")
			write(t, "large", strings.Repeat("x", maxSecretBytes+1))
			write(t, configFile, "fleets: {a: {token: "+tt.token+"}}")

			_, err := loadConfig("--config", configFile)

			refused := &configError{}
			require.ErrorAs(t, err, &refused)
			got := make([]string, 0, 1)
			for _, p := range refused.problems {
				got = append(got, p.String())
			}
			assert.Contains(t, got, tt.want)
		})
	}
}

// A secret is in no output: not where it is used rightly, and not where it was put by mistake.
func TestNoOutputHoldsASecret(t *testing.T) {
	const leaked = "LEAKED"
	const token, key = "MTIzNDU2.LEAKED-token_of-discord.and-so-on-and-on", "a-LEAKED-key-of-a-fleet-and-so-on"
	const good = "fleets: {helium: {token: {env: TOKEN}, key: {file: key}}}"
	for _, tt := range []struct {
		name        string
		file        string
		environment map[string]string
		args        []string
	}{
		{name: "rightly named", file: good},
		{name: "rightly named, refused for something else", file: good + "\nlog: {level: x}"},
		{name: "by a flag", file: good, args: []string{"--set", "fleets.helium.token=" + token}},
		{name: "by a flag without a path", file: good, args: []string{"--set", token}},
		{name: "as the name of a variable", file: good, args: []string{"--set", "fleets.helium.token.env=" + token}},
		{name: "as an argument", file: good, args: []string{token}},
		{name: "as a flag of its own", file: good, args: []string{"--token", token}},
		{name: "as a flag of its own, in one", file: good, args: []string{"--token=" + token}},
		{name: "in a variable", file: good, environment: map[string]string{"URBAN_ROBOT_FLEETS_HELIUM_TOKEN": token}},
		{name: "in an unknown variable", file: good, environment: map[string]string{"URBAN_ROBOT_TOKEN": token}},
		{name: "as a short flag", file: good, args: []string{"-" + token}},
		{name: "as an output", file: good, args: []string{"--output", token}},
		{name: "in the bots' variable", file: good, environment: map[string]string{"URBAN_ROBOT_KEY": key}},
		{name: "in the file", file: "fleets: {helium: {token: " + token + ", key: " + key + "}}"},
		{name: "in the file, quoted", file: `fleets: {helium: {token: "` + token + `"}}`},
		{name: "in the file, as a block", file: "fleets:\n  helium:\n    token: |\n      " + token + "\n"},
		{name: "in the file, as a list", file: "fleets: {helium: {token: [" + token + "]}}"},
		{name: "in the file, as a key", file: "fleets: {helium: {token: {" + token + "}}}"},
		{name: "in the file, under another key", file: "fleets: {helium: {token: {value: " + token + "}}}"},
		{name: "in the file, for the fleet", file: "fleets: {helium: " + token + "}"},
		{name: "in the file, for the fleets", file: "fleets: " + token},
		{name: "in the file, for everything", file: token},
		{name: "in the file, as the name of a fleet", file: "fleets: {" + token + ": {}}"},
		{name: "in the file, as an unknown key", file: "fleets: {helium: {" + token + ": x}}"},
		{name: "in the file, as the value of an unknown key", file: "fleets: {helium: {tokn: " + token + "}}"},
		{name: "in the file, for a duration", file: "fleets: {helium: {lease: " + token + "}}"},
		{name: "in the file, for a size", file: "fleets: {helium: {cache: {max_bytes: " + token + "}}}"},
		{name: "in the file, for a number", file: "fleets: {helium: {standbys: " + token + "}}"},
		{name: "in the file, for a word", file: "fleets: {helium: {outdated: " + token + "}}"},
		{name: "in the file, for an address", file: "listen: " + token},
		{name: "in the file, in a store's address", file: "state: postgres://user:" + token + "@host/db"},
		{name: "in the file, with another store", file: "state: mysql://user:" + token + "@host/db"},
		{name: "in the file, twice", file: "fleets: {helium: {token: " + token + ", token: " + token + "}}"},
		{name: "in the file, as an alias", file: "fleets: {helium: {token: *" + token + "}}"},
		{name: "in the file, as a tag", file: "fleets: {helium: {token: !" + token + " x}}"},
		{name: "in the file, merged", file: "fleets: {helium: {<<: " + token + "}}"},
		{name: "in no YAML: a second colon", file: "token: " + token + ": x"},
		{name: "in no YAML: an open quote", file: `token: "` + token},
		{name: "in no YAML: an open quote of the other kind", file: `token: '` + token},
		{name: "in no YAML: an open list", file: "token: [" + token},
		{name: "in no YAML: an open group", file: "token: {" + token},
		{name: "in no YAML: a reserved character", file: "token: @" + token},
		{name: "in no YAML: a tab", file: "fleets:\n\ttoken: " + token},
		{name: "in no YAML: a stray line", file: "fleets:\n  helium: {}\n" + token + "\n"},
		{name: "in no YAML: an escape", file: `token: "\q` + token + `"`},
		{name: "in no YAML: a directive", file: "%YAML " + token + "\n---\na: b"},
		{name: "in no YAML: a directive of another kind", file: "%" + token + "\n---\na: b"},
		{name: "in no YAML: a block's header", file: "token: |" + token + "\n  x"},
		{name: "in a file that is not open to us alone", file: "fleets: {helium: {token: {file: open}}}"},
		{name: "in a file of two lines", file: "fleets: {helium: {token: {file: two}}}"},
		{name: "in two fleets", file: "fleets: {helium: {token: {env: TOKEN}}, neon: {token: {env: TOKEN}}}"},
	} {
		for _, format := range []string{"text", "json"} {
			t.Run(tt.name+", as "+format, func(t *testing.T) {
				clean(t)
				t.Setenv("TOKEN", token)
				write(t, "key", key)
				write(t, "two", token+"\n"+token)
				write(t, "open", token)
				require.NoError(t, os.Chmod("open", 0o644))
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
