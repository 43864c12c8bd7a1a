package main

import (
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/urban-robot/urban-robot/protocol"
)

// config is a whole configuration, checked. serve makes the packages' own Configs of it.
type config struct {
	Source string         // the file it came from; empty: none
	Listen string         // host:port for bots, and deploy webhooks
	Admin  adminConfig    //
	State  string         // path of the SQLite file, as written
	Log    logConfig      //
	Limits limitsConfig   // of the gateway
	Fleets []*fleetConfig // at least one, sorted by name
}

// adminConfig says where the admin API is served.
type adminConfig struct {
	Listen string // host:port
	Token  secret // what its callers show; none: it is not served
}

// served reports whether there is an admin API.
func (a adminConfig) served() bool { return !a.Token.isZero() }

// logConfig says what is logged and how.
type logConfig struct {
	Level  string // trace, debug, info, warn, error
	Format string // auto, json, text; auto: text on a terminal, else json
}

// limitsConfig holds what one client or one address may cost.
type limitsConfig struct {
	Connections int           // in all
	PerAddress  int           // from one address
	Strikes     int           // bad events before a client is disconnected
	PingEvery   time.Duration // how often a client is pinged
	PingTimeout time.Duration // how long a pong may take
	QueuedBytes int64         // queued to one client; 0 became twice the largest cache, at least 32 MiB
}

// fleetConfig is one fleet: one Discord application.
type fleetConfig struct {
	Name         string
	Token        secret // Discord's
	Key          secret // what its bots show; none: only clients on this machine
	Seat         seatConfig
	Outdated     string // what becomes of an outdated client: coma or shutdown
	CommandEvent string // the event that carries commands: command or cmd
	CacheMax     int64  // bytes of one cache
	Health       healthConfig
	Handover     handoverConfig
	Login        loginConfig
	Deadlines    deadlinesConfig
	Restart      restartConfig
	Rollback     rollbackConfig
	Deploy       deployConfig
	Alerts       []*alertConfig // as written
}

// seatConfig says how the right to process commands is held.
type seatConfig struct {
	Lease    time.Duration // 0: a holder never stops by itself
	Margin   time.Duration // on top of the lease, before the seat goes to another
	Standbys int           // kept in coma
	Shards   int           // shard groups, each with a seat
}

// healthConfig says how clients are checked.
type healthConfig struct {
	HealthyPercentage float64
	VitalCogs         []string
	Timeout           time.Duration // for one answer
	Interval          time.Duration // between checks
	Failures          int           // in a row, until a running client has failed
	Successes         int           // in a row, until a candidate has passed
	CandidateDeadline time.Duration // for those
	Bake              time.Duration // from promotion to good
}

// handoverConfig says how a seat moves on purpose.
type handoverConfig struct {
	To        string        // what the old holder becomes: coma or shutdown
	Drain     time.Duration // to finish what it has begun
	CacheSync bool          // it sends its cache first
	Deadline  time.Duration // for its answer; then the swap is aborted
}

// loginConfig holds Discord's login limits.
type loginConfig struct {
	Daily       int           // logins in 24 hours
	Reserve     int           // of them, kept for the way back
	Spacing     time.Duration // between logins of one key
	Concurrency int           // Discord's max_concurrency
}

// deadlinesConfig holds what no client may keep waiting.
type deadlinesConfig struct {
	Identify time.Duration // from connected to identify
	Ready    time.Duration // from hello to ready
	Answer   time.Duration // from a command to its answer
}

// What becomes of a client that is no longer wanted.
const (
	toComa     = "coma"
	toShutdown = "shutdown"
)

// What a fleet is told where nobody says so.
const (
	defaultFleetName = "default" // the fleet of a service without a file
	defaultTokenEnv  = "DISCORD_TOKEN"
)

// defaultConfig has no fleets yet.
func defaultConfig() config {
	return config{
		Listen: "127.0.0.1:8080",
		Admin:  adminConfig{Listen: "127.0.0.1:8081"},
		State:  "./urban-robot.db",
		Log:    logConfig{Level: "info", Format: "auto"},
		Limits: limitsConfig{
			Connections: 16_384, PerAddress: 4096, Strikes: 10,
			PingEvery: 3 * time.Second, PingTimeout: time.Minute,
		},
	}
}

func defaultFleet(name string) *fleetConfig {
	return &fleetConfig{
		Name:         name,
		Seat:         seatConfig{Lease: 30 * time.Second, Margin: 2 * time.Second, Standbys: 1, Shards: 1},
		Outdated:     toComa,
		CommandEvent: protocol.EventCommand,
		CacheMax:     16 << 20,
		Health: healthConfig{
			HealthyPercentage: 100, Timeout: 10 * time.Second, Interval: time.Minute, Failures: 3,
			Successes: 1, CandidateDeadline: 3 * time.Minute, Bake: 10 * time.Minute,
		},
		Handover:  handoverConfig{To: toComa, Drain: time.Second, CacheSync: true, Deadline: 10 * time.Second},
		Login:     loginConfig{Daily: 1000, Reserve: 100, Spacing: 5 * time.Second, Concurrency: 1},
		Deadlines: deadlinesConfig{Identify: 10 * time.Second, Ready: 3 * time.Minute, Answer: 10 * time.Second},
		Restart:   restartConfig{Max: 5, Window: 10 * time.Minute, BackoffMin: time.Second, BackoffMax: 5 * time.Minute},
		Rollback:  rollbackConfig{Max: 3, Window: time.Hour},
		Deploy:    defaultDeploy(),
	}
}

// fleet returns the fleet of that name, and adds it with its defaults if there is none.
func (c *config) fleet(name string) *fleetConfig {
	for _, f := range c.Fleets {
		if f.Name == name {
			return f
		}
	}
	f := defaultFleet(name)
	c.Fleets = append(c.Fleets, f)
	return f
}

// finish sorts the fleets and fills in what follows from the rest.
func (c *config) finish() {
	slices.SortFunc(c.Fleets, func(a, b *fleetConfig) int { return strings.Compare(a.Name, b.Name) })
	for _, f := range c.Fleets {
		if f.Deploy.Dir == "" && f.Deploy.driven() {
			f.Deploy.Dir = filepath.Join(filepath.Dir(c.State), deployDirectory, f.Name)
		}
	}
	if c.Limits.QueuedBytes == 0 {
		c.Limits.QueuedBytes = 32 << 20
		for _, f := range c.Fleets {
			c.Limits.QueuedBytes = max(c.Limits.QueuedBytes, 2*f.CacheMax)
		}
	}
}
