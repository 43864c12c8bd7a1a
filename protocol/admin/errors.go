package admin

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"reflect"
	"strconv"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"
)

// unavailableFor is how long to wait before a fleet that cannot answer is asked again.
const unavailableFor = time.Second

// problemOf turns an error of Fleets or Trail into its problem. One that it does not know is logged in full and shown to nobody.
func (s *server) problemOf(err error, operation, fleet string) error {
	if problem, ok := errors.AsType[*huma.ErrorModel](err); ok {
		return problem
	}
	switch {
	case errors.Is(err, ErrNotFound):
		return s.noFleet(fleet)
	case errors.Is(err, ErrUnavailable):
		return retryLater(fmt.Sprintf("fleet %s cannot answer now: nothing was done; try again", fleet))
	case errors.Is(err, context.DeadlineExceeded):
		s.log.Warn().AnErr("err", err).Str("operation", operation).Str("fleet", fleet).Msg("request timed out")
		return retryLater(fmt.Sprintf("fleet %s did not answer within %s; look at its status before you try again", fleet, s.config.Timeout))
	case errors.Is(err, context.Canceled):
		return retryLater("the request was given up")
	}
	s.log.Error().AnErr("err", err).Str("operation", operation).Str("fleet", fleet).Msg("request failed")
	return internal()
}

func problem(status int, format string, args ...any) *huma.ErrorModel {
	return &huma.ErrorModel{Status: status, Title: http.StatusText(status), Detail: fmt.Sprintf(format, args...)}
}

func internal() *huma.ErrorModel {
	return problem(http.StatusInternalServerError, "internal error; the log of the service says more")
}

func (s *server) noFleet(name string) *huma.ErrorModel {
	known := s.config.Fleets.Names()
	if len(known) == 0 {
		return problem(http.StatusNotFound, "there is no fleet %q, nor any other", name)
	}
	return problem(http.StatusNotFound, "there is no fleet %q; there is %s", name, strings.Join(known, ", "))
}

// refused is a request that was understood and not carried out, with the reason.
func refused(text string) *huma.ErrorModel { return problem(http.StatusConflict, "%s", text) }

func noToken() *huma.ErrorModel {
	return problem(http.StatusUnauthorized, "the token is missing; send the header Authorization: Bearer, followed by the token that admin.token names")
}

func wrongToken() *huma.ErrorModel {
	return problem(http.StatusUnauthorized, "the token is wrong; send the one that admin.token names")
}

func tooManyWrongTokens() *huma.ErrorModel {
	return problem(http.StatusTooManyRequests, "the token is wrong, and there were too many wrong ones; send the one that admin.token names")
}

func notReady(err error) *huma.ErrorModel { return problem(http.StatusServiceUnavailable, "%s", err) }

func retryLater(text string) error {
	headers := http.Header{}
	setRetryAfter(headers, unavailableFor)
	return huma.ErrorWithHeaders(problem(http.StatusServiceUnavailable, "%s", text), headers)
}

// noRoute is a path or a method that there is not.
func noRoute(r *http.Request, status int, allow string) *huma.ErrorModel {
	if status == http.StatusMethodNotAllowed {
		return problem(status, "%s is not allowed here; use %s", r.Method, allow)
	}
	return problem(http.StatusNotFound, "there is nothing at %s; see /openapi.json", r.URL.Path)
}

// tidyProblem is a huma.Transformer. It puts into words what huma found wrong with a request, and leaves out what was sent: a
// secret in the wrong place must not come back.
func tidyProblem(_ huma.Context, _ string, body any) (any, error) {
	found, ok := body.(*huma.ErrorModel)
	if !ok {
		return body, nil
	}
	tidy := *found
	tidy.Errors = nil
	if tidy.Status >= http.StatusInternalServerError {
		return &tidy, nil
	}
	var said []string
	for _, flaw := range found.Errors {
		tidy.Errors = append(tidy.Errors, &huma.ErrorDetail{Message: flaw.Message, Location: flaw.Location})
		said = append(said, flaw.Location+": "+flaw.Message)
	}
	if len(said) > 0 {
		tidy.Detail = strings.Join(said, "; ")
	}
	return &tidy, nil
}

// documentProblems lets the OpenAPI document say what tidyProblem makes of problems.
func documentProblems(api huma.API) {
	schemas := api.OpenAPI().Components.Schemas
	schemas.Schema(reflect.TypeFor[huma.ErrorModel](), false, "").Properties["errors"].Nullable = false
	delete(schemas.Schema(reflect.TypeFor[huma.ErrorDetail](), false, "").Properties, "value")
}

// writeProblem answers where huma does not.
func writeProblem(w http.ResponseWriter, p *huma.ErrorModel) {
	w.Header().Set("Content-Type", p.ContentType("application/json"))
	w.WriteHeader(p.Status)
	_ = json.NewEncoder(w).Encode(p) // whoever asked has gone away
}

// setRetryAfter rounds up: too early would be in vain.
func setRetryAfter(h http.Header, wait time.Duration) {
	h.Set("Retry-After", strconv.Itoa(int((wait+time.Second-1)/time.Second)))
}
