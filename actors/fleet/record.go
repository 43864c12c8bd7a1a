package fleet

import "time"

// Record is something to be stored before the effects after it are carried out. The set is closed: SeatRecord,
// ReleaseRecord, RolloutRecord, ProcessRecord, LoginRecord, ClientRecord and EventRecord.
type Record interface{ record() }

// SeatRecord is the newest grant of a seat. It replaces the one before; a store refuses an epoch lower than the stored one.
type SeatRecord struct {
	Seat     int       `json:"seat"`
	Epoch    uint64    `json:"epoch"`    // of the newest grant, or reserved for a swap that has begun
	Instance string    `json:"instance"` // the holder; empty: the seat is vacant
	Release  Release   `json:"release"`  // the holder's
	Since    time.Time `json:"since"`    // when it was granted or vacated
	Handled  []string  `json:"handled"`  // what the holder before said it has handled
}

// ReleaseState is what is known of a release.
type ReleaseState uint8

// Every release state. What is not stored is unproven.
const (
	ReleaseUnproven ReleaseState = iota + 1 // somebody deployed it, no more is known
	ReleaseGood                             // it held its seat through a whole bake with verdict ok
	ReleaseBad                              // it failed, and is refused until somebody says to try again
)

// ReleaseStates lists every release state.
func ReleaseStates() []ReleaseState { return []ReleaseState{ReleaseUnproven, ReleaseGood, ReleaseBad} }

// String is the one spelling for logs, metrics, JSON and the database.
func (s ReleaseState) String() string {
	return enumName("ReleaseState", int(s), "unproven", "good", "bad")
}

// ReleaseRecord is what is known of a release, with the evidence. It replaces the one before.
type ReleaseRecord struct {
	Release    Release      `json:"release"`
	Generation uint64       `json:"generation"` // of its newest accepted deploy; 0: nobody deployed it
	State      ReleaseState `json:"state"`
	Reason     string       `json:"reason"` // a protocol.Reason, a Failure or a verdict, as text
	Cogs       []string     `json:"cogs"`   // what a good release's report said works: expected of the next one
	Evidence   string       `json:"evidence"`
	At         time.Time    `json:"at"`
}

// RolloutRecord is where a fleet's rollout stands. It replaces the one before.
type RolloutRecord struct {
	Generation uint64      `json:"generation"` // of the newest accepted deploy
	Desired    Release     `json:"desired"`    // what should be in service; empty: nobody said
	Attempt    Attempt     `json:"attempt"`    // under way
	AttemptBy  time.Time   `json:"attempt_by"` // it is aborted then
	Last       Attempt     `json:"last"`       // the one that ended last
	Started    uint64      `json:"started"`    // processes, ever
	Reverts    []time.Time `json:"reverts"`    // in their window
	Restarts   []time.Time `json:"restarts"`   // in their window
	NotBefore  time.Time   `json:"not_before"` // no restart earlier
	Halted     string      `json:"halted"`     // empty, HaltedReverts or HaltedCrashes
}

// ProcessRecord is a process that the driver was told to start. It replaces the one of the same instance; Gone removes it.
type ProcessRecord struct {
	Instance string    `json:"instance"`
	Release  Release   `json:"release"`
	Seat     int       `json:"seat"`
	Number   uint64    `json:"number"`
	Retired  bool      `json:"retired"`
	Gone     bool      `json:"gone"`
	At       time.Time `json:"at"`
}

// LoginRecord counts the Discord logins permitted in one hour. It replaces the count before; a store may forget what is older than 25 hours.
type LoginRecord struct {
	Hour  time.Time `json:"hour"` // UTC, start of the hour
	Count int       `json:"count"`
}

// ClientRecord is a client that was seen. It replaces the one of the same instance, but keeps its first time.
type ClientRecord struct {
	Instance string    `json:"instance"`
	Release  Release   `json:"release"`
	Library  string    `json:"library"`
	Host     string    `json:"host"`
	PID      int       `json:"pid"`
	Seat     int       `json:"seat"`
	Seen     time.Time `json:"seen"`
}

// EventRecord is one line of the audit trail, and of the log.
type EventRecord struct {
	At      time.Time `json:"at"`
	Event   string    `json:"event"` // what happened: lower case, past tense, constant: "seat granted"
	Client  ClientID  `json:"client,omitempty"`
	Release Release   `json:"release,omitempty"`
	Seat    int       `json:"seat"`
	Epoch   uint64    `json:"epoch,omitempty"`
	From    string    `json:"from,omitempty"`
	To      string    `json:"to,omitempty"`
	Reason  string    `json:"reason,omitempty"`
	Detail  string    `json:"detail,omitempty"` // for people
	Warn    bool      `json:"warn,omitempty"`   // somebody should look
}

func (SeatRecord) record()    {}
func (ReleaseRecord) record() {}
func (RolloutRecord) record() {}
func (ProcessRecord) record() {}
func (LoginRecord) record()   {}
func (ClientRecord) record()  {}
func (EventRecord) record()   {}

// Stored is all that survives: what the store gives back when a supervisor starts.
type Stored struct {
	Seats     []SeatRecord    // one for each seat ever granted
	Releases  []ReleaseRecord // any order
	Rollout   RolloutRecord   // zero: there was none
	Processes []ProcessRecord // those that are not gone, any order
	Logins    []LoginRecord   // of the last 25 hours at least
	Caches    []CacheRecord   // the newest of each seat
}

// CacheRecord says which cache is stored for a seat; its content is the store's business.
type CacheRecord struct {
	Seat    int
	Number  uint64 // grows with every cache of the seat
	Size    int
	Release Release
	At      time.Time
}
