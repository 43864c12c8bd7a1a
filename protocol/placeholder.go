package protocol

import (
	"bytes"
	"encoding/json"
	"strconv"
)

// checkPlaceholders checks that every {"_placeholder":true,"num":N} in the JSON text of a cache points at one of its n
// attachments. A client that is sent one that does not closes its connection, so a bad cache must not be passed on.
//
// The text is known to be valid JSON, in which a string before a colon is a key; that makes one pass over the bytes
// enough. Invalid text gives some answer, never a panic.
func checkPlaceholders(text []byte, n int) *Error {
	if n == 0 {
		return nil // an event without attachments is not searched for placeholders
	}
	var open []candidate // the objects around the current byte
	for i := 0; i < len(text); i++ {
		switch text[i] {
		case '{':
			open = append(open, candidate{num: -1})
		case '}':
			if last := len(open) - 1; last >= 0 {
				if !open[last].fits(n) {
					return Errorf(CodeMalformed, "", `%s: want every {"_placeholder":true,"num":N} to be one of the %d attachments`,
						EventCacheSync, n)
				}
				open = open[:last]
			}
		case '"':
			end := stringEnd(text, i)
			if value, isKey := afterColon(text, end); isKey && len(open) > 0 {
				open[len(open)-1].field(text[i:end], value)
			}
			i = end - 1
		}
	}
	return nil
}

// candidate is an object that may be a placeholder.
type candidate struct {
	marked bool // it has the key _placeholder
	binary bool // and that is true
	num    int
}

func (c *candidate) field(key, value []byte) {
	switch name := unquote(key); name {
	case "_placeholder":
		c.marked, c.binary = true, bytes.HasPrefix(value, []byte("true"))
	case "num":
		c.num = -1
		digits := bytes.IndexFunc(value, func(r rune) bool { return r < '0' || r > '9' })
		if digits < 0 || bytes.ContainsRune([]byte(".eE"), rune(value[digits])) {
			return
		}
		if n, err := strconv.Atoi(string(value[:digits])); err == nil {
			c.num = n
		}
	}
}

// fits reports whether c is no placeholder, or one of n attachments.
func (c *candidate) fits(n int) bool { return !c.marked || c.binary && c.num >= 0 && c.num < n }

// stringEnd returns the index after the string that begins at start.
func stringEnd(text []byte, start int) int {
	for i := start + 1; i < len(text); i++ {
		switch text[i] {
		case '\\':
			i++
		case '"':
			return i + 1
		}
	}
	return len(text)
}

// afterColon returns what follows if a colon is next.
func afterColon(text []byte, i int) ([]byte, bool) {
	const space = " \t\r\n"
	rest := bytes.TrimLeft(text[i:], space)
	if len(rest) == 0 || rest[0] != ':' {
		return nil, false
	}
	return bytes.TrimLeft(rest[1:], space), true
}

// unquote returns the text of a key, which hardly ever has an escape in it.
func unquote(key []byte) string {
	if bytes.IndexByte(key, '\\') < 0 {
		return string(bytes.Trim(key, `"`))
	}
	var s string
	if json.Unmarshal(key, &s) != nil {
		return ""
	}
	return s
}
