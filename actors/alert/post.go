package alert

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// poster posts messages as JSON.
type poster struct {
	name   string
	url    string
	client *http.Client
	body   func(m message) any
}

// newPoster is for https URLs: a webhook of Discord, or of whatever takes JSON.
func newPoster(u *url.URL, transport http.RoundTripper) (sender, error) {
	if isDiscord(u.Hostname()) {
		return newDiscord(u, transport)
	}
	if u.Host == "" {
		return nil, errors.New("the URL has no host")
	}
	if u.Scheme == "http" && !isLocal(u.Hostname()) {
		return nil, errors.New("the URL is a secret and http would show it to everyone on the way; use https")
	}
	return post("https", u, transport, jsonBody), nil
}

func post(name string, u *url.URL, transport http.RoundTripper, body func(message) any) *poster {
	return &poster{name: name, url: u.String(), body: body, client: &http.Client{
		Transport:     transport,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
}

func isLocal(host string) bool {
	return host == "localhost" || net.ParseIP(host).IsLoopback()
}

func (p *poster) kind() string { return p.name }

func (p *poster) send(ctx context.Context, m message) error {
	body, err := json.Marshal(p.body(m))
	if err != nil {
		return &failure{err: err, final: true}
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, p.url, bytes.NewReader(body))
	if err != nil {
		return &failure{err: err, final: true}
	}
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set("User-Agent", userAgent)
	response, err := p.client.Do(request)
	if err != nil {
		return err
	}
	defer func() { _ = response.Body.Close() }()
	said, err := io.ReadAll(io.LimitReader(response.Body, maxAnswer))
	return judge(response.StatusCode, response.Header, said, err)
}

// judge says what an answer means.
func judge(status int, header http.Header, said []byte, unread error) error {
	switch {
	case status >= 200 && status < 300:
		return nil // also if the rest of the answer got lost: to send it again would say it twice
	case unread != nil:
		return fmt.Errorf("answered %d: %w", status, unread)
	}
	err := fmt.Errorf("answered %d: %s", status, said)
	switch {
	case status == http.StatusTooManyRequests:
		return &failure{err: err, after: retryAfter(header)}
	case status >= 500, status == http.StatusRequestTimeout, status == http.StatusTooEarly:
		return &failure{err: err}
	}
	return &failure{err: err, final: true}
}

// retryAfter reads how long a target wants to be left alone, in seconds that may have decimals.
func retryAfter(header http.Header) time.Duration {
	seconds, err := strconv.ParseFloat(strings.TrimSpace(header.Get("Retry-After")), 64)
	if err != nil || !(seconds > 0) {
		return 0
	}
	return time.Duration(min(seconds, maxBackoff.Seconds()) * float64(time.Second))
}

// jsonMessage is what is posted to an https URL. "text" is the field that many a chat takes; the others are for programs.
type jsonMessage struct {
	Text   string      `json:"text"`
	Level  string      `json:"level"`
	Fleet  string      `json:"fleet"`
	Count  int         `json:"count"`
	Alerts []jsonAlert `json:"alerts"`
}

type jsonAlert struct {
	Level   string    `json:"level"`
	What    string    `json:"what"`
	Fleet   string    `json:"fleet"`
	Release string    `json:"release,omitempty"`
	Reason  string    `json:"reason,omitempty"`
	Detail  string    `json:"detail,omitempty"`
	At      time.Time `json:"at"`
	Since   time.Time `json:"since"`
	Count   int       `json:"count"`
}

func jsonBody(m message) any {
	out := jsonMessage{Text: m.text(plain()), Level: m.head().Level.String(), Fleet: m.fleet, Count: m.count()}
	for _, l := range m.lines {
		out.Alerts = append(out.Alerts, jsonAlert{
			Level: l.Level.String(), What: l.What, Fleet: l.Fleet, Release: l.Release, Reason: l.Reason, Detail: l.Detail,
			At: l.At, Since: l.since, Count: l.n,
		})
	}
	return out
}
