package main

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/dustin/go-humanize"
)

// value is one setting: how its text is read and shown.
type value struct {
	kind string              // in a word or two, for people
	set  func(n *node) error // the error says what is wrong and what to write instead
	show func() string       // as it would be written
	data func() any          // as JSON would have it
}

// maxDuration is above every sensible duration and far below what overflows.
const maxDuration = 30 * 24 * time.Hour

// maxEcho is the longest text that a message repeats. What is longer may be a secret in the wrong place.
const maxEcho = 24

// echo repeats a refused text, unless it could be a secret.
func echo(text string) string {
	if len(text) > maxEcho || strings.ContainsFunc(text, func(r rune) bool { return r < ' ' || r > '~' }) {
		return "the text"
	}
	return strconv.Quote(text)
}

// scalar returns the node's text, if it is one value.
func scalar(n *node, example string) (string, error) {
	if n.shape != shapeScalar {
		return "", fmt.Errorf("is %s; write one value such as %s", n.shape, example)
	}
	return n.text, nil
}

// plain is scalar for what must not stand in quotes.
func plain(n *node, example string) (string, error) {
	text, err := scalar(n, example)
	if err == nil && n.quoted {
		return "", fmt.Errorf("is text in quotes; write it without them, such as %s", example)
	}
	return text, err
}

// duration is a length of time. Unless it is positive, 0 means something.
func duration(to *time.Duration, positive bool) value {
	show := func() string { return showDuration(*to) }
	return value{kind: "duration", show: show, data: func() any { return show() }, set: func(n *node) error {
		text, err := scalar(n, "30s")
		if err != nil {
			return err
		}
		d, err := readDuration(text, positive)
		if err != nil {
			return err
		}
		*to = d
		return nil
	}}
}

func readDuration(text string, positive bool) (time.Duration, error) {
	if _, notNumber := strconv.ParseFloat(text, 64); notNumber == nil && text != "0" {
		return 0, fmt.Errorf("%s has no unit; write one, such as %ss or %sm", echo(text), text, text)
	}
	d, err := time.ParseDuration(text)
	switch {
	case err != nil:
		return 0, fmt.Errorf("%s is no duration; write a number with its unit, such as 500ms, 30s, 10m or 1h", echo(text))
	case d < 0 && !positive:
		return 0, fmt.Errorf("%s is too short; write 0s or more", echo(text))
	case d <= 0 && positive:
		return 0, fmt.Errorf("%s is too short; write more than 0s", echo(text))
	case d > maxDuration:
		return 0, fmt.Errorf("%s is too long; write at most %s", echo(text), showDuration(maxDuration))
	}
	return d, nil
}

// durations is a range of lengths of time. A single one is a range of its own.
func durations(shortest, longest *time.Duration) value {
	const between = ".."
	show := func() string {
		if *shortest == *longest {
			return showDuration(*shortest)
		}
		return showDuration(*shortest) + between + showDuration(*longest)
	}
	return value{kind: "range", show: show, data: func() any { return show() }, set: func(n *node) error {
		text, err := scalar(n, "1s..5m")
		if err != nil {
			return err
		}
		first, last, isRange := strings.Cut(text, between)
		if !isRange {
			last = first
		}
		least, err := readDuration(strings.TrimSpace(first), true)
		if err != nil {
			return err
		}
		most, err := readDuration(strings.TrimSpace(last), true)
		if err != nil {
			return err
		}
		if most < least {
			return fmt.Errorf("%s goes down; write the shorter one first, such as 1s..5m", echo(text))
		}
		*shortest, *longest = least, most
		return nil
	}}
}

// showDuration writes 10m, not 10m0s.
func showDuration(d time.Duration) string {
	text := d.String()
	if strings.HasSuffix(text, "m0s") {
		text = strings.TrimSuffix(text, "0s")
	}
	if strings.HasSuffix(text, "h0m") {
		text = strings.TrimSuffix(text, "0m")
	}
	return text
}

// size is a number of bytes, from 1 to most.
func size(to *int64, most int64) value {
	show := func() string { return showSize(*to) }
	return value{kind: "size", show: show, data: func() any { return *to }, set: func(n *node) error {
		text, err := scalar(n, "16MiB")
		if err != nil {
			return err
		}
		bytes, err := humanize.ParseBytes(text)
		switch {
		case err != nil:
			return fmt.Errorf("%s is no size; write a number with its unit, such as 512KiB, 16MiB or 1GiB", echo(text))
		case bytes == 0:
			return fmt.Errorf("%s is too small; write more than 0B", echo(text))
		case bytes > uint64(most): //nolint:gosec // most is a positive constant
			return fmt.Errorf("%s is too large; write at most %s", echo(text), showSize(most))
		}
		*to = int64(bytes) //nolint:gosec // at most most
		return nil
	}}
}

// showSize writes 16MiB.
func showSize(bytes int64) string {
	units := []string{"B", "KiB", "MiB", "GiB"}
	for len(units) > 1 && bytes >= 1024 && bytes%1024 == 0 {
		bytes /= 1024
		units = units[1:]
	}
	return strconv.FormatInt(bytes, 10) + units[0]
}

// number is a whole number in a range.
func number(to *int, least, most int) value {
	return value{
		kind: "number", show: func() string { return strconv.Itoa(*to) }, data: func() any { return *to },
		set: func(n *node) error {
			text, err := plain(n, strconv.Itoa(max(least, 1)))
			if err != nil {
				return err
			}
			i, err := strconv.Atoi(text)
			if err != nil || i < least || i > most {
				return fmt.Errorf("%s does not fit; write a whole number from %d to %d", echo(text), least, most)
			}
			*to = i
			return nil
		},
	}
}

// percentage is a number from 0 to 100.
func percentage(to *float64) value {
	return value{
		kind: "percentage", show: func() string { return strconv.FormatFloat(*to, 'g', -1, 64) }, data: func() any { return *to },
		set: func(n *node) error {
			text, err := plain(n, "100")
			if err != nil {
				return err
			}
			p, err := strconv.ParseFloat(text, 64)
			if err != nil || math.IsNaN(p) || p < 0 || p > 100 {
				return fmt.Errorf("%s does not fit; write a number from 0 to 100, without a percent sign", echo(text))
			}
			*to = p
			return nil
		},
	}
}

// truth is true or false.
func truth(to *bool) value {
	return value{
		kind: "true or false", show: func() string { return strconv.FormatBool(*to) }, data: func() any { return *to },
		set: func(n *node) error {
			text, err := plain(n, "true")
			if err != nil {
				return err
			}
			if text != "true" && text != "false" {
				return fmt.Errorf("%s does not fit; write true or false", echo(text))
			}
			*to = text == "true"
			return nil
		},
	}
}

// choice is one of a few words.
func choice(to *string, words ...string) value {
	list := strings.Join(words[:len(words)-1], ", ") + " or " + words[len(words)-1]
	return value{kind: list, show: func() string { return *to }, data: func() any { return *to }, set: func(n *node) error {
		text, err := scalar(n, words[0])
		if err != nil {
			return err
		}
		if !slices.Contains(words, text) {
			return fmt.Errorf("%s does not fit; write %s", echo(text), list)
		}
		*to = text
		return nil
	}}
}
