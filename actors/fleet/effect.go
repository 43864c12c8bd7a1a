package fleet

import "github.com/urban-robot/urban-robot/protocol"

// Effect is something the rules want done, in the order returned. The set is closed: Store, Say, Tell, Answer, KeepCache,
// DeliverCache and Hangup.
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

func (Store) effect()        {}
func (Say) effect()          {}
func (Tell) effect()         {}
func (Answer) effect()       {}
func (KeepCache) effect()    {}
func (DeliverCache) effect() {}
func (Hangup) effect()       {}
