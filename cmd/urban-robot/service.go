package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"time"

	"github.com/gofrs/flock"
	"github.com/rs/zerolog"
	"golang.org/x/sync/errgroup"

	"github.com/urban-robot/urban-robot/actors"
	"github.com/urban-robot/urban-robot/actors/alert"
	"github.com/urban-robot/urban-robot/actors/fleet"
	"github.com/urban-robot/urban-robot/actors/store"
	"github.com/urban-robot/urban-robot/actors/store/sqlite"
	"github.com/urban-robot/urban-robot/deploy"
	"github.com/urban-robot/urban-robot/protocol/admin"
	"github.com/urban-robot/urban-robot/protocol/socketio"
	"github.com/urban-robot/urban-robot/protocol/webhook"
)

// lockWithin is how long a service waits for the one before it to end.
const lockWithin = 3 * time.Second

// closeWithin bounds the end of the service, from the first signal on.
const closeWithin = 10 * time.Second

// service is Urban Robot as serve and demo run it: one store, the actors with their drivers, the gateway, and the HTTP servers.
type service struct {
	config  config
	log     zerolog.Logger
	lock    *flock.Flock // nobody else runs with this state
	store   store.Store
	drivers []driver
	alerts  []*alert.Notifier
	system  *actors.System
	gateway *socketio.Gateway
	bots    endpoint
	admin   endpoint // its server is nil if there is no admin API
}

// endpoint is a server and where it listens.
type endpoint struct {
	server *http.Server
	socket net.Listener
}

// openService opens the store and the ports. Nothing runs yet; call run, which closes all of it.
func openService(ctx context.Context, c config, log zerolog.Logger) (_ *service, err error) {
	s := &service{config: c, log: log}
	defer func() {
		if err != nil {
			err = errors.Join(err, s.close())
		}
	}()
	if s.lock, err = lockState(ctx, c.State); err != nil {
		return nil, err
	}
	if s.store, err = sqlite.Open(ctx, c.State); err != nil {
		return nil, err
	}
	if s.bots.socket, err = (&net.ListenConfig{}).Listen(ctx, "tcp", c.Listen); err != nil {
		return nil, fmt.Errorf("listen: %w", err)
	}
	if s.system, err = s.openSystem(); err != nil {
		return nil, err
	}
	if s.gateway, err = socketio.New(gatewayConfig(c, s.system, log)); err != nil {
		return nil, err
	}
	routes, err := s.routes()
	if err != nil {
		return nil, err
	}
	s.bots.server = socketio.NewServer(routes, log)
	return s, s.openAdmin(ctx)
}

// openSystem makes the actors, with each fleet's driver and alerts.
func (s *service) openSystem() (*actors.System, error) {
	ac := actorsConfig(s.config, s.store, s.log)
	for i, f := range s.config.Fleets {
		exited := func(e deploy.Exit) { s.system.ProcessExited(f.Name, e) }
		made, err := openDriver(f, s.log, exited)
		if err != nil {
			return nil, err
		}
		told, err := openAlerts(f, s.log)
		if err != nil {
			return nil, err
		}
		if made != nil {
			s.drivers = append(s.drivers, made)
			ac.Fleets[i].Driver = made
		}
		if told != nil {
			s.alerts = append(s.alerts, told)
		}
		ac.Fleets[i].Alert = teller(f.Name, told)
		ac.Fleets[i].URL, ac.Fleets[i].Poll = s.url(), f.Deploy.Poll
	}
	return actors.New(ac)
}

// openAdmin makes the admin API, if there is to be one.
func (s *service) openAdmin(ctx context.Context) (err error) {
	if !s.config.Admin.served() {
		return nil
	}
	operations := actors.Operations{System: s.system}
	s.admin.server, err = admin.NewServer(admin.Config{
		Fleets: operations, Trail: operations, Token: s.config.Admin.Token.Token, Ready: s.system.Ready,
		Log: s.log.With().Str("component", "admin").Logger(),
	})
	if err != nil {
		return err
	}
	if s.admin.socket, err = (&net.ListenConfig{}).Listen(ctx, "tcp", s.config.Admin.Listen); err != nil {
		return fmt.Errorf("listen for the admin API: %w", err)
	}
	return nil
}

// routes mounts all that is served on the port for bots.
func (s *service) routes() (http.Handler, error) {
	hooks, err := openHooks(s.config, actors.Operations{System: s.system}, s.log)
	if err != nil {
		return nil, err
	}
	mux := http.NewServeMux()
	mux.Handle(socketio.Path, s.gateway.Handler())
	mux.Handle(webhook.Pattern, hooks)
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "ok") })
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, _ *http.Request) {
		if err := s.system.Ready(); err != nil {
			http.Error(w, err.Error(), http.StatusServiceUnavailable)
			return
		}
		fmt.Fprintln(w, "ok")
	})
	return mux, nil
}

// url is where bots on this machine connect to.
func (s *service) url() string { return reachable(s.bots.socket.Addr()) }

// run serves until the context ends. Clients are told nothing: the actors stop first, so that a closing connection is not
// taken for a loss, then the connections close in a way that makes every client come back by itself. The processes that
// drivers started go on.
func (s *service) run(ctx context.Context) error {
	group, ctx := errgroup.WithContext(ctx)
	stopped := make(chan struct{})
	after, end := context.WithCancel(context.WithoutCancel(ctx))
	group.Go(func() error {
		defer close(stopped)
		return s.system.Run(ctx)
	})
	for _, d := range s.drivers {
		group.Go(func() error { return d.Run(after) })
	}
	for _, n := range s.alerts {
		group.Go(func() error {
			n.Run(after)
			return nil
		})
	}
	group.Go(func() error { return s.serve(ctx, s.bots, "bots") })
	group.Go(func() error { return s.serve(ctx, s.admin, "admin") })
	group.Go(func() error {
		<-ctx.Done()
		defer end()
		within, cancel := context.WithTimeout(context.WithoutCancel(ctx), closeWithin)
		defer cancel()
		select {
		case <-stopped:
		case <-within.Done():
		}
		return errors.Join(s.gateway.Shutdown(within), s.bots.close(), s.admin.close())
	})
	err := errors.Join(group.Wait(), s.store.Close(), s.lock.Close())
	s.log.Info().AnErr("err", err).Msg("stopped")
	return err
}

// serve serves an endpoint, if there is one, once the actors run.
func (s *service) serve(ctx context.Context, e endpoint, what string) error {
	if e.server == nil {
		return nil
	}
	select {
	case <-s.system.Started():
	case <-ctx.Done():
		return nil
	}
	s.log.Info().Str("listen", e.socket.Addr().String()).Str("to", what).Int("fleets", len(s.config.Fleets)).Msg("serving")
	if err := e.server.Serve(e.socket); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("serve %s: %w", what, err)
	}
	return nil
}

// close ends what openService opened, where run will not.
func (s *service) close() error {
	err := errors.Join(s.bots.close(), s.admin.close())
	if s.store != nil {
		err = errors.Join(err, s.store.Close())
	}
	if s.lock != nil {
		err = errors.Join(err, s.lock.Close())
	}
	return err
}

// lockState makes sure that this is the only service with its state: a second one would take the fleets from the first. It waits for
// one that is about to end.
func lockState(ctx context.Context, state string) (*flock.Flock, error) {
	within, cancel := context.WithTimeout(ctx, lockWithin)
	defer cancel()
	lock := flock.New(state+".lock", flock.SetPermissions(0o600))
	locked, err := lock.TryLockContext(within, 50*time.Millisecond)
	switch {
	case locked:
		return lock, nil
	case ctx.Err() == nil && within.Err() != nil:
		return nil, fmt.Errorf("another Urban Robot runs with the state %s: stop it, or give this one a state of its own", state)
	}
	return nil, fmt.Errorf("lock the state %s: %w", state, err)
}

func (e endpoint) close() error {
	var err error
	if e.server != nil {
		err = e.server.Close()
	}
	if e.socket != nil {
		if closed := e.socket.Close(); !errors.Is(closed, net.ErrClosed) {
			err = errors.Join(err, closed)
		}
	}
	return err
}

// actorsConfig translates the configuration for package actors.
func actorsConfig(c config, st store.Store, log zerolog.Logger) actors.Config {
	out := actors.Config{Store: st, Log: log, Strikes: c.Limits.Strikes}
	for _, f := range c.Fleets {
		out.Identify = max(out.Identify, f.Deadlines.Identify)
		out.Leave = max(out.Leave, f.Deadlines.Answer+f.Handover.Drain)
		out.Fleets = append(out.Fleets, actors.FleetConfig{
			Name: f.Name, Token: f.Token.Token, Key: f.Key.Token, CommandEvent: f.CommandEvent, Policy: policyOf(f),
		})
	}
	return out
}

func policyOf(f *fleetConfig) fleet.Policy {
	h := f.Health
	return fleet.Policy{
		Lease: f.Seat.Lease, LeaseMargin: f.Seat.Margin, Shards: f.Seat.Shards, Standbys: f.Seat.Standbys,
		Outdated: partingOf(f.Outdated), CacheBytes: int(f.CacheMax),
		Health: fleet.HealthPolicy{
			HealthyPercentage: h.HealthyPercentage, VitalCogs: h.VitalCogs, Timeout: h.Timeout, Interval: h.Interval, Failures: h.Failures,
			CandidateSuccesses: h.Successes, CandidateDeadline: h.CandidateDeadline, Bake: h.Bake,
		},
		Handover: fleet.HandoverPolicy{
			To: partingOf(f.Handover.To), Drain: f.Handover.Drain, CacheSync: f.Handover.CacheSync, Deadline: f.Handover.Deadline,
		},
		Login: fleet.LoginPolicy{
			Daily: f.Login.Daily, Reserve: f.Login.Reserve, Spacing: f.Login.Spacing, Concurrency: f.Login.Concurrency,
		},
		Rollout: fleet.RolloutPolicy{
			Driven: f.Deploy.driven(), SetupTimeout: max(f.Deploy.Git.SetupTimeout, f.Deploy.Commands.Timeout), Keep: f.Deploy.Keep,
			Reverts: f.Rollback.Max, RevertWindow: f.Rollback.Window, Restarts: f.Restart.Max, RestartWindow: f.Restart.Window,
			BackoffMin: f.Restart.BackoffMin, BackoffMax: f.Restart.BackoffMax,
		},
		Ready: f.Deadlines.Ready, Answer: f.Deadlines.Answer,
	}
}

func partingOf(text string) fleet.Parting {
	if text == toShutdown {
		return fleet.PartingShutdown
	}
	return fleet.PartingComa
}

// gatewayConfig translates the configuration for package socketio.
func gatewayConfig(c config, handler socketio.Handler, log zerolog.Logger) socketio.Config {
	out := socketio.Config{
		Handler: handler, Log: log.With().Str("component", "gateway").Logger(),
		PingInterval: c.Limits.PingEvery, PingTimeout: c.Limits.PingTimeout,
		MaxQueuedBytes: int(c.Limits.QueuedBytes), MaxConnections: c.Limits.Connections, MaxConnectionsPerAddress: c.Limits.PerAddress,
	}
	for _, f := range c.Fleets {
		out.MaxCacheBytes = max(out.MaxCacheBytes, int(f.CacheMax))
	}
	return out
}
