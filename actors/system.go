package actors

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"sync/atomic"
	"time"

	"github.com/asynkron/protoactor-go/actor"
	"github.com/rs/zerolog"

	"github.com/urban-robot/urban-robot/actors/fleet"
	"github.com/urban-robot/urban-robot/actors/store"
	"github.com/urban-robot/urban-robot/deploy"
	"github.com/urban-robot/urban-robot/protocol"
	"github.com/urban-robot/urban-robot/protocol/socketio"
)

// Config is what a System needs.
type Config struct {
	Fleets   []FleetConfig
	Store    store.Store
	Log      zerolog.Logger
	Identify time.Duration // from a connection to its identify; default 10 s
	Leave    time.Duration // from a shutdown, said or told, to the end of the connection; default 10 s
	Strikes  int           // rejected events until a client is disconnected; default 20
}

// FleetConfig is one fleet: one Discord application.
type FleetConfig struct {
	Name         string
	Token        protocol.Token // Discord's
	Key          protocol.Token // the clients'; empty: only clients of this machine may join
	Policy       fleet.Policy
	CommandEvent string // name of the event that carries commands; default protocol.EventCommand

	Driver deploy.Driver     // nil: nobody starts processes, releases come as they are
	URL    string            // where the processes it starts find the gateway
	Poll   time.Duration     // between two looks at what the driver follows; 0: none
	Alert  func(fleet.Alert) // nil: nobody is told. It must not block: the fleet waits for it. Its panics are logged, and no more
}

func (c FleetConfig) commandEvent() string {
	if c.CommandEvent == "" {
		return protocol.EventCommand
	}
	return c.CommandEvent
}

func (c Config) withDefaults() Config {
	if c.Identify == 0 {
		c.Identify = 10 * time.Second
	}
	if c.Leave == 0 {
		c.Leave = 10 * time.Second
	}
	if c.Strikes == 0 {
		c.Strikes = 20
	}
	return c
}

func (c Config) validate() error {
	if len(c.Fleets) == 0 {
		return errors.New("actors: there is no fleet")
	}
	if c.Store == nil {
		return errors.New("actors: there is no store")
	}
	seen := map[string]bool{}
	for _, f := range c.Fleets {
		if f.Name == "" || seen[f.Name] {
			return fmt.Errorf("actors: fleet %q has no name of its own", f.Name)
		}
		seen[f.Name] = true
		if f.Policy.Shards < 1 || f.Policy.Login.Concurrency < 1 {
			return fmt.Errorf("actors: fleet %q has no shard or no login lane", f.Name)
		}
		if f.Policy.Rollout.Driven && f.Driver == nil {
			return fmt.Errorf("actors: fleet %q has no driver that starts its processes", f.Name)
		}
	}
	return nil
}

// System runs the actors of one node. It is the gateway's Handler.
type System struct {
	config  Config
	ready   map[string]*atomic.Bool // by fleet
	running atomic.Pointer[node]
	started chan struct{}
}

var _ socketio.Handler = (*System)(nil)

// node is what a running System sends to.
type node struct {
	root    *actor.RootContext
	clients *actor.PID
	fleets  localFleets
}

// New checks the configuration. It starts nothing.
func New(config Config) (*System, error) {
	config = config.withDefaults()
	if err := config.validate(); err != nil {
		return nil, err
	}
	s := &System{config: config, ready: map[string]*atomic.Bool{}, started: make(chan struct{})}
	for _, f := range config.Fleets {
		s.ready[f.Name] = &atomic.Bool{}
	}
	return s, nil
}

// Run runs the actors until the context ends, and returns when everything they began has ended. Clients are told nothing. It
// must be called once only.
func (s *System) Run(ctx context.Context) error {
	log := s.config.Log
	system := actor.NewActorSystem(actor.WithLoggerFactory(func(*actor.ActorSystem) *slog.Logger { return systemLog(log) }))
	defer system.Shutdown()
	out := newOutside(context.WithoutCancel(ctx), system.Root)
	n, err := s.start(out)
	if err == nil {
		s.running.Store(n)
		close(s.started)
		<-ctx.Done()
		s.running.Store(nil)
	}
	n.stop()
	out.end(storeTimeout)
	return err
}

// stop ends all actors, the supervisors first: that the clients go then is no news to them. One that is stuck is left behind:
// what it promised is stored.
func (n *node) stop() {
	var ends []actor.Future
	for _, supervisor := range n.fleets.supervisors {
		ends = append(ends, n.root.PoisonFuture(supervisor))
	}
	for _, end := range ends {
		_ = end.Wait()
	}
	if n.clients != nil {
		_ = n.root.PoisonFuture(n.clients).Wait()
	}
}

// Started is closed when the System takes connections.
func (s *System) Started() <-chan struct{} { return s.started }

// Ready returns nil if every fleet is loaded and its store works, else which is not.
func (s *System) Ready() error {
	for _, f := range s.config.Fleets {
		if !s.ready[f.Name].Load() {
			return fmt.Errorf("fleet %s is not loaded, or its state cannot be stored", f.Name)
		}
	}
	return nil
}

// Exited tells a fleet that the process of an instance has ended. Only who has seen it end may say so: the seat is given away at
// once.
func (s *System) Exited(name, instance string) {
	if n := s.running.Load(); n != nil {
		n.fleets.Tell(name, exited{instance: instance})
	}
}

// Opened implements socketio.Handler.
func (s *System) Opened(c socketio.Conn) {
	n := s.running.Load()
	if n == nil {
		c.Close(true)
		return
	}
	n.root.Send(n.clients, opened{conn: c})
}

// Received implements socketio.Handler.
func (s *System) Received(id string, in socketio.Inbound) {
	if n := s.running.Load(); n != nil {
		n.root.Send(n.clients, received{id: id, in: in})
	}
}

// Closed implements socketio.Handler.
func (s *System) Closed(id, reason string) {
	if n := s.running.Load(); n != nil {
		n.root.Send(n.clients, closed{id: id, reason: reason})
	}
}

// start starts the supervisors, and then the clients.
func (s *System) start(out *outside) (*node, error) {
	n := &node{root: out.root, fleets: localFleets{root: out.root, supervisors: map[string]*actor.PID{}}}
	for _, f := range s.config.Fleets {
		failures := &policy{}
		pid, err := n.root.Copy().WithGuardian(failures).SpawnNamed(s.supervisorProps(f, out, failures), "fleet/"+f.Name)
		if err != nil {
			return n, fmt.Errorf("start the supervisor of fleet %s: %w", f.Name, err)
		}
		n.fleets.supervisors[f.Name] = pid
	}
	always := actor.NewOneForOneStrategy(math.MaxInt, restartWindow, func(any) actor.Directive { return actor.RestartDirective })
	pid, err := n.root.Copy().WithGuardian(always).SpawnNamed(s.clientsProps(n), "clients")
	if err != nil {
		return n, fmt.Errorf("start the clients: %w", err)
	}
	n.clients = pid
	return n, nil
}

// The failure policy of all actors stands here.
//
// A supervisor restarts and reloads from the store. The fleet of one that fails more often than that is given up: it is not
// ready, its holders keep on within their lease, and one more incarnation of its supervisor does nothing but cut off who
// speaks to it, so that nobody waits for an answer from a dead mailbox. A client is stopped: a restart would give a fresh one with
// no memory of its connection, and the bot reconnects by itself. Their parent restarts, and all of them with it. A rollback actor that
// fails takes its supervisor with it: what was under way is read from the store and the driver again.
const (
	restarts      = 10
	restartWindow = 10 * time.Second
)

// policy is the failure policy of one supervisor.
type policy struct {
	lives   atomic.Uint64
	givenUp atomic.Bool
}

// HandleFailure implements actor.SupervisorStrategy.
func (p *policy) HandleFailure(_ *actor.ActorSystem, by actor.Supervisor, child *actor.PID, seen *actor.RestartStatistics, _, _ any) {
	seen.Fail()
	switch {
	case p.givenUp.Load():
		by.StopChildren(child)
	case seen.NumberOfFailures(restartWindow) > restarts:
		p.givenUp.Store(true)
		by.RestartChildren(child)
	default:
		by.RestartChildren(child)
	}
}

func (s *System) supervisorProps(f FleetConfig, out *outside, failures *policy) *actor.Props {
	log := s.config.Log.With().Str("component", "fleet").Str("fleet", f.Name).Logger()
	ready, errands := s.ready[f.Name], &driving{}
	return actor.PropsFromProducer(func() actor.Actor {
		a := &supervisor{
			config: f, store: s.config.Store, outside: out, ready: ready.Store, log: log, base: s.config.Log, life: failures.lives.Add(1),
			errands: errands, alarm: alarm{root: out.root}, again: alarm{root: out.root},
		}
		if failures.givenUp.Load() {
			a.phase = over
		}
		return watched{Actor: a, log: log}
	}, actor.WithSupervisor(actor.NewOneForOneStrategy(0, 0, func(any) actor.Directive { return actor.EscalateDirective })))
}

// launched reports whether a client shows the launch secret of its instance.
func (s *System) launched(name, instance string, secret protocol.Token) bool {
	for _, f := range s.config.Fleets {
		if f.Name == name {
			return f.Driver != nil && launcher{f}.knows(instance, secret)
		}
	}
	return false
}

func (s *System) clientsProps(n *node) *actor.Props {
	admission := fleet.Admission{
		Keys: map[string]protocol.Token{}, Identify: s.config.Identify, Leave: s.config.Leave, Strikes: s.config.Strikes,
		Launched: s.launched,
	}
	known := map[string]FleetConfig{}
	for _, f := range s.config.Fleets {
		admission.Keys[f.Name], known[f.Name] = f.Key, f
	}
	log := s.config.Log.With().Str("component", "client").Logger()
	props := func(conn socketio.Conn) *actor.Props {
		return actor.PropsFromProducer(func() actor.Actor {
			log := log.With().Str("client", conn.ID()).Logger()
			return watched{log: log, Actor: &client{
				conn: conn, id: fleet.ClientID(conn.ID()), fleets: n.fleets, known: known, admission: admission, log: log,
				alarm: alarm{root: n.root},
			}}
		})
	}
	stop := actor.NewOneForOneStrategy(0, 0, func(any) actor.Directive { return actor.StopDirective })
	return actor.PropsFromProducer(func() actor.Actor { return watched{Actor: newClients(log, props), log: log} }, actor.WithSupervisor(stop))
}
