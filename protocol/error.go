package protocol

import (
	"fmt"
	"strings"
)

// ErrorCode says what was wrong with an event. The list is closed.
type ErrorCode string

// Every error code.
const (
	CodeMalformed      ErrorCode = "malformed"           // no JSON object, a wrong type, a value out of range, a required field missing
	CodeTooLarge       ErrorCode = "too_large"           // the event, a string, a list or the cache is over its limit
	CodeUnknownEvent   ErrorCode = "unknown_event"       // no event has this name
	CodeNotAllowed     ErrorCode = "not_allowed"         // not in the client's state
	CodeUnauthorized   ErrorCode = "unauthorized"        // no key, a wrong key, an unknown fleet
	CodeTimeout        ErrorCode = "timeout"             // an expected event did not come in time
	CodeTooMany        ErrorCode = "too_many"            // too many rejected events: the client is disconnected
	CodeQuarantined    ErrorCode = "quarantined_version" // the release failed before and is refused
	CodeIdentifyBudget ErrorCode = "identify_budget"     // no Discord login is left for it in these 24 hours
	CodeTokenRejected  ErrorCode = "token_rejected"      // Discord refused the fleet's token; nobody is let in with it
	CodeUnavailable    ErrorCode = "unavailable"         // the server cannot do it now; try again
)

// ErrorCodes lists every error code.
func ErrorCodes() []ErrorCode {
	return []ErrorCode{
		CodeMalformed, CodeTooLarge, CodeUnknownEvent, CodeNotAllowed, CodeUnauthorized, CodeTimeout, CodeTooMany, CodeQuarantined,
		CodeIdentifyBudget, CodeTokenRejected, CodeUnavailable,
	}
}

// Error answers an event that changed nothing. Its message names the field and says what to write instead; it never
// repeats a secret.
type Error struct {
	Code    ErrorCode `json:"code"`
	Field   string    `json:"field,omitempty"`
	Message string    `json:"message"`
}

// Errorf returns an Error on a field; field may be empty.
func Errorf(code ErrorCode, field, format string, args ...any) *Error {
	return &Error{Code: code, Field: field, Message: fmt.Sprintf(format, args...)}
}

// Error implements error. A message that begins with its field, as this package's do, does not say it twice.
func (e *Error) Error() string {
	if strings.HasPrefix(e.Message, e.Field) {
		return fmt.Sprintf("%s: %s", e.Code, e.Message)
	}
	return fmt.Sprintf("%s: %s: %s", e.Code, e.Field, e.Message)
}

// Ack is the answer to an event sent with an acknowledgement: {"ok":true}, or {"ok":false,"error":{…}}.
type Ack struct {
	OK    bool   `json:"ok"`
	Error *Error `json:"error,omitempty"`
}

// Rejected is the event that answers a wrong event for which no acknowledgement was asked.
type Rejected struct {
	Event   string    `json:"event"`
	Code    ErrorCode `json:"code"`
	Field   string    `json:"field,omitempty"`
	Message string    `json:"message"`
}
