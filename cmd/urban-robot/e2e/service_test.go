package e2e

import (
	"bytes"
	"fmt"
	"maps"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// The secrets of every service here. They may stand in its environment, and nowhere else.
const (
	token    = "MTE1MjkyMTUwNDYwNjg0Njk3Nw.e2e-token.do-not-print"
	key      = "e2e-key-do-not-print"
	wrongKey = "2e-key-do-not-print" // a part of the key, so that a search for it finds both
)

// settings are keys of the configuration with their values.
type settings map[string]string

// quick are deadlines that make a scenario short, and still leave a slow machine its time.
var quick = settings{
	"log.level":            "trace",
	"limits.ping_interval": "500ms",
	"lease":                "2s",
	"lease_margin":         "300ms",
	"health.interval":      "2s",
	"health.timeout":       "1900ms",
	"health.bake":          "2s",
	"handover.drain":       "500ms",
	"identify.spacing":     "0s",
}

// service is the program, serving.
type service struct {
	*transcript
	directory string
	arguments []string
	port      int
	debug     string // GODEBUG
	process   *exec.Cmd
	exited    chan error
}

// serve starts a service with one fleet and these settings on top of quick. When the test ends, it is stopped and searched for
// secrets.
func serve(t *testing.T, changes settings) *service {
	t.Helper()
	return serveFleets(t, program, changes, "helium")
}

// serveFleets is serve with several fleets, each with a token of its own.
func serveFleets(t *testing.T, binary string, changes settings, fleets ...string) *service {
	t.Helper()
	s := newService(t, binary, changes, fleets...)
	s.start(t)
	return s
}

func newService(t *testing.T, binary string, changes settings, fleets ...string) *service {
	t.Helper()
	all := maps.Clone(quick)
	maps.Copy(all, changes)
	s := &service{transcript: newTranscript("the service"), directory: t.TempDir(), port: freePort(t)}
	s.arguments = []string{
		binary, "serve", "--log-format=json",
		"--state=sqlite:" + filepath.Join(s.directory, "state.db"), "--listen=127.0.0.1:" + strconv.Itoa(s.port),
	}
	for i, fleet := range fleets {
		s.arguments = append(s.arguments, "--set", "fleets."+fleet+".token.env=TOKEN_"+strconv.Itoa(i))
	}
	for _, name := range slices.Sorted(maps.Keys(all)) {
		if group, _, _ := strings.Cut(name, "."); group == "limits" || group == "log" {
			s.arguments = append(s.arguments, "--set", name+"="+all[name])
			continue
		}
		for _, fleet := range fleets {
			s.arguments = append(s.arguments, "--set", "fleets."+fleet+"."+name+"="+all[name])
		}
	}
	t.Cleanup(func() { s.finish(t) })
	return s
}

// ports are outside the range from which the kernel takes those of outgoing connections: a restarted service gets its own again.
var ports atomic.Int64

func freePort(t *testing.T) int {
	t.Helper()
	for range 1000 {
		port := 20_000 + (os.Getpid()*97+int(ports.Add(1)))%10_000
		socket, err := net.Listen("tcp", "127.0.0.1:"+strconv.Itoa(port))
		if err == nil {
			require.NoError(t, socket.Close())
			return port
		}
	}
	require.FailNow(t, "there is no free port")
	return 0
}

// start runs the program and returns when it serves.
func (s *service) start(t *testing.T) {
	t.Helper()
	from := len(s.all())
	s.process = exec.Command(s.arguments[0], s.arguments[1:]...)
	s.process.Env = append(os.Environ(), "TOKEN_0="+token, "TOKEN_1="+token+"-other", "KEY="+key, "GODEBUG="+s.debug)
	output, err := s.process.StderrPipe()
	require.NoError(t, err)
	s.process.Stdout = s.process.Stderr
	require.NoError(t, s.process.Start())
	s.exited = make(chan error, 1)
	go func(process *exec.Cmd, exited chan error) {
		s.follow(output)
		exited <- process.Wait()
	}(s.process, s.exited)
	s.add(func() { s.ended = false })
	s.wait(t, from, logged("serving"))
}

func (s *service) url() string { return "http://127.0.0.1:" + strconv.Itoa(s.port) }

// kill ends the process as a power cut does.
func (s *service) kill(t *testing.T) {
	t.Helper()
	require.NoError(t, s.process.Process.Kill())
	require.Error(t, <-s.exited, "it ended in good order before")
	s.process = nil
}

// stop asks the process to end, and wants it to do so in good order.
func (s *service) stop(t *testing.T) {
	t.Helper()
	require.NoError(t, s.process.Process.Signal(syscall.SIGTERM))
	assert.NoError(t, <-s.exited, "service ended with an error")
	s.process = nil
}

// finish stops the service, and looks for what must not be in its output or files.
func (s *service) finish(t *testing.T) {
	if s.process != nil {
		s.stop(t)
	}
	for _, bad := range []string{"DATA RACE", "panic", "goroutine "} {
		for _, l := range s.all() {
			assert.NotContains(t, l.Text, bad)
		}
	}
	s.findSecrets(t)
	if t.Failed() {
		s.dump(t, 200)
	}
}

// findSecrets searches the output and every file of the service.
func (s *service) findSecrets(t *testing.T) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(s.directory, "*"))
	require.NoError(t, err)
	require.NotEmpty(t, files, "the service has stored nothing")
	for _, secret := range []string{token, wrongKey} {
		for _, l := range s.all() {
			assert.NotContains(t, l.Text, secret, "the log has a secret")
		}
		for _, file := range files {
			content, err := os.ReadFile(file)
			require.NoError(t, err)
			assert.False(t, bytes.Contains(content, []byte(secret)), "%s has a secret", filepath.Base(file))
		}
	}
}

// sees waits for a line of the log, from its beginning.
func (s *service) sees(t *testing.T, want pattern) line {
	t.Helper()
	l, _ := s.wait(t, 0, want)
	return l
}

// logged is a line of the log with this message, and all of the fields that are given as name=value.
func logged(message string, with ...string) pattern {
	return pattern{
		name: fmt.Sprintf("the log line %q %v", message, with),
		is: func(l line) bool {
			values := map[string]string{
				"release": l.Release, "from": l.From, "to": l.To, "reason": l.Reason, "fleet": l.Fleet, "event": l.Event,
				"epoch": strconv.FormatUint(l.Epoch, 10),
			}
			for _, pair := range with {
				name, value, _ := strings.Cut(pair, "=")
				if values[name] != value {
					return false
				}
			}
			return l.Message == message
		},
	}
}
