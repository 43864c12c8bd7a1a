package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"time"

	"github.com/rs/zerolog"
	"golang.org/x/sync/errgroup"

	"github.com/urban-robot/urban-robot/actors"
	"github.com/urban-robot/urban-robot/actors/fleet"
	"github.com/urban-robot/urban-robot/actors/store"
	"github.com/urban-robot/urban-robot/actors/store/sqlite"
	"github.com/urban-robot/urban-robot/protocol/socketio"
)

// closeWithin bounds the end of the service, from the first signal on.
const closeWithin = 10 * time.Second

// service is Urban Robot as serve and demo run it: one store, the actors, the gateway, one HTTP server.
type service struct {
	config  config
	log     zerolog.Logger
	store   store.Store
	system  *actors.System
	gateway *socketio.Gateway
	server  *http.Server
	socket  net.Listener
}

// openService opens the store and the port. Nothing runs yet; call run, which closes both.
func openService(ctx context.Context, c config, log zerolog.Logger) (_ *service, err error) {
	s := &service{config: c, log: log}
	defer func() {
		if err != nil && s.store != nil {
			err = errors.Join(err, s.store.Close())
		}
	}()
	if s.store, err = sqlite.Open(ctx, c.State); err != nil {
		return nil, err
	}
	if s.system, err = actors.New(actorsConfig(c, s.store, log)); err != nil {
		return nil, err
	}
	if s.gateway, err = socketio.New(gatewayConfig(c, s.system, log)); err != nil {
		return nil, err
	}
	s.server = socketio.NewServer(s.routes(), log)
	if s.socket, err = (&net.ListenConfig{}).Listen(ctx, "tcp", c.Listen); err != nil {
		return nil, fmt.Errorf("listen: %w", err)
	}
	return s, nil
}

// routes mounts all that is served on the port for bots.
func (s *service) routes() http.Handler {
	mux := http.NewServeMux()
	mux.Handle(socketio.Path, s.gateway.Handler())
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "ok") })
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, _ *http.Request) {
		if err := s.system.Ready(); err != nil {
			http.Error(w, err.Error(), http.StatusServiceUnavailable)
			return
		}
		fmt.Fprintln(w, "ok")
	})
	return mux
}

// url is where bots connect to.
func (s *service) url() string { return "http://" + s.socket.Addr().String() }

// run serves until the context ends. Clients are told nothing: the actors stop first, so that a closing connection is not
// taken for a loss, and then the connections close in a way that makes every client come back by itself.
func (s *service) run(ctx context.Context) error {
	group, ctx := errgroup.WithContext(ctx)
	stopped := make(chan struct{})
	group.Go(func() error {
		defer close(stopped)
		return s.system.Run(ctx)
	})
	group.Go(func() error {
		select {
		case <-s.system.Started():
		case <-ctx.Done():
			return s.socket.Close()
		}
		s.log.Info().Str("listen", s.socket.Addr().String()).Int("fleets", len(s.config.Fleets)).Msg("serving")
		if err := s.server.Serve(s.socket); !errors.Is(err, http.ErrServerClosed) {
			return fmt.Errorf("serve: %w", err)
		}
		return nil
	})
	group.Go(func() error {
		<-ctx.Done()
		within, cancel := context.WithTimeout(context.WithoutCancel(ctx), closeWithin)
		defer cancel()
		select {
		case <-stopped:
		case <-within.Done():
		}
		return errors.Join(s.gateway.Shutdown(within), s.server.Close())
	})
	err := errors.Join(group.Wait(), s.store.Close())
	s.log.Info().AnErr("err", err).Msg("stopped")
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
