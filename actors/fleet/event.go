package fleet

import (
	"time"

	"github.com/urban-robot/urban-robot/protocol"
)

// Event is a fact with its time and, where it came from a client, the connection and the acknowledgement that is owed.
type Event struct {
	At     time.Time // never earlier than that of the event before
	Client ClientID  // empty: the fact is not a client's
	Ack    uint64    // not 0: the client waits for an acknowledgement
	Fact   Fact
}

// Fact is something that happened. The set is closed: from clients Identify, Ready, Health, Cache, CacheStored, Coma, Shutdown and
// Disconnect; from the driver Running, Prepared, Launched and Exited; from people and webhooks Deploy, Rollback and TryAgain; and Tick.
type Fact interface{ fact() }

// Identify is an authorized identify.
type Identify struct {
	Instance     string // empty: the rules name it
	Release      Release
	Launched     bool              // it showed the launch secret of its instance
	Session      *protocol.Session // nil: it was not connected before
	Handled      []string
	Shard        *int
	Shards       *int
	Capabilities []string
	Library      string
	Host         string
	PID          int
}

// Ready says that the client is logged in to Discord.
type Ready struct{}

// Health is an answer to a health check.
type Health struct {
	Report protocol.HealthReport
	Err    *protocol.Error // the report is malformed
}

// Cache says that the client has sent its cache.
type Cache struct{ Size int }

// CacheStored answers KeepCache, with its client and its acknowledgement in the event.
type CacheStored struct {
	Record CacheRecord
	Failed bool // it could not be stored; the cause is in the log
}

// Coma says that the client has stopped processing.
type Coma struct {
	Reason  string
	Epoch   uint64 // 0: not said
	Handled []string
}

// Shutdown says that the client stops entirely.
type Shutdown struct {
	Reason  string
	Epoch   uint64 // 0: not said
	Handled []string
}

// Disconnect says that the connection is closed.
type Disconnect struct {
	Said   bool   // the client itself ended it in due form
	Reason string // for the log
}

// Exited is the proof of a process's death, from the one that started it.
type Exited struct {
	Instance string
	How      string // "exit status 1", "killed"; empty: not known
	Detail   string // the end of what it printed
}

// Running says which processes of the fleet the driver finds alive. It is the first that a driven fleet hears of its driver.
type Running struct {
	Instances []string
	PIDs      map[string]int // of those that are known, by instance
	Unknown   bool           // it cannot say: nobody is proven dead
}

// Prepared answers Prepare.
type Prepared struct {
	Release Release
	Failure Failure // empty: it is prepared
	Detail  string
}

// Launched answers Launch.
type Launched struct {
	Instance string
	PID      int     // 0: it is not known
	Failure  Failure // empty: the process exists
	Detail   string
}

// Deploy asks for a release to be put into service. Event.Ack is the ticket that Respond answers.
type Deploy struct {
	Release Release
	Who     string // a person, a webhook, a poll
	Message string // of the release, for people
	Only    Only   // when; the zero value: in any case
}

// Only says when a deploy counts.
type Only uint8

// When a deploy counts.
const (
	IfNew    Only = iota + 1 // the release was never deployed before
	IfFirst                  // nothing was ever deployed
	IfWanted                 // no person has gone back from the release since it was good
)

// Rollback asks for a release that was good; empty: the one before. Event.Ack is the ticket that Respond answers.
type Rollback struct {
	Release Release
	Who     string
}

// TryAgain lifts a halt and the refusal of the last release. Event.Ack is the ticket that Respond answers.
type TryAgain struct{ Who string }

// Tick says that the time State.Wake returned has come.
type Tick struct{}

func (Identify) fact()    {}
func (Ready) fact()       {}
func (Health) fact()      {}
func (Cache) fact()       {}
func (CacheStored) fact() {}
func (Coma) fact()        {}
func (Shutdown) fact()    {}
func (Disconnect) fact()  {}
func (Exited) fact()      {}
func (Running) fact()     {}
func (Prepared) fact()    {}
func (Launched) fact()    {}
func (Deploy) fact()      {}
func (Rollback) fact()    {}
func (TryAgain) fact()    {}
func (Tick) fact()        {}
