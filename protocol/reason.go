package protocol

import "slices"

// Reason says why a command was sent. The list is closed.
type Reason string

// Every reason.
const (
	ReasonHandover           Reason = "handover"             // a planned swap to another client
	ReasonStandby            Reason = "standby"              // somebody else holds the seat; wait
	ReasonOutdated           Reason = "outdated"             // a newer release holds the seat
	ReasonSuperseded         Reason = "superseded"           // a newer candidate took this one's place
	ReasonStartupTimeout     Reason = "startup_timeout"      // it was not ready in time
	ReasonHealthCheckFailure Reason = "health_check_failure" // its health is below the bar, or it did not answer
	ReasonVitalCogFailure    Reason = "vital_cog_failure"    // a cog that must work does not
	ReasonQuarantinedVersion Reason = "quarantined_version"  // its release failed before and is refused
	ReasonRollback           Reason = "rollback"             // the last good release takes over again
	ReasonFenced             Reason = "fenced"               // it claims a seat that is no longer its own
	ReasonOperator           Reason = "operator"             // a person said so
	ReasonTokenRejected      Reason = "token_rejected"       // Discord refused the token (close code 4004)
)

// Reasons lists every reason.
func Reasons() []Reason {
	return []Reason{
		ReasonHandover, ReasonStandby, ReasonOutdated, ReasonSuperseded, ReasonStartupTimeout, ReasonHealthCheckFailure,
		ReasonVitalCogFailure, ReasonQuarantinedVersion, ReasonRollback, ReasonFenced, ReasonOperator, ReasonTokenRejected,
	}
}

// Valid reports whether r is on the list.
func (r Reason) Valid() bool { return slices.Contains(Reasons(), r) }
