package main

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/urban-robot/urban-robot/protocol/admin"
)

// looked is what one look at the fleet gives.
type looked struct {
	fleet admin.Fleet
	err   error
}

func underWay(generation uint64, stage admin.Stage) looked {
	return looked{fleet: admin.Fleet{Attempt: &admin.Attempt{Release: "1.4.0", Generation: generation, Stage: stage}}}
}

func over(generation uint64, stage admin.Stage) looked {
	return looked{fleet: admin.Fleet{LastAttempt: &admin.LastAttempt{Release: "1.4.0", Generation: generation, Stage: stage}}}
}

// follow waits for generation 4 and returns what was said. The last of the looks goes on for ever.
func follow(ctx context.Context, looks ...looked) (end admin.LastAttempt, said []string, err error) {
	w := waiter{
		status: func(ctx context.Context) (admin.Fleet, error) {
			now := looks[0]
			if len(looks) > 1 {
				looks = looks[1:]
			}
			return now.fleet, errors.Join(ctx.Err(), now.err)
		},
		say: func(line string) { said = append(said, line) }, generation: 4,
	}
	end, err = w.wait(ctx)
	return end, said, err
}

func TestWaitSaysEachStageOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		end, said, err := follow(t.Context(), underWay(3, admin.StageBaking), underWay(4, admin.StagePending), underWay(4, admin.StageCandidate),
			underWay(4, admin.StageCandidate), underWay(4, admin.StageBaking), over(4, admin.StageGood))
		require.NoError(t, err)
		assert.Equal(t, admin.StageGood, end.Stage)
		assert.Equal(t, []string{
			"    0s  the service knows nothing of this attempt; see urban-robot status (trying again)",
			"    1s  pending", "    1s  candidate", "    2s  baking",
		}, said)
	})
}

func TestWaitEndsHoweverTheAttemptEnds(t *testing.T) {
	for _, stage := range []admin.Stage{admin.StageGood, admin.StageBad, admin.StageInconclusive, admin.StageSuperseded, admin.StageAborted} {
		end, _, err := follow(t.Context(), over(4, stage))
		require.NoError(t, err)
		assert.Equal(t, stage, end.Stage)
	}
}

func TestWaitIsOverWhenANewerOneTookItsPlace(t *testing.T) {
	for _, newer := range []looked{underWay(5, admin.StagePending), over(5, admin.StageGood)} {
		end, _, err := follow(t.Context(), newer)
		require.NoError(t, err)
		assert.Equal(t, admin.LastAttempt{Generation: 4, Stage: admin.StageSuperseded, Detail: "by 1.4.0 (generation 5)"}, end)
	}
}

func TestWaitOutlivesARestartOfTheService(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		down, loading := looked{err: admin.ErrUnreachable}, looked{err: admin.ErrUnavailable}
		_, said, err := follow(t.Context(), underWay(4, admin.StageBaking), down, down, loading, underWay(4, admin.StageBaking), over(4, admin.StageGood))
		require.NoError(t, err)
		assert.Equal(t, []string{
			"    0s  baking", "    1s  no Urban Robot answers (trying again)", "    2s  not available now (trying again)", "    2s  baking",
		}, said)
	})
}

func TestWaitDoesNotWaitForEver(t *testing.T) {
	for want, look := range map[error]looked{
		admin.ErrUnreachable: {err: admin.ErrUnreachable}, errNoWord: over(3, admin.StageBad),
	} {
		synctest.Test(t, func(t *testing.T) {
			begun := time.Now()
			_, _, err := follow(t.Context(), look)
			require.ErrorIs(t, err, want)
			assert.Equal(t, waitPatience, time.Since(begun))
		})
	}
	_, _, err := follow(t.Context(), looked{err: admin.ErrUnauthorized})
	require.ErrorIs(t, err, admin.ErrUnauthorized, "waiting does not help")
}

func TestWaitCanBeInterrupted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_, said, err := follow(ctx, underWay(4, admin.StageBaking))
		require.ErrorContains(t, err, "the attempt goes on")
		assert.Len(t, said, 1)
	})
}
