package none_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/urban-robot/urban-robot/deploy"
	"github.com/urban-robot/urban-robot/deploy/deploytest"
	"github.com/urban-robot/urban-robot/deploy/driver/none"
)

func TestSuite(t *testing.T) {
	t.Parallel()
	deploytest.Run(t, func(*testing.T) deploytest.Kit {
		return deploytest.Kit{
			Driver: none.New(), Exits: new(deploytest.Exits), Observes: true,
			References: map[string]string{"1.2.3": "1.2.3", "main": "main", "sha256:00ff": "sha256:00ff"},
			Unknown:    []string{"a\nb", "a\x00", "\xff", strings.Repeat("a", 201)},
		}
	})
}

func TestNobodyKnowsWhatTheFleetFollows(t *testing.T) {
	t.Parallel()
	if r, err := none.New().Resolve(t.Context(), ""); !errors.Is(err, deploy.ErrNotSupported) {
		t.Errorf("Resolve() = %+v, %v, want %v", r, err, deploy.ErrNotSupported)
	}
}
