package actors

import (
	"time"

	"github.com/asynkron/protoactor-go/actor"

	"github.com/urban-robot/urban-robot/actors/fleet"
	"github.com/urban-robot/urban-robot/actors/store"
	"github.com/urban-robot/urban-robot/deploy"
	"github.com/urban-robot/urban-robot/protocol"
	"github.com/urban-robot/urban-robot/protocol/socketio"
)

// From the gateway to clients, and on to a client. They stay on the node of the socket.
type (
	opened   struct{ conn socketio.Conn }
	received struct {
		id string
		in socketio.Inbound
	}
	closed struct{ id, reason string }
)

// From a client to its fleet's supervisor.
type (
	// said is a fact about a client; sender is where its orders go.
	said struct {
		sender *actor.PID
		client fleet.ClientID
		ack    uint64
		fact   fleet.Fact
	}
	// cacheSaid is a cache, whole.
	cacheSaid struct {
		client fleet.ClientID
		ack    uint64
		cache  protocol.Cache
	}
)

// From a supervisor to a client.
type (
	// ordered is an effect that is addressed to the client.
	ordered struct{ effect fleet.Effect }
	// delivered is a cache for the client.
	delivered struct{ parcel parcel }
)

// From outside work and timers back to the actor that began it.
type (
	// returned is what outside work and alarms have for a supervisor, and what it and its rollback actor have for each other: for
	// that life of it, and for no later one.
	returned struct {
		life    uint64
		message any
	}
	// loaded is all that is stored of a fleet, or why it could not be read.
	loaded struct {
		term    store.Term
		stored  fleet.Stored
		caches  map[int]parcel // by seat
		damaged map[int]error  // caches that cannot be read any more, by seat
		err     error
	}
	// cacheSaved answers fleet.KeepCache.
	cacheSaved struct {
		client fleet.ClientID
		ack    uint64
		record fleet.CacheRecord
		parcel parcel
		err    error
	}
	// trailSaved says that a piece of the audit trail is stored, or not.
	trailSaved struct{}
	// crash is a panic of outside work, which is one of the actor that wanted it.
	crash struct {
		cause any
		stack []byte
	}
	// partAcknowledged says that the client has taken a part of a parcel, or that it never will.
	partAcknowledged struct {
		number uint64 // of the cache
		err    error
	}
	// wake says that it is time to look for what is due.
	wake struct{}
	// tick is a wake after which everything is handled that had come before it: nobody is late whose answer lies in the mailbox.
	tick struct{}
	// retry says that the store may be tried again.
	retry struct{}
)

// From a supervisor to its rollback actor.
type (
	// drive is an effect for the driver.
	drive struct{ effect fleet.Effect }
	// resolve asks what a reference stands for, to deploy it.
	resolve struct {
		reference string
		who       string
		only      fleet.Only // not 0: nobody asked for it but the service itself
		pushed    bool       // the reference is a commit that was pushed
		ticket    uint64
		attempts  int // that failed
	}
)

// From a rollback actor to its supervisor, as a returned.
type (
	// happened is a fact from the driver, or a request that is resolved.
	happened struct {
		ticket uint64
		fact   fleet.Fact
	}
	// refused says that a reference stands for nothing that can be deployed.
	refused struct {
		ticket    uint64
		who, text string
	}
)

// From outside work and alarms back to the rollback actor.
type (
	// surveyed says which processes run.
	surveyed struct {
		instances []string
		err       error
	}
	// resolved answers the resolve that is under way.
	resolved struct {
		revision deploy.Revision
		err      error
	}
	// driven says that a call about a process is over.
	driven struct {
		instance string
		pid      int // of a process that was started
		took     time.Duration
		err      error
	}
	// prepared says that a setup is over.
	prepared struct {
		release fleet.Release
		took    time.Duration
		err     error
	}
	// collected says that a collection is over.
	collected struct{ err error }
	// asksAgain says that a request may be resolved again, stopsAgain that a process may be stopped again, looks that it is time to poll.
	asksAgain  struct{}
	stopsAgain struct{ instance string }
	looks      struct{}
)

// From elsewhere in the program to a supervisor.
type (
	// exited is the proof of a process's death.
	exited struct{ instance, how, detail string }
	// viewed asks for a fleet.View.
	viewed struct{}
	// asked asks for something to be done. The answer is an outcome.
	asked struct {
		reference string // of a deploy, or the release of a rollback
		who       string
		what      request
	}
)

// From a supervisor to somebody who asks.
type (
	// outcome says what came of a request.
	outcome struct {
		result  fleet.Outcome
		text    string              // for people
		rollout fleet.RolloutRecord // as it stands now
	}
	// unavailable says that nothing can be said or done now.
	unavailable struct{}
)

// request is what somebody asks for.
type request uint8

const (
	requestDeploy request = iota + 1
	requestPush
	requestRollback
	requestTryAgain
)
