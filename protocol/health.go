package protocol

import "encoding/json"

// Phase says what a health check is for.
type Phase string

// Every phase.
const (
	PhaseCandidate Phase = "candidate" // before promotion
	PhaseBake      Phase = "bake"      // after promotion, before the release counts as good
	PhaseRunning   Phase = "running"   // the holder, periodically
	PhaseStandby   Phase = "standby"   // a client in coma, so that one that would not work is not counted
)

// CheckStatus is the status of one entry of Checks (draft-inadarei-api-health-check-06).
type CheckStatus string

// Every check status.
const (
	CheckPass CheckStatus = "pass"
	CheckWarn CheckStatus = "warn"
	CheckFail CheckStatus = "fail"
)

// HealthReport is a client's answer to the command health_check. At least one of OK, Percentage and Cogs is set.
type HealthReport struct {
	CheckID    string   // the command's, or empty: a client need not repeat it
	OK         *bool    // the client's own word; nil: not said
	Percentage *float64 // 0 to 100; nil: not said
	Cogs       map[string]Cog
	Checks     map[string][]Check
}

// Cog is what a report says of one cog.
type Cog struct {
	OK       bool
	Error    string // why it is not ok
	External string // the name of the outside service at fault; empty: its own fault
}

// Check is one measurement of a component.
type Check struct {
	Status        CheckStatus     `json:"status"`
	ObservedValue json.RawMessage `json:"observedValue,omitempty"`
	ObservedUnit  string          `json:"observedUnit,omitempty"`
	Output        string          `json:"output,omitempty"`
	External      string          `json:"external,omitempty"`
}
