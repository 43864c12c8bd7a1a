package actors

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/urban-robot/urban-robot/actors/fleet"
	"github.com/urban-robot/urban-robot/protocol"
)

func launcherOf(token, name string) launcher {
	return launcher{FleetConfig{Name: name, Token: protocol.NewToken(token), URL: "http://127.0.0.1:8080", Policy: testPolicy()}}
}

func TestLaunchSecretIsGoodForItsInstanceAlone(t *testing.T) {
	l := launcherOf(theToken, theFleet)
	secret := l.secret("a-1")
	if !l.knows("a-1", secret) || !launcherOf(theToken, theFleet).knows("a-1", secret) {
		t.Error("a launch secret is not known again, want it to outlive a restart")
	}
	for name, wrong := range map[string]bool{
		"another instance":   l.knows("a-2", secret),
		"no instance":        l.knows("", l.secret("")),
		"another fleet":      launcherOf(theToken, "neon").knows("a-1", secret),
		"another token":      launcherOf("other", theFleet).knows("a-1", secret),
		"no secret":          l.knows("a-1", protocol.Token{}),
		"the token":          l.knows("a-1", protocol.NewToken(theToken)),
		"a shifted boundary": launcherOf(theToken, theFleet+"\x00a").knows("-1", secret),
	} {
		if wrong {
			t.Errorf("knows() = true for %s, want false", name)
		}
	}
}

func TestEnvironOfAProcess(t *testing.T) {
	l := launcherOf(theToken, theFleet)
	launch := l.of(fleet.Launch{Instance: "a-1", Release: "a", Seat: 1})
	want := []string{
		"URBAN_ROBOT_URL=http://127.0.0.1:8080", "URBAN_ROBOT_FLEET=helium", "URBAN_ROBOT_INSTANCE=a-1", "URBAN_ROBOT_VERSION=a",
	}
	if !slices.Equal(launch.Public, want) || launch.Release != "a" || launch.Instance != "a-1" {
		t.Errorf("Public = %q, want %q", launch.Public, want)
	}
	if got, want := launch.Environ(), []string{"URBAN_ROBOT_LAUNCH=" + l.secret("a-1").Reveal()}; !slices.Equal(got, want) {
		t.Errorf("Environ() = %q, want %q", got, want)
	}
	l.config.Policy.Shards = 2
	want = append(want, "URBAN_ROBOT_SHARD_ID=1", "URBAN_ROBOT_NUM_SHARDS=2")
	if got := l.of(fleet.Launch{Instance: "a-1", Release: "a", Seat: 1}).Public; !slices.Equal(got, want) {
		t.Errorf("Public = %q in a sharded fleet, want %q", got, want)
	}
}

// launched is an identify with a launch secret, and without the key.
func (c *crew) launched(of, shownBy string) func(*protocol.Identify) {
	secret := launcher{c.w.config.Fleets[0]}.secret(of)
	return func(e *protocol.Identify) { e.Key, e.Instance, e.Launch = protocol.Token{}, shownBy, secret }
}

func TestClientsWithALaunchSecret(t *testing.T) {
	inDriven(t, func(w *world, c *crew) {
		c.good()
		c.pushed("b", temper{sick: true})
		w.join("1.0.0", c.launched("a-2", "a-1")).saw("ack 1 unauthorized", "hello unauthorized", "close")
		w.join("1.0.0", c.launched("z-9", "z-9")).saw("ack 1 unauthorized", "hello unauthorized", "close") // nobody has started it
		w.join("1.0.0", c.launched("b-3", "b-3")).saw("ack 1 unauthorized", "hello unauthorized", "close") // it has retired
		own := w.join("9.9.9", c.launched("a-2", "a-2"))
		own.saw("ack 1 ok", "hello false 1")
		for _, client := range c.status().Clients {
			if client.Instance == "a-2" && client.Release != "a" {
				t.Errorf("the client of a-2 is %+v, want the release of its process", client)
			}
		}
		own.goes()
	})
}

func TestLaunchSecretOfAFleetWithoutADriver(t *testing.T) {
	inBubble(t, func(w *world) {
		w.start()
		c := crew{w: w}
		w.join("1.0.0", c.launched("a-1", "a-1")).saw("ack 1 unauthorized", "hello unauthorized", "close")
	})
}

func TestLaunchSecretsAreNeverShown(t *testing.T) {
	inDriven(t, func(w *world, c *crew) {
		failing := w.brittle()
		c.good()
		c.pushed("b", temper{crashes: true})
		failing.once(w)
		w.pass(10 * time.Second)
		events, err := c.operations().Events(w.t.Context(), theFleet, 0, 10_000)
		if err != nil {
			t.Errorf("Events() = %v, want nil", err)
		}
		shown := mustJSON(t, events) + mustJSON(t, c.status()) + strings.Join(c.alerts, "\n")
		for _, instance := range []string{"a-1", "a-2", "b-3"} {
			secret := launcher{w.config.Fleets[0]}.secret(instance).Reveal()
			w.logged(0, secret)
			if strings.Contains(shown, secret) || !slices.Contains(c.Environ(instance), envLaunch+"="+secret) {
				t.Errorf("the launch secret of %s is shown, or is not the one that it has", instance)
			}
		}
	})
}

func TestFleetThatIsDrivenNeedsADriver(t *testing.T) {
	w := newWorld(t)
	w.config.Store, w.config.Fleets[0].Policy = w.memory, drivenPolicy()
	if _, err := New(w.config); err == nil || !strings.Contains(err.Error(), theFleet) {
		t.Errorf("New() = %v, want an error that names the fleet", err)
	}
}
