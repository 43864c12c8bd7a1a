package fleet

import (
	"time"

	"github.com/urban-robot/urban-robot/protocol"
)

// Effect is something the rules want done, in the order returned. The set is closed: Store; to clients Say, Tell, Answer, KeepCache,
// DeliverCache and Hangup; to the driver Prepare, Launch, StopProcess and Collect; to people Respond and Alert.
type Effect interface{ effect() }

// Store comes first, and nothing after it may happen before it is durable.
type Store struct{ Records []Record }

// Say sends hello. The performer puts the fleet's token into it unless Hello.Error is set.
type Say struct {
	Client ClientID
	Hello  protocol.Hello
}

// Tell sends a command.
type Tell struct {
	Client  ClientID
	Command protocol.Command
}

// Answer is the acknowledgement of an event; where none was asked for and Err is set, the event rejected.
type Answer struct {
	Client ClientID
	Ack    uint64
	Event  string // its name on the wire
	Err    *protocol.Error
}

// KeepCache stores the cache that the client has just sent under that number; CacheStored is the answer.
type KeepCache struct {
	Client ClientID
	Ack    uint64
	Record CacheRecord
}

// DeliverCache sends the newest cache of a seat to clients.
type DeliverCache struct {
	Seat   int
	Number uint64
	To     []ClientID
}

// Hangup closes a connection: after what was sent has left, or with Abort at once, so that nothing sent earlier can still arrive.
type Hangup struct {
	Client ClientID
	Abort  bool
}

// Prepare has the driver make a release ready to start; Prepared is the answer.
type Prepare struct{ Release Release }

// Launch has the driver start a process; Launched is the answer, and Exited its end.
type Launch struct {
	Instance string
	Release  Release
	Seat     int
}

// StopProcess has the driver end a process; Exited is the answer.
type StopProcess struct{ Instance string }

// Collect has the driver forget all releases but these and those that run.
type Collect struct{ Keep []Release }

// Outcome is what came of a request.
type Outcome uint8

// Every outcome.
const (
	Accepted  Outcome = iota + 1
	Unchanged         // there was nothing to do
	Refused
)

// String is the one spelling.
func (o Outcome) String() string {
	return enumName("Outcome", int(o), "accepted", "unchanged", "refused")
}

// Respond answers who asked for a rollout.
type Respond struct {
	Ticket  uint64
	Outcome Outcome
	Text    string // for people
}

// AlertLevel says how loud an alert is.
type AlertLevel uint8

// Every alert level.
const (
	AlertInfo AlertLevel = iota + 1
	AlertWarning
	AlertError
)

// String is the one spelling.
func (l AlertLevel) String() string {
	return enumName("AlertLevel", int(l), "info", "warning", "error")
}

// Alert tells people.
type Alert struct {
	Level   AlertLevel
	What    string // constant: "rollout started"
	Release Release
	Reason  string
	Detail  string
	At      time.Time
}

func (Prepare) effect()      {}
func (Launch) effect()       {}
func (StopProcess) effect()  {}
func (Collect) effect()      {}
func (Respond) effect()      {}
func (Alert) effect()        {}
func (Store) effect()        {}
func (Say) effect()          {}
func (Tell) effect()         {}
func (Answer) effect()       {}
func (KeepCache) effect()    {}
func (DeliverCache) effect() {}
func (Hangup) effect()       {}
