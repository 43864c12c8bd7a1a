package admin

import (
	"encoding/json"
	"net/http"
)

// ProblemError is an error of the API as in RFC 9457.
type ProblemError struct {
	Title  string `json:"title"`
	Status int    `json:"status"`
	Detail string `json:"detail"` // for people
	Errors []Flaw `json:"errors,omitempty"`
}

// Flaw is one thing that is wrong with a request.
type Flaw struct {
	Location string `json:"location"` // such as body.release
	Message  string `json:"message"`
}

// Error implements error.
func (p *ProblemError) Error() string {
	if p.Detail == "" {
		return p.Title
	}
	return p.Detail
}

// refused reports whether the service understood and did not do it.
func (p *ProblemError) refused() bool { return p.Status == http.StatusConflict }

// failure is an error with a text for people that is of a kind which callers ask for.
type failure struct {
	kind error
	text string
}

// Error implements error.
func (f *failure) Error() string { return f.text }

// Unwrap returns the sentinel.
func (f *failure) Unwrap() error { return f.kind }

// problem is the error that an answer of the API stands for.
func (c *Client) problem(status int, text []byte) error {
	p := &ProblemError{}
	if err := json.Unmarshal(text, p); err != nil || p.Detail == "" {
		p.Detail = "Urban Robot answers " + http.StatusText(status) + " and does not say why"
	}
	p.Status = status
	switch status {
	case http.StatusUnauthorized, http.StatusTooManyRequests:
		return &failure{kind: ErrUnauthorized, text: "Urban Robot at " + c.base.String() + " says: " + p.Detail}
	case http.StatusNotFound:
		return &failure{kind: ErrNotFound, text: p.Detail}
	case http.StatusServiceUnavailable:
		return &failure{kind: ErrUnavailable, text: p.Detail}
	}
	return p
}
