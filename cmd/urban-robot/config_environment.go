package main

import (
	"maps"
	"os"
	"slices"
	"strings"
)

// variable is an environment variable and the key that it sets.
type variable struct {
	name string
	path string
}

// variablesFor lists the variables there are for fleets of these names.
func variablesFor(fleets []string) []variable {
	var all []variable
	scratch := defaultConfig()
	eachSettingOf(schema(&scratch), "", fleets, maxItems, func(path string, f field) {
		all = append(all, variable{name: environmentName(path), path: path})
		if f.secret != nil {
			for _, way := range secretFields() {
				all = append(all, variable{name: environmentName(joinPath(path, way)), path: joinPath(path, way)})
			}
		}
	})
	return all
}

// environmentName is the variable of a key.
func environmentName(path string) string {
	return environmentPrefix + strings.ToUpper(strings.NewReplacer(".", "_", "-", "_").Replace(path))
}

// environmentReader says what variables mean beside a configuration file.
type environmentReader struct {
	variables []variable
	newFleets bool // the file has no fleets: variables may make them
}

func newEnvironmentReader(root *node) environmentReader {
	fleets := slices.DeleteFunc(root.keys("fleets"), func(name string) bool { return !validFleetName(name) })
	return environmentReader{variables: variablesFor(fleets), newFleets: len(fleets) == 0}
}

// paths returns the keys that a variable sets: none, or one, or more where the names of fleets differ in - and _ alone.
func (r environmentReader) paths(name string) []string {
	var found []string
	for _, v := range r.variables {
		if v.name == name {
			found = append(found, v.path)
		}
	}
	if path := newFleetPath(name); len(found) == 0 && r.newFleets && path != "" {
		return []string{path}
	}
	return found
}

// newFleetPath reads the name of a fleet out of a variable: what stands before the longest key that the variable ends with.
func newFleetPath(name string) string {
	start := environmentName("fleets") + "_"
	rest, ok := strings.CutPrefix(name, start)
	if !ok {
		return ""
	}
	fleet, path := "", ""
	for _, v := range variablesFor([]string{anyFleet}) {
		ending, ok := strings.CutPrefix(v.name, environmentName("fleets."+anyFleet))
		before, ends := strings.CutSuffix(rest, ending)
		if ok && ends && before != "" && (path == "" || len(before) < len(fleet)) {
			fleet, path = before, v.path
		}
	}
	return strings.Replace(path, anyFleet, strings.ToLower(fleet), 1)
}

// meant says which variable to set instead of one that means nothing.
func (r environmentReader) meant(name string) string {
	known := slices.Concat(botVariables(), clientVariables(), []string{configVariable})
	for _, v := range r.variables {
		known = append(known, v.name)
	}
	for i := range known {
		known[i] = strings.TrimPrefix(known[i], environmentPrefix)
	}
	if near := nearest(strings.TrimPrefix(name, environmentPrefix), known); near != "" {
		return "did you mean " + environmentPrefix + near + "?"
	}
	return "unset it, or see urban-robot check --help for those there are"
}

// overrides sorts an environment into values for keys and variables that mean nothing. A variable that is named as a secret's,
// by the file, by a flag or by another variable, is neither.
func (r environmentReader) overrides(environment map[string]string, named []string) ([]override, []problem) {
	for name, text := range environment {
		if strings.HasSuffix(name, "_ENV") {
			named = append(named, text)
		}
	}
	skip := slices.Concat(named, botVariables(), clientVariables(), []string{configVariable})
	var overrides []override
	var unknown []problem
	for _, name := range slices.Sorted(maps.Keys(environment)) {
		if slices.Contains(skip, name) {
			continue
		}
		at := origin{from: fromEnvironment, name: name}
		switch paths := r.paths(name); len(paths) {
		case 0:
			unknown = append(unknown, newProblem(at, "", "unknown variable; "+r.meant(name)))
		case 1:
			overrides = append(overrides, override{path: paths[0], text: environment[name], at: at})
		default:
			unknown = append(unknown, newProblem(at, "", "could mean "+strings.Join(paths, " or ")+"; say which one with --set"))
		}
	}
	return overrides, unknown
}

// readEnvironment returns the variables that are ours and not empty: an empty one counts as not set.
func readEnvironment() map[string]string {
	found := map[string]string{}
	for _, pair := range os.Environ() {
		name, text, _ := strings.Cut(pair, "=")
		if strings.HasPrefix(name, environmentPrefix) && text != "" {
			found[name] = text
		}
	}
	return found
}
