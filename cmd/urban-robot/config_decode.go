package main

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

const maxFleetName = 64

// decoder reads a tree through the schema.
type decoder struct {
	problems []problem
	refused  map[string]bool // paths that have a problem
}

func (d *decoder) refuse(at origin, path, message string) { d.add(newProblem(at, path, message)) }

func (d *decoder) add(problems ...problem) {
	d.problems = append(d.problems, problems...)
	for _, p := range problems {
		d.refused[p.Path] = true
	}
}

// object reads a group of keys.
func (d *decoder) object(n *node, path string, fields []field) {
	for _, e := range n.object {
		here := joinPath(path, e.key)
		i := slices.IndexFunc(fields, func(f field) bool { return f.name == e.key })
		if i < 0 {
			d.refuse(e.at, joinPath(path, cut(e.key)), "unknown key; "+meant(path, e.key, fields))
			continue
		}
		d.field(e, here, fields[i])
	}
}

// field reads one key.
func (d *decoder) field(e entry, path string, f field) {
	switch {
	case d.refused[path]: // its notation was; once is enough
	case f.secret != nil:
		if err := f.secret.name(e.value); err != nil {
			d.refuse(e.value.at, path, err.Error())
		}
	case f.each != nil:
		if d.isObject(e, path, "write the name of a fleet and its keys below it") {
			d.each(e.value, path, f.each)
		}
	case f.items != nil:
		d.items(e, path, f.items)
	case f.fields != nil:
		if d.isObject(e, path, "write its keys below it: "+strings.Join(fieldNames(f.fields), ", ")) {
			d.object(e.value, path, f.fields)
		}
	case e.value.shape == shapeEmpty:
		d.refuse(e.at, path, "is empty; write a "+f.value.kind+" or leave the key out")
	default:
		if err := f.value.set(e.value); err != nil {
			d.refuse(e.value.at, path, err.Error())
		}
	}
}

// each reads a group whose keys the operator names.
func (d *decoder) each(n *node, path string, fields func(string) []field) {
	for _, e := range n.object {
		here := joinPath(path, e.key)
		if !validFleetName(e.key) {
			d.refuse(e.at, joinPath(path, cut(e.key)), fmt.Sprintf("is no name for a fleet; write 1 to %d of a-z, 0-9, - and _, such as helium", maxFleetName))
			continue
		}
		sub := fields(e.key)
		if d.isObject(e, here, "write its keys below it, token at least: "+howToName) {
			d.object(e.value, here, sub)
		}
	}
}

// items reads a list of groups. Flags and variables name an item by its place: alerts.0.
func (d *decoder) items(e entry, path string, l *list) {
	n := e.value
	layered := n.at.from != fromFile
	switch {
	case layered && n.shape == shapeScalar && n.text == "": // laid over the file's: none
		return
	case n.shape != shapeList && (n.shape != shapeObject || !layered):
		d.refuse(n.at, path, "is "+n.shape.String()+"; write a list such as "+l.example)
		return
	case len(n.object) > l.most:
		d.refuse(n.at, path, fmt.Sprintf("has %d items; write at most %d", len(n.object), l.most))
		return
	}
	for _, item := range n.object {
		here := joinPath(path, cut(item.key))
		i, ok := place(item.key, len(n.object))
		if !ok {
			d.refuse(item.at, here, "is no place in the list; number its items 0, 1, 2 and so on, and leave none out")
		} else if d.isObject(item, here, "write its keys below it: "+strings.Join(fieldNames(l.at(i)), ", ")) {
			d.object(item.value, here, l.at(i))
		}
	}
}

// place reads the place of an item in a list of so many.
func place(key string, of int) (int, bool) {
	i, err := strconv.Atoi(key)
	return i, err == nil && i >= 0 && i < of && strconv.Itoa(i) == key
}

func (d *decoder) isObject(e entry, path, instead string) bool {
	if e.value.shape != shapeObject {
		d.refuse(e.value.at, path, "is "+e.value.shape.String()+"; "+instead)
		return false
	}
	return true
}

// meant says what to write instead of an unknown key: its neighbour's name, the place where such a key does stand, or what there is.
func meant(path, key string, fields []field) string {
	if near := nearest(key, fieldNames(fields)); near != "" {
		return "did you mean " + near + "?"
	}
	var elsewhere []string
	scratch := defaultConfig()
	eachSetting(schema(&scratch), "", fleetOf(path), func(p string, _ field) {
		if strings.HasSuffix(p, "."+key) || p == key {
			elsewhere = append(elsewhere, p)
		}
	})
	if len(elsewhere) > 0 {
		return "did you mean " + strings.Join(elsewhere, " or ") + "?"
	}
	return "known here: " + strings.Join(fieldNames(fields), ", ")
}

// fleetOf names the fleet that a path is in; any fleet, if it is in none.
func fleetOf(path string) []string {
	if parts := splitPath(path); len(parts) > 1 && parts[0] == "fleets" {
		return parts[1:2]
	}
	return []string{anyFleet}
}

// fieldNames lists the keys that may be written.
func fieldNames(fields []field) []string {
	names := make([]string, 0, len(fields))
	for _, f := range fields {
		names = append(names, f.name)
	}
	return names
}

func validFleetName(name string) bool {
	odd := func(r rune) bool { return (r < 'a' || r > 'z') && (r < '0' || r > '9') && r != '-' && r != '_' }
	return name != "" && len(name) <= maxFleetName && !strings.ContainsFunc(name, odd)
}

// cut shortens a key that somebody may have mistaken for a value.
func cut(key string) string {
	if len(key) > maxEcho {
		return "…"
	}
	return key
}
