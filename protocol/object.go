package protocol

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"strconv"
	"unicode"
)

const (
	maxInt = math.MaxInt // no limit

	idWant = "a string of 1 to 128 printable characters"
)

// object reads the fields of one JSON object. The first error stays and every later read returns a zero value, so that a
// decoder reads like the table of its event. null is the same as absent, and a field that nobody reads is ignored.
type object struct {
	fields map[string]json.RawMessage
	path   string // of the object within its event, ending in a dot; or empty
	first  **Error
}

// openEvent opens the argument of an event: within the size limit, absent or null meaning {}.
func openEvent(name string, data []byte) *object {
	if len(data) > MaxEventBytes {
		o := emptyObject()
		o.fail(Errorf(CodeTooLarge, "", "%s: want at most %d bytes, got %d", name, MaxEventBytes, len(data)))
		return o
	}
	if trimmed := bytes.TrimSpace(data); len(trimmed) == 0 || string(trimmed) == "null" {
		return emptyObject()
	}
	return openObject(name, data)
}

func openObject(what string, data []byte) *object {
	o := emptyObject()
	if err := checkUTF8(what, data); err != nil {
		o.fail(err)
		return o
	}
	if !json.Valid(data) {
		o.fail(Errorf(CodeMalformed, "", "%s: want one JSON object; got text that is not JSON", what))
		return o
	}
	if kind := kindOf(bytes.TrimSpace(data)); kind != kindObject {
		o.fail(Errorf(CodeMalformed, "", "%s: want one JSON object; got %s", what, kind))
		return o
	}
	o.parse(what, data)
	return o
}

func emptyObject() *object {
	var first *Error
	return &object{first: &first}
}

// failure returns the first error of this object and of its children.
func (o *object) failure() *Error { return *o.first }

func (o *object) fail(err *Error) {
	if *o.first == nil {
		*o.first = err
	}
}

// wrong says that a field is malformed: what was wanted, and which kind of value came. It never shows the value itself.
func (o *object) wrong(name, want, got string) {
	field := o.path + name
	o.fail(Errorf(CodeMalformed, field, "%s: want %s; got %s", field, want, got))
}

func (o *object) tooLarge(name string, limit int, unit string, got int) {
	field := o.path + name
	o.fail(Errorf(CodeTooLarge, field, "%s: want at most %d %s, got %d", field, limit, unit, got))
}

// parse splits valid JSON of an object into its fields.
func (o *object) parse(what string, data []byte) {
	if err := json.Unmarshal(data, &o.fields); err != nil {
		o.fail(Errorf(CodeMalformed, "", "%s: want one JSON object; got text that is not JSON", what))
	}
}

// take returns a field's JSON text if it is there, not null, and of that kind.
func (o *object) take(name string, required bool, kind, want string) (json.RawMessage, bool) {
	raw := o.fields[name]
	got := kindNothing
	if len(raw) > 0 {
		got = kindOf(raw)
	}
	switch {
	case *o.first != nil:
		return nil, false
	case got == kind:
		return raw, true
	case got != kindNothing && got != kindNull:
		o.wrong(name, want, got)
	case required:
		o.wrong(name, want, got)
	}
	return nil, false
}

// given reports whether a field is there and not null.
func (o *object) given(name string) bool {
	raw, ok := o.fields[name]
	return ok && kindOf(raw) != kindNull
}

// rule says what a string must be like.
type rule struct {
	required  bool
	printable bool   // no control characters, and not empty
	max       int    // bytes
	want      string // for the error
}

func (o *object) text(name string, r rule) string {
	raw, ok := o.take(name, r.required, kindString, r.want)
	if !ok {
		return ""
	}
	return o.checkText(name, raw, r)
}

func (o *object) checkText(name string, raw json.RawMessage, r rule) string {
	var s string
	if err := json.Unmarshal(raw, &s); err != nil {
		o.wrong(name, r.want, "text that is not JSON")
		return ""
	}
	switch {
	case len(s) > r.max:
		o.tooLarge(name, r.max, "bytes", len(s))
	case s == "" && (r.required || r.printable):
		o.wrong(name, r.want, "an empty string")
	case r.printable && !printable(s):
		o.wrong(name, r.want, "a character that cannot be printed")
	default:
		return s
	}
	return ""
}

// id returns a version, an instance or another id.
func (o *object) id(name string, required bool, want string) string {
	return o.text(name, rule{required: required, printable: true, max: MaxIDBytes, want: want})
}

// label returns an optional string of any characters.
func (o *object) label(name string) string {
	return o.text(name, rule{max: MaxStringBytes, want: "a string"})
}

// secret returns a Token, zero if it is absent or empty.
func (o *object) secret(name string) Token {
	if s := o.label(name); s != "" {
		return NewToken(s)
	}
	return Token{}
}

func (o *object) flag(name string, required bool) bool {
	raw, ok := o.take(name, required, kindBool, "true or false")
	return ok && string(raw) == "true"
}

// whole returns a whole number between low and high, or zero if it is absent.
func (o *object) whole(name string, required bool, low, high uint64) uint64 {
	raw, ok := o.take(name, required, kindNumber, wholeWant(low, high))
	if !ok {
		return 0
	}
	return o.checkWhole(name, raw, low, high)
}

func (o *object) checkWhole(name string, raw json.RawMessage, low, high uint64) uint64 {
	n, err := strconv.ParseUint(string(raw), 10, 64)
	if err != nil || n < low || n > high {
		o.wrong(name, wholeWant(low, high), clip(raw))
		return 0
	}
	return n
}

// number is whole for a field that Go holds as an int, which has room for MaxInteger wherever a server or a bot runs.
func (o *object) number(name string, required bool, low, high uint64) int {
	return int(o.whole(name, required, low, high)) //nolint:gosec // at most MaxInteger
}

func wholeWant(low, high uint64) string {
	if high == MaxInteger {
		return fmt.Sprintf("a whole number, %d or more", low)
	}
	return fmt.Sprintf("a whole number from %d to %d", low, high)
}

func (o *object) epoch(required bool) uint64 { return o.whole("epoch", required, 0, MaxInteger) }

// list returns the items of a list of at most limit items, nil if it is absent.
func (o *object) list(name string, limit int, want string) []json.RawMessage {
	raw, ok := o.take(name, false, kindList, want)
	if !ok {
		return nil
	}
	var items []json.RawMessage
	if err := json.Unmarshal(raw, &items); err != nil {
		o.wrong(name, want, "text that is not JSON")
		return nil
	}
	if len(items) > limit {
		o.tooLarge(name, limit, "items", len(items))
		return nil
	}
	return items
}

// texts returns a list of strings, nil if it is absent or empty.
func (o *object) texts(name string, limit int, r rule) []string {
	var out []string
	for i, raw := range o.list(name, limit, "a list of strings") {
		item := fmt.Sprintf("%s[%d]", name, i)
		if kind := kindOf(raw); kind != kindString {
			o.wrong(item, r.want, kind)
			return nil
		}
		out = append(out, o.checkText(item, raw, r))
	}
	if *o.first != nil {
		return nil
	}
	return out
}

// ids returns a list of ids, such as Discord's, nil if it is absent or empty.
func (o *object) ids(name string, limit int) []string {
	return o.texts(name, limit, rule{printable: true, max: MaxIDBytes, want: idWant + " (write a number as a string)"})
}

// child opens an object within the object. It is empty if the field is absent.
func (o *object) child(name string, required bool) *object {
	inner := &object{path: o.path + name + ".", first: o.first}
	if raw, ok := o.take(name, required, kindObject, "a JSON object"); ok {
		inner.parse(name, raw)
	}
	return inner
}

// Kinds of JSON values, as they read in an error.
const (
	kindNothing = "nothing"
	kindNull    = "null"
	kindBool    = "true or false"
	kindNumber  = "a number"
	kindString  = "a string"
	kindList    = "a list"
	kindObject  = "an object"
)

// kindOf tells the kind of a valid JSON value that has no space before it.
func kindOf(raw []byte) string {
	switch raw[0] {
	case 'n':
		return kindNull
	case 't', 'f':
		return kindBool
	case '"':
		return kindString
	case '[':
		return kindList
	case '{':
		return kindObject
	default:
		return kindNumber
	}
}

// clip shows a number, which is no secret, unless it is of absurd length.
func clip(raw json.RawMessage) string {
	if len(raw) > 32 {
		return "a longer number"
	}
	return string(raw)
}

func printable(s string) bool {
	for _, r := range s {
		if !unicode.IsPrint(r) {
			return false
		}
	}
	return true
}
