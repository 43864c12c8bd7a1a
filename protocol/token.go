package protocol

import (
	"crypto/sha256"
	"crypto/subtle"
	"fmt"
)

const redacted = "[redacted]"

// Token is a secret: a Discord bot token, a fleet's key or a launch secret. However it is printed, logged or marshalled,
// it reads [redacted]; Reveal is the one way to its text. The zero Token is empty.
//
// The text stands behind a pointer so that fmt cannot reach it even through an unexported field of another struct.
type Token struct{ text *string }

// NewToken returns a Token that keeps text.
func NewToken(text string) Token { return Token{text: &text} }

// Reveal returns the text. Call it where the text leaves for the one it is meant for, and nowhere else.
func (t Token) Reveal() string {
	if t.text == nil {
		return ""
	}
	return *t.text
}

// IsZero reports whether there is no text.
func (t Token) IsZero() bool { return t.Reveal() == "" }

// Equal compares in constant time; neither the text nor its length can be measured.
func (t Token) Equal(other Token) bool {
	a, b := sha256.Sum256([]byte(t.Reveal())), sha256.Sum256([]byte(other.Reveal()))
	return subtle.ConstantTimeCompare(a[:], b[:]) == 1
}

// String returns [redacted].
func (Token) String() string { return redacted }

// GoString returns [redacted].
func (Token) GoString() string { return redacted }

// Format writes [redacted] for every verb.
func (Token) Format(s fmt.State, _ rune) { fmt.Fprint(s, redacted) }

// MarshalText returns [redacted]; JSON, YAML and zerolog use it.
func (Token) MarshalText() ([]byte, error) { return []byte(redacted), nil }

// UnmarshalText takes the text of a secret, as it stands in an identify or a file.
func (t *Token) UnmarshalText(text []byte) error {
	*t = NewToken(string(text))
	return nil
}
