package admin

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/urban-robot/urban-robot/protocol"
)

var (
	// ErrUnreachable means that no Urban Robot answered.
	ErrUnreachable = errors.New("no Urban Robot answers")
	// ErrUnauthorized means that the token is missing or wrong.
	ErrUnauthorized = errors.New("the token is not accepted")
)

const (
	answerTimeout  = 30 * time.Second // for a whole answer; the service's own limit is shorter
	maxAnswerBytes = 64 << 20
)

// Client asks an Urban Robot, and tells it what to do. Its methods mean what those of Fleets and Trail mean; beside their errors
// there are ErrUnreachable, ErrUnauthorized and *ProblemError. The text of an error says what to do next. A Client is safe for
// concurrent use and retries nothing.
type Client struct {
	base  *url.URL
	token protocol.Token
	http  *http.Client
}

// New returns a client of the API at a URL, such as http://127.0.0.1:8081. It dials nothing.
func New(address string, token protocol.Token) (*Client, error) {
	base, err := url.Parse(address)
	switch {
	case err != nil || base.Host == "" || base.Scheme != "http" && base.Scheme != "https":
		return nil, errors.New("the URL of the admin API is none; write one like http://127.0.0.1:8081")
	case base.User != nil:
		return nil, errors.New("the URL of the admin API holds a secret; leave out what stands before the @")
	case base.RawQuery != "" || base.Fragment != "":
		return nil, errors.New("the URL of the admin API ends with ? or #; write one like http://127.0.0.1:8081")
	}
	client := &http.Client{
		Timeout:       answerTimeout,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }, // the token stays here
	}
	return &Client{base: base, token: token, http: client}, nil
}

// List returns every fleet. One that cannot answer is there by name, with the reason in Unavailable.
func (c *Client) List(ctx context.Context) ([]Fleet, error) {
	var list FleetList
	err := c.get(ctx, nil, &list, "fleets")
	return list.Fleets, err
}

// Status says what a fleet wants, runs and tries.
func (c *Client) Status(ctx context.Context, fleet string) (Fleet, error) {
	var status Fleet
	err := c.get(ctx, nil, &status, "fleets", fleet)
	return status, err
}

// Clients lists the connected clients of a fleet.
func (c *Client) Clients(ctx context.Context, fleet string) ([]ClientStatus, error) {
	var list ClientList
	err := c.get(ctx, nil, &list, "fleets", fleet, "clients")
	return list.Clients, err
}

// Versions lists the releases of a fleet, newest first.
func (c *Client) Versions(ctx context.Context, fleet string) ([]Version, error) {
	var list VersionList
	err := c.get(ctx, nil, &list, "fleets", fleet, "versions")
	return list.Versions, err
}

// Events returns at most limit lines of the trail with an ID above after, of all fleets if fleet is empty. Go on with Next.
func (c *Client) Events(ctx context.Context, fleet string, after uint64, limit int) (EventPage, error) {
	query := url.Values{"after": {strconv.FormatUint(after, 10)}, "limit": {strconv.Itoa(limit)}}
	if fleet != "" {
		query.Set("fleet", fleet)
	}
	var page EventPage
	err := c.get(ctx, query, &page, "events")
	return page, err
}

// Deploy begins an attempt to put a release into service.
func (c *Client) Deploy(ctx context.Context, fleet, reference, who string) (Outcome, error) {
	return c.post(ctx, DeployRequest{Release: reference, By: who}, "fleets", fleet, "deploy")
}

// Rollback goes back to a release; an empty one is the last known good.
func (c *Client) Rollback(ctx context.Context, fleet, release, who string) (Outcome, error) {
	return c.post(ctx, RollbackRequest{Release: release, By: who}, "fleets", fleet, "rollback")
}

// TryAgain lifts a halt and the refusal of the release that failed last.
func (c *Client) TryAgain(ctx context.Context, fleet, who string) (Outcome, error) {
	return c.post(ctx, TryAgainRequest{By: who}, "fleets", fleet, "try-again")
}

func (c *Client) get(ctx context.Context, query url.Values, into any, path ...string) error {
	return c.do(ctx, http.MethodGet, query, path, nil, into)
}

// post tells the service to do something. To be refused is an Outcome.
func (c *Client) post(ctx context.Context, request any, path ...string) (Outcome, error) {
	body, err := json.Marshal(request)
	if err != nil {
		return Outcome{}, fmt.Errorf("write the request: %w", err)
	}
	var outcome Outcome
	err = c.do(ctx, http.MethodPost, nil, path, bytes.NewReader(body), &outcome)
	if p, ok := errors.AsType[*ProblemError](err); ok && p.refused() {
		return Outcome{Result: ResultRefused, Text: p.Detail}, nil
	}
	return outcome, err
}

// url joins the path's parts, whatever they hold.
func (c *Client) url(query url.Values, path []string) string {
	escaped := []string{"api", "v1"}
	for _, part := range path {
		escaped = append(escaped, url.PathEscape(part))
	}
	whole := *c.base
	whole.RawPath = strings.TrimRight(whole.EscapedPath(), "/") + "/" + strings.Join(escaped, "/")
	whole.Path = strings.TrimRight(whole.Path, "/") + "/" + strings.Join(append([]string{"api", "v1"}, path...), "/")
	whole.RawQuery = query.Encode()
	return whole.String()
}

func (c *Client) do(ctx context.Context, method string, query url.Values, path []string, body io.Reader, into any) error {
	for _, part := range path {
		if part == "" || part == "." || part == ".." { // they would change the path
			return &failure{kind: ErrNotFound, text: fmt.Sprintf("there is no fleet %q", part)}
		}
	}
	address := c.url(query, path)
	request, err := http.NewRequestWithContext(ctx, method, address, body)
	if err != nil {
		return fmt.Errorf("make the request: %w", err)
	}
	request.Header.Set("Accept", "application/json")
	request.Header.Set("User-Agent", "urban-robot")
	if body != nil {
		request.Header.Set("Content-Type", "application/json")
	}
	if !c.token.IsZero() {
		request.Header.Set("Authorization", "Bearer "+c.token.Reveal())
	}
	return c.answer(ctx, request, into)
}

// answer sends a request and reads what comes back.
func (c *Client) answer(ctx context.Context, request *http.Request, into any) error {
	response, err := c.http.Do(request)
	if err != nil {
		return c.unreachable(ctx, err)
	}
	defer response.Body.Close() //nolint:errcheck // it was only read
	text, err := io.ReadAll(io.LimitReader(response.Body, maxAnswerBytes))
	if err != nil {
		return c.unreachable(ctx, err)
	}
	kind, _, _ := mime.ParseMediaType(response.Header.Get("Content-Type"))
	switch {
	case kind == "application/problem+json":
		return c.problem(response.StatusCode, text)
	case response.StatusCode >= http.StatusMultipleChoices || kind != "application/json" || json.Unmarshal(text, into) != nil:
		return &failure{kind: ErrUnreachable, text: fmt.Sprintf(
			"what answers at %s is not Urban Robot's admin API (%s): is that what admin.listen says, and not where bots connect?",
			c.base, response.Status)}
	}
	return nil
}

// unreachable says why there is no answer. Only the caller's own context ends without ErrUnreachable.
func (c *Client) unreachable(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if asked, ok := errors.AsType[*url.Error](err); ok {
		err = asked.Err
	}
	why := err.Error()
	if lost, ok := errors.AsType[net.Error](err); ok && lost.Timeout() {
		why = fmt.Sprintf("nothing within %s", answerTimeout)
	} else if broken, ok := errors.AsType[*net.OpError](err); ok {
		why = plainCause(broken.Err)
	}
	return &failure{kind: ErrUnreachable, text: fmt.Sprintf(
		"no Urban Robot answers at %s (%s): is `urban-robot serve` running, and is admin.listen right?", c.base, why)}
}

// plainCause is the innermost reason: "connection refused" without the call that met it.
func plainCause(err error) string {
	for inner := errors.Unwrap(err); inner != nil; inner = errors.Unwrap(err) {
		err = inner
	}
	return err.Error()
}
