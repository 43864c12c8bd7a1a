package main

import (
	"bytes"
	"context"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/urban-robot/urban-robot/protocol"
	"github.com/urban-robot/urban-robot/protocol/admin"
)

const adminToken = "the-LEAKED-token-of-the-operator"

// fakeFleets is a service with fleets of these names. The fleet that is acted on answers with outcome.
type fakeFleets struct {
	names   []string
	outcome admin.Outcome
	ended   admin.Stage // of generation 4
	who     *string
}

func (f fakeFleets) Names() []string { return f.names }

func (f fakeFleets) Status(_ context.Context, name string) (admin.Fleet, error) {
	at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	const commit = "0123456789abcdef0123456789abcdef01234567"
	switch name {
	case "krypton":
		return admin.Fleet{}, admin.ErrUnavailable
	case "neon":
		return admin.Fleet{Name: name, Running: []admin.Seat{{Seat: 0, Phase: admin.PhaseVacant}}, Logins: admin.Logins{Daily: 1000, Reserve: 100}}, nil
	}
	fleet := admin.Fleet{
		Name: name, Desired: &admin.Target{Release: commit, Generation: 4}, LastGood: "1.0.0", Halted: "3 reverts within 1h",
		Running: []admin.Seat{
			{Seat: 0, Phase: admin.PhaseHeld, Epoch: 7, Release: "1.0.0", Instance: "a1", Since: at},
			{Seat: 1, Phase: admin.PhaseLost, Epoch: 5, Release: "1.0.0", Instance: "b2", Since: at},
		},
		LastAttempt: &admin.LastAttempt{
			Release: "1.3.0", Generation: 3, Stage: admin.StageBad, Reason: "vital_cog_failure", Detail: "cogs.fun: \x1b[31mImportError\nline 2", At: at,
		},
		Clients: []admin.ClientStatus{
			{ID: "q0", Instance: "a1", Release: "1.0.0", State: "active", Verdict: "ok"},
			{ID: "q1", Instance: "c3", Release: commit, State: "ready", Seat: 1, Verdict: "degraded", Failing: []string{"cogs.fun"}, Detail: "no lavalink"},
			{ID: "q2", Instance: "d4", Release: "1.0.0", State: "connected"},
		},
		Processes: []admin.Process{{Instance: "a1", Release: "1.0.0", PID: 4242}, {Instance: "e5", Release: commit, Seat: 1}},
		Logins:    admin.Logins{Used: 12, Daily: 1000, Reserve: 100}, Standbys: admin.Standbys{Ready: 0, Wanted: 1},
	}
	if f.ended == "" {
		fleet.Attempt = &admin.Attempt{Release: commit, Generation: 4, Stage: admin.StageCandidate, Who: "maria@laptop (127.0.0.1)", At: at}
	} else {
		fleet.LastAttempt.Release, fleet.LastAttempt.Generation, fleet.LastAttempt.Stage = "1.4.0", 4, f.ended
	}
	return fleet, nil
}

func (f fakeFleets) Versions(context.Context, string) ([]admin.Version, error) {
	at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	return []admin.Version{
		{Release: "1.4.0", Generation: 4, State: admin.ReleaseUnproven, Stage: admin.StageCandidate, At: at},
		{Release: "1.3.0", Generation: 3, State: admin.ReleaseBad, Stage: admin.StageBad, Reason: "vital_cog_failure", Evidence: "cogs.fun: ImportError", At: at},
		{Release: "1.0.0", State: admin.ReleaseGood},
	}, nil
}

func (f fakeFleets) Deploy(_ context.Context, _, reference, who string) (admin.Outcome, error) {
	return f.answer(reference+" ", who)
}

func (f fakeFleets) Rollback(_ context.Context, _, release, who string) (admin.Outcome, error) {
	return f.answer("back to "+release+" ", who)
}

func (f fakeFleets) TryAgain(_ context.Context, _, who string) (admin.Outcome, error) {
	return f.answer("try again ", who)
}

func (f fakeFleets) Events(context.Context, string, uint64, int) ([]admin.Event, error) {
	return nil, nil
}

func (f fakeFleets) answer(text, who string) (admin.Outcome, error) {
	*f.who = who
	outcome := f.outcome
	outcome.Text = text + outcome.Text
	return outcome, nil
}

// serveAdmin serves the admin API and returns where.
func serveAdmin(t *testing.T, fleets fakeFleets) string {
	t.Helper()
	server, err := admin.NewServer(admin.Config{Fleets: fleets, Trail: fleets, Token: protocol.NewToken(adminToken)})
	require.NoError(t, err)
	s := httptest.NewServer(server.Handler)
	t.Cleanup(s.Close)
	return s.URL
}

func TestClientCommands(t *testing.T) {
	testdata, err := filepath.Abs("testdata")
	require.NoError(t, err)
	one, all := []string{"helium"}, []string{"helium", "krypton", "neon"}
	accepted := admin.Outcome{Result: admin.ResultAccepted, Text: "is under way", Release: "1.4.0", Generation: 4}
	unchanged := admin.Outcome{Result: admin.ResultUnchanged, Text: "is so already"}
	refused := admin.Outcome{Result: admin.ResultRefused, Text: "failed before; \x1b[2Jtry-again first"}
	for _, tt := range []struct {
		name    string
		fleets  []string
		outcome admin.Outcome
		ended   admin.Stage
		args    []string
		code    int
	}{
		{name: "status", fleets: one, args: []string{"status"}},
		{name: "status-of-all", fleets: all, args: []string{"status"}},
		{name: "status-of-one", fleets: all, args: []string{"status", "neon"}},
		{name: "status-unavailable", fleets: all, args: []string{"status", "krypton"}, code: exitFailed},
		{name: "status-unknown", fleets: all, args: []string{"status", "xenon"}, code: exitFailed},
		{name: "versions", fleets: one, args: []string{"versions", "helium"}},
		{name: "versions-unknown", fleets: one, args: []string{"versions", "xenon"}, code: exitFailed},
		{name: "deploy", fleets: one, outcome: accepted, args: []string{"deploy", "helium", "main"}},
		{name: "deploy-unchanged", fleets: one, outcome: unchanged, args: []string{"deploy", "helium", "main", "--wait"}},
		{name: "deploy-refused", fleets: one, outcome: refused, args: []string{"deploy", "helium", "main", "--wait"}, code: exitFailed},
		{name: "deploy-good", fleets: one, outcome: accepted, ended: admin.StageGood, args: []string{"deploy", "helium", "main", "--wait"}},
		{name: "deploy-bad", fleets: one, outcome: accepted, ended: admin.StageBad, args: []string{"deploy", "helium", "main", "--wait"}, code: exitFailed},
		{name: "deploy-invalid", fleets: one, args: []string{"deploy", "helium", "a\nb"}, code: exitFailed},
		{name: "deploy-unknown", fleets: one, args: []string{"deploy", "xenon", "main"}, code: exitFailed},
		{name: "rollback", fleets: one, outcome: accepted, args: []string{"rollback", "helium"}},
		{name: "rollback-to", fleets: one, outcome: accepted, args: []string{"rollback", "helium", "1.0.0"}},
		{name: "try-again", fleets: one, outcome: accepted, args: []string{"try-again", "helium"}},
	} {
		for _, format := range []string{"text", "json"} {
			t.Run(tt.name+" as "+format, func(t *testing.T) {
				clean(t)
				t.Setenv(clientTokenVariable, adminToken)
				who := ""
				url := serveAdmin(t, fakeFleets{names: tt.fleets, outcome: tt.outcome, ended: tt.ended, who: &who})
				var out bytes.Buffer

				code := run(append(tt.args, "--url", url, "-o", format), &out, &out)

				assert.Equal(t, tt.code, code)
				assert.NotContains(t, out.String(), "\x1b")
				golden(t, testdata, "admin-"+tt.name+"."+strings.Replace(format, "text", "txt", 1), out.String())
				if tt.outcome.Result != "" {
					assert.Contains(t, who, "@", "the audit trail says who did it")
				}
			})
		}
	}
}

// Each of these says what to do next, and no secret.
func TestClientCommandsThatCannotAsk(t *testing.T) {
	clean(t)
	who := ""
	url := serveAdmin(t, fakeFleets{names: []string{"helium"}, who: &who})
	bots := httptest.NewServer(http.NotFoundHandler())
	defer bots.Close()
	gone := httptest.NewServer(http.NotFoundHandler())
	gone.Close()
	write(t, "token", adminToken+"\n")
	write(t, "wrong", "another-LEAKED-token\n")
	write(t, "empty", "")
	write(t, "open", adminToken)
	require.NoError(t, os.Chmod("open", 0o644))
	for _, tt := range []struct {
		name        string
		args        []string
		environment map[string]string
		code        int
		want        string
	}{
		{"the service is down", []string{"--url", gone.URL, "--token-file", "token"}, nil, exitFailed, "no Urban Robot answers at " + gone.URL +
			" (connection refused): is `urban-robot serve` running, and is admin.listen right?"},
		{"the port is that of the bots", []string{"--url", bots.URL, "--token-file", "token"}, nil, exitFailed, "and not where bots connect?"},
		{"the token is wrong", []string{"--url", url, "--token-file", "wrong"}, nil, exitFailed, "the token is wrong; send the one that admin.token names; " +
			"name its file with --token-file, or put it into URBAN_ROBOT_ADMIN_TOKEN"},
		{"the wrong variable", []string{"--url", url}, map[string]string{clientTokenVariable: "another-LEAKED-token"}, exitFailed, "the token is wrong"},
		{"no token", []string{"--url", url}, nil, exitFailed, "there is no token: name its file with --token-file, or put it into URBAN_ROBOT_ADMIN_TOKEN"},
		{"no token file", []string{"--token-file", "none"}, nil, exitFailed, "the file none cannot be read: no such file or directory"},
		{"an empty token file", []string{"--token-file", "empty"}, nil, exitFailed, "is empty: from the file empty"},
		{"a token file open to all", []string{"--token-file", "open"}, nil, exitFailed, "is open to every user of this machine"},
		{"no URL", []string{"--url", "127.0.0.1:8081", "--token-file", "token"}, nil, exitFailed, "write one like http://127.0.0.1:8081"},
		{"a URL with a secret", []string{"--url", "http://me:LEAKED@x", "--token-file", "token"}, nil, exitFailed, "holds a secret"},
		{"the flag wins over the variable", []string{"--url", url, "--token-file", "token"}, map[string]string{
			clientURLVariable: gone.URL, clientTokenVariable: "another-LEAKED-token",
		}, exitOK, ""},
		{"variables alone", nil, map[string]string{clientURLVariable: url, clientTokenVariable: adminToken}, exitOK, ""},
		{"a token as a flag", []string{"--token=LEAKED"}, nil, exitUsage, "unknown flag: --token"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			for name, text := range tt.environment {
				t.Setenv(name, text)
			}
			for _, command := range [][]string{{"status"}, {"status", "helium"}, {"versions", "helium"}} {
				var out bytes.Buffer

				assert.Equal(t, tt.code, run(append(command, tt.args...), &out, &out))

				assert.Contains(t, out.String(), tt.want)
				assert.NotContains(t, out.String(), "LEAKED")
			}
			if tt.code == exitOK {
				return
			}
			for _, command := range [][]string{{"deploy", "helium", "main"}, {"rollback", "helium"}, {"try-again", "helium"}} {
				var out bytes.Buffer

				assert.Equal(t, tt.code, run(append(command, tt.args...), &out, &out))

				assert.Contains(t, out.String(), tt.want)
				assert.NotContains(t, out.String(), "LEAKED")
			}
		})
	}
	assert.Empty(t, who, "nothing was done")
}

func TestClientCommandsUsedWrongly(t *testing.T) {
	for _, tt := range []struct {
		args []string
		want string
	}{
		{[]string{"status", "a", "b"}, "status takes 1 argument: write urban-robot status [FLEET]"},
		{[]string{"versions"}, "FLEET is missing: write urban-robot versions FLEET"},
		{[]string{"deploy"}, "FLEET is missing: write urban-robot deploy FLEET RELEASE"},
		{[]string{"deploy", "helium"}, "RELEASE is missing: write urban-robot deploy FLEET RELEASE"},
		{[]string{"deploy", "helium", ""}, "RELEASE is empty"},
		{[]string{"deploy", "helium", "a", "b"}, "deploy takes 2 arguments"},
		{[]string{"rollback"}, "FLEET is missing: write urban-robot rollback FLEET [RELEASE]"},
		{[]string{"rollback", "helium", ""}, "RELEASE is empty"},
		{[]string{"try-again", "helium", "x"}, "try-again takes 1 argument"},
		{[]string{"try-again", "helium", "-o", "xml"}, "write text or json"},
	} {
		clean(t)
		var stdout, stderr bytes.Buffer
		assert.Equal(t, exitUsage, run(tt.args, &stdout, &stderr))
		assert.Contains(t, stderr.String(), tt.want)
		assert.Empty(t, stdout.String())
	}
}

func TestClientOutputThatCannotBeWrittenIsAFailure(t *testing.T) {
	clean(t)
	t.Setenv(clientTokenVariable, adminToken)
	who := ""
	t.Setenv(clientURLVariable, serveAdmin(t, fakeFleets{names: []string{"helium"}, outcome: admin.Outcome{Result: admin.ResultAccepted}, who: &who}))
	for _, command := range [][]string{{"status"}, {"status", "helium"}, {"versions", "helium"}, {"deploy", "helium", "x"}} {
		for _, format := range []string{"text", "json"} {
			var stderr bytes.Buffer
			assert.Equal(t, exitFailed, run(append(command, "-o", format), broken{}, &stderr))
			assert.Contains(t, stderr.String(), "broken pipe")
		}
	}
}

// The variables of these commands may stand in the service's environment.
func TestServiceLeavesTheClientsVariablesAlone(t *testing.T) {
	clean(t)
	t.Setenv(defaultTokenEnv, aToken)
	t.Setenv(clientURLVariable, "http://127.0.0.1:1")
	t.Setenv(clientTokenVariable, adminToken)
	_, err := loadConfig()
	assert.NoError(t, err)
}
