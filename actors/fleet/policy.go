package fleet

import "time"

// Policy is a fleet's configuration as far as the rules need it. The configuration's loader has checked it and filled in
// the defaults.
type Policy struct {
	Lease       time.Duration // a holder that hears nothing for so long stops by itself; 0: it never does
	LeaseMargin time.Duration // waited on top, for clock drift and what is still under way
	Shards      int           // seats, one for each shard group; at least 1
	Standbys    int           // clients that should be in coma and healthy, for each seat
	Outdated    Parting       // what a client of an older release is told once the newer one is good
	CacheBytes  int           // the most one cache may have
	Health      HealthPolicy
	Handover    HandoverPolicy
	Login       LoginPolicy
	Rollout     RolloutPolicy
	Ready       time.Duration // from hello to ready
	Answer      time.Duration // from a command to its answer, where nothing else says so
}

// Parting is how a client that is not needed is told so.
type Parting uint8

// The two partings.
const (
	PartingComa     Parting = iota + 1 // stop processing, stay logged in
	PartingShutdown                    // leave
)

// String returns the parting as the configuration spells it.
func (p Parting) String() string { return enumName("Parting", int(p), "coma", "shutdown") }

// HealthPolicy says when a client is healthy.
type HealthPolicy struct {
	HealthyPercentage  float64       // 0 to 100: below it a report fails
	VitalCogs          []string      // each must work
	Timeout            time.Duration // from the check to its answer
	Interval           time.Duration // between two checks of one client
	Failures           int           // in a row, before a running holder is replaced; at least 1
	CandidateSuccesses int           // in a row, before a candidate is promoted; at least 1
	CandidateDeadline  time.Duration // from a candidate's first check to its promotion
	Bake               time.Duration // from promotion until the release counts as good
}

// HandoverPolicy says how the seat is handed over.
type HandoverPolicy struct {
	To        Parting       // what the old holder is told
	Drain     time.Duration // it may finish what it has begun within
	CacheSync bool          // it sends its cache first
	Deadline  time.Duration // from its order to stop to its answer, and from the grant to the new one's ready
}

// LoginPolicy is what Discord allows. All IDENTIFYs of all shards count against one day's budget.
type LoginPolicy struct {
	Daily       int           // in 24 hours; beyond it Discord resets the token
	Reserve     int           // of these, kept for the way back
	Spacing     time.Duration // between the end of one login and the next of the same lane
	Concurrency int           // lanes: Discord's max_concurrency; at least 1
}

// RolloutPolicy says how releases are put into service and taken back.
type RolloutPolicy struct {
	Driven        bool          // a driver starts processes; else releases come when somebody starts them
	SetupTimeout  time.Duration // how long the driver lets a setup take
	Keep          int           // good releases whose artefacts are kept; five at least
	Reverts       int           // in their window; with the last one the fleet is halted
	RevertWindow  time.Duration
	Restarts      int // of crashed processes in their window; beyond it the fleet is halted
	RestartWindow time.Duration
	BackoffMin    time.Duration // before the first restart; doubled for each more
	BackoffMax    time.Duration
}
