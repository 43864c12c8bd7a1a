package urbanrobot

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"os"

	"github.com/urban-robot/urban-robot/protocol"
)

// ErrTokenRejected is for Login to return, wrapped or not, when Discord refuses the token (close code 4004).
var ErrTokenRejected = errors.New("token rejected by Discord")

// Options says who the bot is and what it can do. URL and Version are required. The functions are called one at a time, save
// for Health and Login, and must return when their context ends.
type Options struct {
	URL          string         // of Urban Robot, such as http://127.0.0.1:8080; http, https, ws and wss
	Version      string         // the release of this bot's code
	Fleet        string         // empty: the server's only fleet
	Key          protocol.Token // the fleet's secret; empty: none
	Launch       protocol.Token // the secret that the driver gave to this process; empty: none
	Instance     string         // a stable id of this process; empty: the server names it
	Shard        *Shard         // nil: not sharded
	Capabilities []string       // nil: cache_chunks, and cache_request if there is a Cache
	Logger       *slog.Logger   // nil: silent

	// Login logs in to Discord and returns when it has sent READY. It is called once, at the first hello. An error ends Run.
	Login func(ctx context.Context, token protocol.Token) error
	// Validate says whether Discord is still connected, before the bot takes over. nil: it is taken to be.
	Validate func(ctx context.Context) error
	// Health answers a health check; the context ends at its deadline. nil: {"ok":true}.
	Health func(ctx context.Context, phase protocol.Phase) protocol.HealthReport
	// OnActive is called when the bot begins to process, before kept events are replayed.
	OnActive func(a Activation)
	// OnComa is called when the bot has stopped processing, for good or for a while.
	OnComa func(reason protocol.Reason)
	// OnShutdown logs out of Discord, or ends a login that is under way. It is the last call; Run returns after it.
	OnShutdown func(reason protocol.Reason)
	// Cache returns the author's own state, to be handed on: JSON text, or else bytes. nil: there is none.
	Cache func() []byte
	// OnCache takes the state of the client before.
	OnCache func(cache []byte)
}

// Shard says which shard of how many this process is.
type Shard struct{ ID, Total int }

// Activation says under which grant the bot begins to process.
type Activation struct {
	Epoch   uint64
	Handled []string // ids of Discord events which the client before has handled
	Replay  bool     // the events kept by Handle are now processed, save for the handled ones
}

func (o Options) withDefaults() Options {
	if o.Capabilities == nil {
		o.Capabilities = []string{protocol.CapabilityCacheChunks}
		if o.Cache != nil {
			o.Capabilities = append(o.Capabilities, protocol.CapabilityCacheRequest)
		}
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Login == nil {
		o.Login = func(context.Context, protocol.Token) error { return nil }
	}
	if o.Validate == nil {
		o.Validate = func(context.Context) error { return nil }
	}
	if o.Health == nil {
		o.Health = func(context.Context, protocol.Phase) protocol.HealthReport {
			ok := true
			return protocol.HealthReport{OK: &ok}
		}
	}
	if o.OnActive == nil {
		o.OnActive = func(Activation) {}
	}
	if o.OnComa == nil {
		o.OnComa = func(protocol.Reason) {}
	}
	if o.OnShutdown == nil {
		o.OnShutdown = func(protocol.Reason) {}
	}
	if o.OnCache == nil {
		o.OnCache = func([]byte) {}
	}
	return o
}

func (o Options) validate() error {
	if _, err := endpoint(o.URL); err != nil {
		return fmt.Errorf("check URL: %w", err)
	}
	identify, _ := protocol.EncodeEvent(o.identify())
	if _, err := protocol.DecodeEvent(protocol.EventIdentify, identify, nil); err != nil {
		return fmt.Errorf("check options: %w", err)
	}
	return nil
}

// identify returns the part of identify that never changes.
func (o Options) identify() protocol.Identify {
	host, _ := os.Hostname() // without it the event says one thing less
	i := protocol.Identify{
		Version: o.Version, Fleet: o.Fleet, Key: o.Key, Launch: o.Launch, Instance: o.Instance,
		SDK: "go", PID: os.Getpid(), Host: host, Capabilities: o.Capabilities,
	}
	if o.Shard != nil {
		i.ShardID, i.NumShards = &o.Shard.ID, &o.Shard.Total
	}
	return i
}

// endpoint returns the address of the websocket.
func endpoint(text string) (string, error) {
	u, err := url.Parse(text)
	if err != nil {
		return "", errors.New("want a URL such as http://127.0.0.1:8080")
	}
	switch u.Scheme {
	case "http", "ws":
		u.Scheme = "ws"
	case "https", "wss":
		u.Scheme = "wss"
	default:
		return "", errors.New("want a URL that begins with http, https, ws or wss")
	}
	if u.Host == "" {
		return "", errors.New("want a URL with a host, such as http://127.0.0.1:8080")
	}
	if u.Path == "" || u.Path == "/" {
		u.Path = "/socket.io/"
	}
	u.RawQuery = "EIO=4&transport=websocket"
	return u.String(), nil
}
