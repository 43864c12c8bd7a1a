package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// Limits of a command line; the kernel's are higher.
const (
	maxArguments     = 256
	maxArgumentBytes = 16 << 10
)

// texts is a list of names.
func texts(to *[]string, most, longest int) value {
	return listOf(to, "[modules.admin, modules.fun]", func(items []string) error {
		if len(items) > most {
			return fmt.Errorf("has %d names; write at most %d", len(items), most)
		}
		for i, item := range items {
			if item == "" || len(item) > longest {
				return fmt.Errorf("its item %d has %d bytes; write a name of 1 to %d bytes", i+1, len(item), longest)
			}
		}
		return once(items)
	})
}

// arguments is a program with its arguments. No shell reads them.
func arguments(to *[]string) value {
	const example = "[python3, main.py]"
	v := listOf(to, example, func(items []string) error {
		switch {
		case len(items) > maxArguments:
			return fmt.Errorf("has %d items; write at most %d, or put them in a script", len(items), maxArguments)
		case len(items) > 0 && strings.TrimSpace(items[0]) == "":
			return errors.New("begins with nothing; write the program first, such as " + example)
		}
		for i, item := range items {
			if len(item) > maxArgumentBytes || strings.ContainsRune(item, 0) {
				return fmt.Errorf("its item %d is no argument; write one without zero bytes, of at most %d bytes", i+1, maxArgumentBytes)
			}
		}
		return nil
	})
	v.kind = "command"
	return emptyIsNone(v, to)
}

// emptyIsNone makes an empty list the same as one that is not written.
func emptyIsNone(v value, to *[]string) value {
	set := v.set
	v.set = func(n *node) error {
		err := set(n)
		if len(*to) == 0 {
			*to = nil
		}
		return err
	}
	return v
}

// variables is a list of names of variables, or of the beginnings of names, followed by *.
func variables(to *[]string, most int) value {
	v := listOf(to, "[DATABASE_URL, MUSIC_*]", func(items []string) error {
		if len(items) > most {
			return fmt.Errorf("has %d names; write at most %d", len(items), most)
		}
		for i, item := range items {
			if name := strings.TrimSuffix(item, "*"); !variableName(name) {
				return fmt.Errorf("its item %d is not the name of a variable; write names, never values, such as DATABASE_URL, or MUSIC_* for all that begin so", i+1)
			}
		}
		return once(items)
	})
	return emptyIsNone(v, to)
}

func variableName(name string) bool {
	for i, r := range name {
		letter := r == '_' || r >= 'A' && r <= 'Z' || r >= 'a' && r <= 'z'
		if !letter && (i == 0 || r < '0' || r > '9') {
			return false
		}
	}
	return name != ""
}

// once refuses an item that stands there twice.
func once(items []string) error {
	for i, item := range items {
		if slices.Contains(items[:i], item) {
			return fmt.Errorf("its item %d stands there twice; write it once", i+1)
		}
	}
	return nil
}

// listOf is a list of texts, which in a flag or a variable stands in one line: with commas, or as JSON.
func listOf(to *[]string, example string, check func([]string) error) value {
	show := func() string { return showList(*to) }
	data := func() any { return append([]string{}, *to...) }
	return value{kind: "list", show: show, data: data, set: func(n *node) error {
		items, err := listed(n, example)
		if err != nil {
			return err
		}
		if err := check(items); err != nil {
			return err
		}
		*to = items
		return nil
	}}
}

// showList writes a list in one line, as a flag takes it.
func showList(items []string) string {
	odd := func(item string) bool {
		return item == "" || strings.Contains(item, ",") || strings.TrimSpace(item) != item || strings.HasPrefix(item, "[")
	}
	if !slices.ContainsFunc(items, odd) {
		return strings.Join(items, ",")
	}
	text, err := json.Marshal(items)
	if err != nil {
		panic(err) // texts can always be written
	}
	return string(text)
}

// listed returns the items of a list.
func listed(n *node, example string) ([]string, error) {
	switch {
	case n.shape == shapeScalar && n.at.from != fromFile:
		return inLine(n.text)
	case n.shape != shapeList:
		return nil, fmt.Errorf("is %s; write a list such as %s", n.shape, example)
	}
	items := make([]string, 0, len(n.object))
	for i, item := range n.object {
		if at, ok := place(item.key, len(n.object)); !ok || at != i {
			return nil, fmt.Errorf("has no item %s to replace; write the whole list", echo(item.key))
		}
		if item.value.shape != shapeScalar {
			return nil, fmt.Errorf("its item %d is %s; write a name", i+1, item.value.shape)
		}
		items = append(items, item.value.text)
	}
	return items, nil
}

// inLine returns the items of a list in one line.
func inLine(text string) ([]string, error) {
	items := []string{}
	if strings.HasPrefix(text, "[") {
		if err := json.Unmarshal([]byte(text), &items); err != nil {
			return nil, errors.New(`begins like JSON and is no list of texts; write one such as ["sh", "-c", "a, b"]`)
		}
		return items, nil
	}
	for item := range strings.SplitSeq(text, ",") {
		if item = strings.TrimSpace(item); item != "" || strings.Contains(text, ",") {
			items = append(items, item)
		}
	}
	return items, nil
}
