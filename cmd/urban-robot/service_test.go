package main

import (
	"context"
	"path/filepath"
	"testing"
	"time"

	"github.com/rs/zerolog"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/urban-robot/urban-robot/protocol"
)

// A second service would take the fleets from the first, and both would be the worse for it.
func TestOneServiceForOneState(t *testing.T) {
	c := defaultConfig()
	c.Listen, c.State = "127.0.0.1:0", filepath.Join(t.TempDir(), "state.db")
	c.fleet("helium").Token.Token = protocol.NewToken("a token")
	c.finish()
	first, err := openService(t.Context(), c, zerolog.Nop())
	require.NoError(t, err)
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- first.run(ctx) }()

	within, cancel := context.WithTimeout(t.Context(), 2*lockWithin)
	defer cancel()
	_, err = openService(within, c, zerolog.Nop())
	require.ErrorContains(t, err, "another Urban Robot runs with the state "+c.State)

	time.AfterFunc(lockWithin/10, stop)
	second, err := openService(t.Context(), c, zerolog.Nop())
	require.NoError(t, err, "it waits for one that is about to end")
	assert.NoError(t, <-ended)
	assert.NoError(t, second.close())
}
