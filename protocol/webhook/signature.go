package webhook

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"strings"

	"github.com/urban-robot/urban-robot/protocol"
)

// nobody is the hook of fleets that have none. Its secret is made up, so nothing is ever signed with it, but the same work is
// done to find that out.
func nobody() Hook { return Hook{Provider: GitHub, Secret: protocol.NewToken(rand.Text())} }

// signed reports whether the request comes from somebody who knows the hook's secret. Both comparisons are made for every
// provider, and each takes the same time whatever was sent.
func signed(hook Hook, header http.Header, body []byte) bool {
	mac := hmac.New(sha256.New, []byte(hook.Secret.Reveal()))
	_, _ = mac.Write(body)
	sum := mac.Sum(nil)
	known := hook.Secret.Equal(protocol.NewToken(only(header, "X-Gitlab-Token")))

	var sent string
	switch hook.Provider {
	case GitHub:
		text, found := strings.CutPrefix(only(header, "X-Hub-Signature-256"), "sha256=")
		if found {
			sent = text
		}
	case Gitea:
		sent = only(header, "X-Gitea-Signature")
	case GitLab:
		return known
	}
	got, err := hex.DecodeString(sent)
	return hmac.Equal(got, sum) && err == nil
}

// only returns the value of a header that is there once, or "".
func only(header http.Header, name string) string {
	if values := header.Values(name); len(values) == 1 {
		return values[0]
	}
	return ""
}

// suspicion says, for our log alone, what is wrong with a signature.
func suspicion(hook Hook, header http.Header) string {
	switch hook.Provider {
	case GitHub:
		if header.Get("X-Hub-Signature-256") != "" {
			break
		}
		if header.Get("X-Hub-Signature") != "" {
			return "signed with sha1 only; the provider must send X-Hub-Signature-256"
		}
		return "not signed; enter the secret at the provider"
	case Gitea:
		if header.Get("X-Gitea-Signature") == "" {
			return "not signed; enter the secret at the provider"
		}
		if isForm(header) {
			return "signature of a form; choose application/json at the provider"
		}
	case GitLab:
		if header.Get("X-Gitlab-Token") == "" {
			return "no token; enter the secret at the provider"
		}
	}
	return "wrong signature; the secret is not the same on both sides"
}
