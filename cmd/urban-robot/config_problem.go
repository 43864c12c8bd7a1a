package main

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// origin says where something was written. The zero origin is nowhere: a default.
type origin struct {
	from   layer
	name   string // the file, the variable or the flag
	line   int    // in a file, from 1
	column int    // in a file, from 1
	order  int    // of a flag on the command line
}

// layer orders the places a value can come from: a higher one wins.
type layer uint8

const (
	fromDefault layer = iota
	fromFile
	fromEnvironment
	fromFlag
)

// String is the origin as an editor understands it.
func (o origin) String() string {
	if o.from == fromFile && o.line > 0 {
		return fmt.Sprintf("%s:%d:%d", o.name, o.line, o.column)
	}
	return o.name
}

func (o origin) compare(other origin) int {
	return cmp.Or(
		cmp.Compare(o.from, other.from), cmp.Compare(o.line, other.line), cmp.Compare(o.column, other.column),
		cmp.Compare(o.order, other.order), cmp.Compare(o.name, other.name),
	)
}

// problem is one reason why a configuration is refused.
type problem struct {
	Path    string `json:"path,omitempty"`   // of the key
	Message string `json:"message"`          // what is wrong, and what to write instead
	Source  string `json:"source,omitempty"` // the file, the variable or the flag; empty: a default
	Line    int    `json:"line,omitempty"`
	Column  int    `json:"column,omitempty"`

	at origin
}

func newProblem(at origin, path, message string) problem {
	return problem{Path: path, Message: message, Source: at.name, Line: at.line, Column: at.column, at: at}
}

// String is the problem on one line.
func (p problem) String() string {
	parts := []string{p.at.String(), p.Path, p.Message}
	return strings.Join(slices.DeleteFunc(parts, func(s string) bool { return s == "" }), ": ")
}

// configError is all that is wrong with a configuration, in the order it was written: the file from its first line to its last,
// the environment, the flags.
type configError struct{ problems []problem }

func newConfigError(problems []problem) *configError {
	slices.SortStableFunc(problems, func(a, b problem) int {
		return cmp.Or(a.at.compare(b.at), cmp.Compare(a.Path, b.Path))
	})
	return &configError{problems: slices.CompactFunc(problems, func(a, b problem) bool { return a == b })}
}

// Error lists every problem on a line of its own.
func (e *configError) Error() string {
	lines := make([]string, 0, len(e.problems)+1)
	lines = append(lines, fmt.Sprintf("the configuration is refused, %s:", count(len(e.problems), "problem")))
	for _, p := range e.problems {
		lines = append(lines, "  "+p.String())
	}
	return strings.Join(lines, "\n")
}

// count is a number with its noun.
func count(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}
