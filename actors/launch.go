package actors

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"strconv"

	"github.com/urban-robot/urban-robot/actors/fleet"
	"github.com/urban-robot/urban-robot/deploy"
	"github.com/urban-robot/urban-robot/protocol"
)

// Names of the environment variables that a bot process is started with. SDKs read them.
const (
	envURL      = "URBAN_ROBOT_URL"
	envFleet    = "URBAN_ROBOT_FLEET"
	envInstance = "URBAN_ROBOT_INSTANCE"
	envVersion  = "URBAN_ROBOT_VERSION"
	envLaunch   = "URBAN_ROBOT_LAUNCH"
	envShard    = "URBAN_ROBOT_SHARD_ID"
	envShards   = "URBAN_ROBOT_NUM_SHARDS"
)

// launcher makes what the processes of a fleet are started with.
type launcher struct{ config FleetConfig }

// of returns what a process is started with. Its launch secret is good for its own instance and for nothing else.
func (l launcher) of(effect fleet.Launch) deploy.Launch {
	public := []string{
		envURL + "=" + l.config.URL,
		envFleet + "=" + l.config.Name,
		envInstance + "=" + effect.Instance,
		envVersion + "=" + string(effect.Release),
	}
	if shards := l.config.Policy.Shards; shards > 1 {
		public = append(public, envShard+"="+strconv.Itoa(effect.Seat), envShards+"="+strconv.Itoa(shards))
	}
	return deploy.Launch{
		Release: string(effect.Release), Instance: effect.Instance, Public: public,
		Environ: func() []string { return []string{envLaunch + "=" + l.secret(effect.Instance).Reveal()} },
	}
}

// secret derives an instance's launch secret from the bot token, so that it needs no storage and outlives a restart of the
// service. The token cannot be found from it.
func (l launcher) secret(instance string) protocol.Token {
	mac := hmac.New(sha256.New, []byte(l.config.Token.Reveal()))
	mac.Write([]byte("launch\x00" + l.config.Name + "\x00" + instance))
	return protocol.NewToken(base64.RawURLEncoding.EncodeToString(mac.Sum(nil)))
}

// knows reports whether this is the launch secret of that instance.
func (l launcher) knows(instance string, secret protocol.Token) bool {
	return instance != "" && l.secret(instance).Equal(secret)
}
