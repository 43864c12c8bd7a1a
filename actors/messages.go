package actors

import (
	"github.com/asynkron/protoactor-go/actor"

	"github.com/urban-robot/urban-robot/actors/fleet"
	"github.com/urban-robot/urban-robot/actors/store"
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
	// returned is what a supervisor's outside work and alarms have for it: for that life of it, and for no later one.
	returned struct {
		life    uint64
		message any // loaded, cacheSaved, trailSaved, wake, retry or crash
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

// Between a supervisor and its rollback actor.
type (
	// drive is an effect for the driver.
	drive struct{ effect fleet.Effect }
	// resolve asks what a reference stands for, to deploy it.
	resolve struct {
		reference string
		who       string
		only      fleet.Only
		pushed    bool // the reference is a commit that was pushed
		ticket    uint64
	}
	// happened is a fact from the driver, or a request that is resolved.
	happened struct {
		ticket uint64
		fact   fleet.Fact
	}
	// refused says that a reference stands for nothing.
	refused struct {
		ticket uint64
		text   string
	}
)

// From elsewhere in the program to a supervisor.
type (
	// exited is the proof of a process's death.
	exited struct{ instance, how, detail string }
)
