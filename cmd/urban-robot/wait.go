package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/urban-robot/urban-robot/protocol/admin"
)

const (
	waitPause    = 500 * time.Millisecond // between two looks
	waitPatience = time.Minute            // with a service that says nothing: it may be restarting
)

// waiter follows one attempt to its end.
type waiter struct {
	status     func(context.Context) (admin.Fleet, error)
	say        func(line string) // is told what is new
	generation uint64            // of the attempt
}

// wait returns how the attempt ended. The service may be restarted meanwhile.
func (w waiter) wait(ctx context.Context) (admin.LastAttempt, error) {
	begun := time.Now()
	heard, said := begun, ""
	tick := time.NewTicker(waitPause)
	defer tick.Stop()
	for {
		end, word, err := w.look(ctx)
		switch {
		case ctx.Err() != nil:
			return end, errors.New("interrupted; the attempt goes on")
		case end.Stage.Ended():
			return end, nil
		case err == nil:
			heard = time.Now()
		case !passes(err) || time.Since(heard) >= waitPatience:
			return end, err
		default:
			word = visible(err.Error()) + " (trying again)"
		}
		if word != said {
			w.say(fmt.Sprintf("%6s  %s", time.Since(begun).Round(time.Second), word))
			said = word
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
		}
	}
}

// errNoWord means that the service knows nothing of the attempt. It is worth another look.
var errNoWord = errors.New("the service knows nothing of this attempt; see urban-robot status")

func passes(err error) bool {
	return errors.Is(err, admin.ErrUnreachable) || errors.Is(err, admin.ErrUnavailable) || errors.Is(err, errNoWord)
}

// look returns the end of the attempt, or a word on how far it is.
func (w waiter) look(ctx context.Context) (end admin.LastAttempt, word string, err error) {
	f, err := w.status(ctx)
	if err != nil {
		return end, "", err
	}
	newer := admin.Target{}
	if a := f.Attempt; a != nil {
		if a.Generation == w.generation {
			return end, string(a.Stage), nil
		}
		newer = admin.Target{Release: a.Release, Generation: a.Generation}
	}
	if l := f.LastAttempt; l != nil {
		if l.Generation == w.generation {
			return *l, "", nil
		}
		if l.Generation > newer.Generation {
			newer = admin.Target{Release: l.Release, Generation: l.Generation}
		}
	}
	if newer.Generation > w.generation {
		return admin.LastAttempt{
			Generation: w.generation, Stage: admin.StageSuperseded, Detail: "by " + generation(newer.Release, newer.Generation),
		}, "", nil
	}
	return end, "", errNoWord
}
