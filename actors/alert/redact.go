package alert

import (
	"cmp"
	"encoding/base64"
	"errors"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"unicode"

	"github.com/urban-robot/urban-robot/protocol"
)

const (
	redacted    = "[redacted]"
	maxSaid     = 300 // characters of what a server or a library said
	leastSecret = 4   // characters of a part of a URL that may be one
)

var anyURL = regexp.MustCompile(`[A-Za-z][A-Za-z0-9+.-]*://[^\s"'<>]+`)

// parse reads a URL. The error of net/url repeats it, ours does not.
func parse(secret protocol.Token) (*url.URL, error) {
	u, err := url.Parse(strings.TrimSpace(secret.Reveal()))
	switch {
	case secret.IsZero():
		return nil, errors.New("the URL is missing")
	case err != nil, u.Scheme == "" || u.Opaque != "":
		return nil, errors.New("the URL cannot be read; it begins like https:// or telegram://")
	}
	return u, nil
}

// redactor takes a target's URL, all parts of it, and any other URL, out of what somebody else says.
type redactor struct{ parts *strings.Replacer }

func newRedactor(secret protocol.Token) redactor {
	raw := strings.TrimSpace(secret.Reveal())
	parts := []string{raw}
	add := func(texts ...string) {
		for _, text := range texts {
			decoded, err := url.PathUnescape(text)
			if err != nil {
				decoded = text
			}
			for _, form := range []string{text, decoded, strings.ToLower(text), url.QueryEscape(decoded), url.PathEscape(decoded)} {
				parts = append(parts, form)
				parts = append(parts, pieces(form)...)
			}
		}
	}
	if u, err := url.Parse(raw); err == nil {
		password, _ := u.User.Password()
		add(u.User.Username(), password, u.Host, u.Hostname(), u.Fragment)
		basic := []byte(u.User.Username() + ":" + password)
		parts = append(parts, base64.RawStdEncoding.EncodeToString(basic), base64.RawURLEncoding.EncodeToString(basic))
		add(strings.Split(u.EscapedPath(), "/")...)
		for _, values := range u.Query() {
			add(values...)
		}
	} else {
		add(pieces(raw)...)
	}
	parts = slices.DeleteFunc(parts, func(part string) bool { return len(part) < leastSecret })
	slices.SortFunc(parts, func(a, b string) int { return cmp.Compare(len(b), len(a)) })
	var pairs []string
	for _, part := range slices.Compact(parts) {
		pairs = append(pairs, part, redacted)
	}
	return redactor{parts: strings.NewReplacer(pairs...)}
}

// pieces returns the longer words of a text: a library may split a token at its dashes.
func pieces(text string) []string {
	words := strings.FieldsFunc(text, func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsDigit(r) })
	return slices.DeleteFunc(words, func(word string) bool { return len(word) < 2*leastSecret })
}

func (r redactor) text(said string) string {
	return oneLine(r.parts.Replace(anyURL.ReplaceAllString(said, redacted)), maxSaid)
}

// error returns an error that says the same, redacted, and that nothing else can be got out of.
func (r redactor) error(err error) error { return errors.New(r.text(err.Error())) }
