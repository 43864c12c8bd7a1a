package admin

import "time"

// Phase says how a seat stands.
type Phase string

// Every phase.
const (
	PhaseVacant  Phase = "vacant"  // nobody has it
	PhaseGranted Phase = "granted" // somebody was given it and has not confirmed yet
	PhaseHeld    Phase = "held"    // its holder processes commands
	PhaseLost    Phase = "lost"    // its holder is out of touch and may still process
)

// Stage is how far an attempt to put a release into service came.
type Stage string

// Every stage. The first four are of an attempt under way.
const (
	StagePending      Stage = "pending"      // accepted, waits for its turn
	StageDeploying    Stage = "deploying"    // its processes are being started
	StageCandidate    Stage = "candidate"    // it proves its health beside the one that serves
	StageBaking       Stage = "baking"       // it serves and is watched
	StageGood         Stage = "good"         // it stayed healthy through the bake
	StageBad          Stage = "bad"          // it failed, and is refused from now on
	StageInconclusive Stage = "inconclusive" // an outage elsewhere: it says nothing about the release
	StageSuperseded   Stage = "superseded"   // a newer one took its place
	StageAborted      Stage = "aborted"      // it was called off
)

// Ended reports whether an attempt in this stage is over.
func (s Stage) Ended() bool {
	switch s {
	case StagePending, StageDeploying, StageCandidate, StageBaking:
		return false
	case StageGood, StageBad, StageInconclusive, StageSuperseded, StageAborted:
		return true
	}
	return false
}

// ReleaseState is what is known of a release.
type ReleaseState string

// Every release state.
const (
	ReleaseUnproven ReleaseState = "unproven"
	ReleaseGood     ReleaseState = "good" // it stayed healthy through a whole bake
	ReleaseBad      ReleaseState = "bad"  // it failed, and is refused until somebody says to try again
)

// Fleet is what a fleet wants, runs and tries: always shown apart.
type Fleet struct {
	Name        string `json:"name"`
	Unavailable string `json:"unavailable,omitempty" doc:"Why nothing else is known of it now. Only in the list of all fleets"`

	Desired     *Target        `json:"desired,omitempty" doc:"What should run. Missing: nobody has deployed anything"`
	Running     []Seat         `json:"running" nullable:"false" doc:"Each seat and who has it"`
	Attempt     *Attempt       `json:"attempt,omitempty" doc:"What is being put into service now"`
	LastAttempt *LastAttempt   `json:"last_attempt,omitempty" doc:"How the newest attempt that is over ended"`
	LastGood    string         `json:"last_good,omitempty" doc:"The last known good release"`
	Halted      string         `json:"halted,omitempty" doc:"Why nothing more is tried until somebody says to try again"`
	Clients     []ClientStatus `json:"clients" nullable:"false"`
	Processes   []Process      `json:"processes" nullable:"false" doc:"The processes that Urban Robot has started"`
	Logins      Logins         `json:"logins"`
	Standbys    Standbys       `json:"standbys"`
}

// Target is a release with its place in the order of all that were accepted.
type Target struct {
	Release    string `json:"release"`
	Generation uint64 `json:"generation"`
}

// Seat is the right to process user commands for one shard group.
type Seat struct {
	Seat     int       `json:"seat"`
	Phase    Phase     `json:"phase" enum:"vacant,granted,held,lost"`
	Epoch    uint64    `json:"epoch" doc:"Grows with every grant"`
	Release  string    `json:"release,omitempty"`
	Instance string    `json:"instance,omitempty"`
	Since    time.Time `json:"since,omitzero"`
}

// Attempt is an attempt under way.
type Attempt struct {
	Release    string    `json:"release"`
	Generation uint64    `json:"generation"`
	Stage      Stage     `json:"stage" enum:"pending,deploying,candidate,baking"`
	Who        string    `json:"who,omitempty"`
	At         time.Time `json:"at" doc:"When it came to this stage"`
}

// LastAttempt is an attempt that is over.
type LastAttempt struct {
	Release    string    `json:"release"`
	Generation uint64    `json:"generation"`
	Stage      Stage     `json:"stage" enum:"good,bad,inconclusive,superseded,aborted"`
	Reason     string    `json:"reason,omitempty"`
	Detail     string    `json:"detail,omitempty" doc:"For people"`
	At         time.Time `json:"at"`
}

// ClientStatus is one connected bot process.
type ClientStatus struct {
	ID       string   `json:"id" doc:"Of the connection"`
	Instance string   `json:"instance" doc:"Of the process"`
	Release  string   `json:"release"`
	State    string   `json:"state" enum:"connected,identified,ready,active,coma,shutting_down,gone"`
	Seat     int      `json:"seat"`
	Verdict  string   `json:"verdict,omitempty" enum:"ok,degraded,inconclusive,fail,error" doc:"On its newest health check"`
	Failing  []string `json:"failing" nullable:"false" doc:"What did not work in it"`
	Detail   string   `json:"detail,omitempty" doc:"For people"`
}

// Process is a bot process that Urban Robot has started.
type Process struct {
	Instance string `json:"instance"`
	Release  string `json:"release"`
	Seat     int    `json:"seat"`
	PID      int    `json:"pid,omitempty"`
}

// Logins is the budget of Discord logins over 24 hours.
type Logins struct {
	Used    int `json:"used"`
	Daily   int `json:"daily" doc:"The most there may be"`
	Reserve int `json:"reserve" doc:"Of these, kept for the way back"`
}

// Standbys counts the clients that can take over at once.
type Standbys struct {
	Ready  int `json:"ready"`
	Wanted int `json:"wanted"`
}

// Version is a release and what is known of it.
type Version struct {
	Release    string       `json:"release"`
	Generation uint64       `json:"generation,omitempty" doc:"Missing: nobody deployed it, a client brought it"`
	State      ReleaseState `json:"state" enum:"unproven,good,bad"`
	Stage      Stage        `json:"stage,omitempty" enum:"pending,deploying,candidate,baking,good,bad,inconclusive,superseded,aborted" doc:"Of its newest attempt"`
	Reason     string       `json:"reason,omitempty"`
	Evidence   string       `json:"evidence,omitempty" doc:"For people"`
	At         time.Time    `json:"at,omitzero"`
}

// Result says what became of a request to deploy, roll back or try again.
type Result string

// Every result.
const (
	ResultAccepted  Result = "accepted"  // stored; it is under way
	ResultUnchanged Result = "unchanged" // it was so already
	ResultRefused   Result = "refused"   // nothing was done, and Text says why
)

// Outcome answers a request to deploy, roll back or try again.
type Outcome struct {
	Result     Result `json:"result" enum:"accepted,unchanged,refused"`
	Text       string `json:"text" doc:"For people: what happens now, or why not"`
	Release    string `json:"release,omitempty" doc:"What the reference stands for, where that is known already"`
	Generation uint64 `json:"generation,omitempty" doc:"Of the attempt; find it in the fleet's attempt and last_attempt"`
}

// Event is a line of the audit trail.
type Event struct {
	ID      uint64    `json:"id" doc:"Grows with every line of all fleets"`
	At      time.Time `json:"at"`
	Fleet   string    `json:"fleet"`
	Event   string    `json:"event"`
	Client  string    `json:"client,omitempty"`
	Release string    `json:"release,omitempty"`
	Seat    int       `json:"seat"`
	Epoch   uint64    `json:"epoch,omitempty"`
	From    string    `json:"from,omitempty"`
	To      string    `json:"to,omitempty"`
	Reason  string    `json:"reason,omitempty"`
	Detail  string    `json:"detail,omitempty" doc:"For people"`
	Warn    bool      `json:"warn,omitempty" doc:"Somebody should look"`
}

// FleetList is every fleet.
type FleetList struct {
	Fleets []Fleet `json:"fleets" nullable:"false"`
}

// ClientList is every client of a fleet.
type ClientList struct {
	Clients []ClientStatus `json:"clients" nullable:"false"`
}

// VersionList is every release of a fleet, newest first.
type VersionList struct {
	Versions []Version `json:"versions" nullable:"false"`
}

// EventPage is a piece of the audit trail. Whoever goes on with after=Next misses nothing.
type EventPage struct {
	Events []Event `json:"events" nullable:"false"`
	Next   uint64  `json:"next" doc:"What to send as after for the page that follows"`
}

// DeployRequest asks for a release to be put into service.
type DeployRequest struct {
	Release string   `json:"release" minLength:"1" maxLength:"128" pattern:"^[^-\\x00-\\x1f\\x7f][^\\x00-\\x1f\\x7f]*$" patternDescription:"one line that does not begin with a dash" doc:"A branch, a tag, a commit: whatever the fleet's driver understands"`
	By      string   `json:"by,omitempty" maxLength:"128" pattern:"^[^\\x00-\\x1f\\x7f]*$" patternDescription:"one line" doc:"Who asks, for the audit trail"`
	_       struct{} `additionalProperties:"false"`
}

// RollbackRequest asks for an earlier release back.
type RollbackRequest struct {
	Release string   `json:"release,omitempty" maxLength:"128" pattern:"^([^-\\x00-\\x1f\\x7f][^\\x00-\\x1f\\x7f]*)?$" patternDescription:"one line that does not begin with a dash" doc:"Missing: the last known good"`
	By      string   `json:"by,omitempty" maxLength:"128" pattern:"^[^\\x00-\\x1f\\x7f]*$" patternDescription:"one line" doc:"Who asks, for the audit trail"`
	_       struct{} `additionalProperties:"false"`
}

// TryAgainRequest asks for a halt to be lifted.
type TryAgainRequest struct {
	By string   `json:"by,omitempty" maxLength:"128" pattern:"^[^\\x00-\\x1f\\x7f]*$" patternDescription:"one line" doc:"Who asks, for the audit trail"`
	_  struct{} `additionalProperties:"false"`
}
