package webhook

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"mime"
	"net/http"
	"net/url"
	"strings"
	"unicode"
	"unicode/utf8"
)

const (
	maxMessage  = 4 << 10
	maxPusher   = 256
	maxDelivery = 128
)

var (
	errContentType = errors.New("send application/json")
	errPayload     = errors.New("the payload is not that of a push")
	errCommit      = errors.New("the commit is not 40 or 64 hexadecimal digits")
)

// payload is all that we read of a push; the three providers name it alike.
type payload struct {
	Ref        string   `json:"ref"`
	After      string   `json:"after"`
	Deleted    bool     `json:"deleted"` // GitHub
	HeadCommit *commit  `json:"head_commit"`
	Commits    []commit `json:"commits"`
	Pusher     struct {
		Name  string `json:"name"`  // GitHub
		Login string `json:"login"` // Gitea
	} `json:"pusher"`
	UserUsername string `json:"user_username"` // GitLab
	UserName     string `json:"user_name"`     // GitLab
}

type commit struct {
	ID      string `json:"id"`
	Message string `json:"message"`
}

// kind is what a delivery is about.
type kind int

const (
	kindOther kind = iota + 1
	kindPush
	kindPing
)

// kindOf returns what the provider says the delivery is about, and the name it gave to that.
func kindOf(p Provider, header http.Header) (kind, string) {
	name := printable(only(header, map[Provider]string{
		GitHub: "X-Github-Event", GitLab: "X-Gitlab-Event", Gitea: "X-Gitea-Event",
	}[p]), 64)
	switch {
	case p == GitLab && name == "Push Hook", p != GitLab && name == "push":
		return kindPush, name
	case p != GitLab && name == "ping":
		return kindPing, name
	}
	return kindOther, name
}

func isForm(header http.Header) bool {
	media, _, err := mime.ParseMediaType(only(header, "Content-Type"))
	return err == nil && media == "application/x-www-form-urlencoded"
}

// unwrap returns the JSON text of a signed body.
func unwrap(p Provider, header http.Header, body []byte) ([]byte, error) {
	if media, _, err := mime.ParseMediaType(only(header, "Content-Type")); err == nil && media == "application/json" {
		return body, nil
	}
	if p != GitHub || !isForm(header) {
		return nil, errContentType
	}
	form, err := url.ParseQuery(string(body))
	if err != nil || len(form["payload"]) != 1 {
		return nil, errPayload
	}
	return []byte(form.Get("payload")), nil
}

// read takes a push from its JSON text. ignored, if it is not "", says why the push is none of the hook's.
func read(hook Hook, text []byte) (p Push, ignored string, err error) {
	var in payload
	if err := json.Unmarshal(text, &in); err != nil {
		return Push{}, "", errPayload
	}
	if !isCommit(in.After) {
		return Push{}, "", errCommit
	}
	branch, found := strings.CutPrefix(in.Ref, "refs/heads/")
	switch {
	case in.Ref == "":
		return Push{}, "", errPayload
	case !found:
		return Push{}, "not a branch", nil
	case branch != hook.Branch:
		return Push{}, "not the branch that is deployed", nil
	case in.Deleted || strings.Trim(in.After, "0") == "":
		return Push{}, "the branch was deleted", nil
	}
	message, known := in.message()
	switch {
	case hook.Only == "":
	case !known:
		return Push{}, "the message of the commit was not sent, so it cannot be looked at for " + hook.Only, nil
	case !strings.Contains(message, hook.Only):
		return Push{}, "the message of the commit does not contain " + hook.Only, nil
	}
	return Push{Commit: in.After, Branch: hook.Branch, Message: clip(message, maxMessage), Pusher: in.pusher()}, "", nil
}

// message returns the message of the commit that the branch stands at now. A branch that was created at an older commit comes
// without it.
func (p payload) message() (string, bool) {
	if p.HeadCommit != nil && p.HeadCommit.ID == p.After {
		return p.HeadCommit.Message, true
	}
	for _, c := range p.Commits {
		if c.ID == p.After {
			return c.Message, true
		}
	}
	return "", false
}

func (p payload) pusher() string {
	for _, name := range []string{p.Pusher.Login, p.Pusher.Name, p.UserUsername, p.UserName} {
		if name = printable(name, maxPusher); name != "" {
			return name
		}
	}
	return ""
}

// isCommit reports whether text is the id of a commit, SHA-1 or SHA-256.
func isCommit(text string) bool {
	return (len(text) == 40 || len(text) == 64) && strings.Trim(text, "0123456789abcdef") == ""
}

// delivery returns the provider's id of a delivery, and the keys by which to know it again.
func delivery(hook Hook, header http.Header, body []byte) (id string, keys []string) {
	sum := sha256.Sum256(body)
	digest := "sha256:" + hex.EncodeToString(sum[:])
	switch hook.Provider {
	case GitHub:
		id = identifier(header, "X-Github-Delivery")
	case Gitea:
		id = identifier(header, "X-Gitea-Delivery")
	case GitLab:
		if id = identifier(header, "Idempotency-Key"); id != "" {
			return id, []string{id}
		}
		// The UUID is shared by all that one webhook brings about, and two pushes to and fro may have one body.
		if id = identifier(header, "X-Gitlab-Event-Uuid"); id != "" {
			return id, []string{id + " " + digest}
		}
	}
	if id == "" {
		return digest, []string{digest}
	}
	return id, []string{id, digest}
}

// identifier returns a header's value if it can be an id.
func identifier(header http.Header, name string) string {
	value := only(header, name)
	if len(value) > maxDelivery || strings.ContainsFunc(value, func(r rune) bool { return r <= ' ' || r > '~' }) {
		return ""
	}
	return value
}

// clip cuts text to at most limit bytes, between two characters.
func clip(text string, limit int) string {
	if len(text) <= limit {
		return text
	}
	for limit > 0 && !utf8.RuneStart(text[limit]) {
		limit--
	}
	return text[:limit]
}

// printable returns text in one line, for a log.
func printable(text string, limit int) string {
	return strings.ToValidUTF8(clip(strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return -1
		}
		return r
	}, text), limit), "")
}
