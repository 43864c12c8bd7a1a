package fleet

import "time"

// Record is something to be stored before the effects after it are carried out. The set is closed: SeatRecord,
// ReleaseRecord, LoginRecord, ClientRecord and EventRecord.
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
	ReleaseGood ReleaseState = iota + 1 // it held its seat through a whole bake with verdict ok
	ReleaseBad                          // it failed, and is refused until somebody says to try again
)

// ReleaseRecord is what is known of a release, with the evidence. It replaces the one before.
type ReleaseRecord struct {
	Release  Release      `json:"release"`
	State    ReleaseState `json:"state"`
	Reason   string       `json:"reason"` // a protocol.Reason or a verdict, as text
	Cogs     []string     `json:"cogs"`   // what a good release's report said works: expected of the next one
	Evidence string       `json:"evidence"`
	At       time.Time    `json:"at"`
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
func (LoginRecord) record()   {}
func (ClientRecord) record()  {}
func (EventRecord) record()   {}

// Stored is all that survives: what the store gives back when a supervisor starts.
type Stored struct {
	Seats    []SeatRecord    // one for each seat ever granted
	Releases []ReleaseRecord // any order
	Logins   []LoginRecord   // of the last 25 hours at least
	Caches   []CacheRecord   // the newest of each seat
}

// CacheRecord says which cache is stored for a seat; its content is the store's business.
type CacheRecord struct {
	Seat    int
	Number  uint64 // grows with every cache of the seat
	Size    int
	Release Release
	At      time.Time
}
