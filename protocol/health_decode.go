package protocol

import (
	"bytes"
	"encoding/json"
	"maps"
	"slices"
	"strconv"
)

// readHealthReport reads a report in any of the forms of CONTRACT.md section 5.
func readHealthReport(o *object) HealthReport {
	r := HealthReport{CheckID: o.id("check_id", false, idWant)}
	if name := o.spelling("ok", "OK"); name != "" {
		ok := o.flag(name, true)
		r.OK = &ok
	}
	if name := o.spelling("percentage", "percent"); name != "" {
		p := o.percentage(name)
		r.Percentage = &p
	}
	r.Cogs = readCogs(o)
	r.Checks = readChecks(o)
	if r.OK == nil && r.Percentage == nil && r.Cogs == nil {
		o.fail(Errorf(CodeMalformed, "", `%s: want at least one of ok, percentage and cogs, such as {"ok":true}`,
			EventHealthCheck))
	}
	return r
}

// spelling returns the one of two names of a field that is given, or nothing.
func (o *object) spelling(name, other string) string {
	switch {
	case o.given(name) && o.given(other):
		o.fail(Errorf(CodeMalformed, name, "%s: want either %s or %s; got both", name, name, other))
	case o.given(name):
		return name
	case o.given(other):
		return other
	}
	return ""
}

func (o *object) percentage(name string) float64 {
	const want = "a number from 0 to 100"
	raw, ok := o.take(name, true, kindNumber, want)
	if !ok {
		return 0
	}
	p, err := strconv.ParseFloat(string(raw), 64)
	if err != nil || p < 0 || p > 100 {
		o.wrong(name, want, clip(raw))
		return 0
	}
	return p + 0 // -0 is 0
}

// readCogs returns nil if the report does not speak of cogs.
func readCogs(o *object) map[string]Cog {
	const want = "a list of the cogs that work, or a map from each cog to true or false"
	switch {
	case !o.given("cogs"):
		return nil
	case kindOf(o.fields["cogs"]) == kindList:
		return readCogList(o, want)
	}
	raw, ok := o.take("cogs", true, kindObject, want)
	if !ok {
		return nil
	}
	m := &object{path: "cogs.", first: o.first}
	m.parse("cogs", raw)
	if len(m.fields) > MaxCogs {
		o.tooLarge("cogs", MaxCogs, "items", len(m.fields))
		return nil
	}
	cogs := make(map[string]Cog, len(m.fields))
	for _, name := range slices.Sorted(maps.Keys(m.fields)) {
		if !o.checkName("cogs", name) {
			return nil
		}
		cogs[name] = readCog(m, name)
	}
	return cogs
}

func readCogList(o *object, want string) map[string]Cog {
	items := o.list("cogs", MaxCogs, want)
	cogs := make(map[string]Cog, len(items))
	for _, raw := range items {
		if kind := kindOf(raw); kind != kindString {
			o.wrong("cogs", want, kind+" in the list")
			return nil
		}
		name := o.checkText("cogs", raw, rule{max: MaxStringBytes, want: want})
		if !o.checkName("cogs", name) {
			return nil
		}
		cogs[name] = Cog{OK: true}
	}
	return cogs
}

func readCog(m *object, name string) Cog {
	if raw := m.fields[name]; kindOf(raw) == kindBool {
		return Cog{OK: string(raw) == "true"}
	}
	if m.fields[name] == nil || kindOf(m.fields[name]) != kindObject {
		m.wrong(name, `true, false or {"ok":…}`, kindOf(m.fields[name]))
		return Cog{}
	}
	c := m.child(name, true)
	return Cog{OK: c.flag("ok", true), Error: c.label("error"), External: c.label("external")}
}

// checkName checks the name of a cog or of a check.
func (o *object) checkName(field, name string) bool {
	switch {
	case len(name) > MaxStringBytes:
		o.tooLarge(field, MaxStringBytes, "bytes in a name", len(name))
	case name == "":
		o.wrong(field, "names", "an empty one")
	}
	return o.failure() == nil
}

func readChecks(o *object) map[string][]Check {
	m := o.child("checks", false)
	if len(m.fields) == 0 {
		return nil
	}
	checks := make(map[string][]Check, len(m.fields))
	for _, name := range slices.Sorted(maps.Keys(m.fields)) {
		if !o.checkName("checks", name) {
			return nil
		}
		checks[name] = []Check{}
		for _, raw := range m.list(name, MaxCogs, "a list of checks") {
			checks[name] = append(checks[name], readCheck(m, name, raw))
		}
	}
	return checks
}

func readCheck(m *object, name string, raw json.RawMessage) Check {
	if kind := kindOf(raw); kind != kindObject {
		m.wrong(name, "a list of objects", kind+" in it")
		return Check{}
	}
	c := &object{path: m.path + name + ".", first: m.first}
	c.parse(name, raw)
	check := Check{
		Status:       CheckStatus(c.text("status", rule{required: true, max: MaxStringBytes, want: statusWant})),
		ObservedUnit: c.label("observedUnit"),
		Output:       c.label("output"),
		External:     c.label("external"),
	}
	switch check.Status {
	case CheckPass, CheckWarn, CheckFail:
	default:
		c.wrong("status", statusWant, "another string")
	}
	if c.given("observedValue") {
		check.ObservedValue = c.compact("observedValue")
	}
	return check
}

const statusWant = "pass, warn or fail"

// compact returns a field's JSON text without spaces.
func (o *object) compact(name string) json.RawMessage {
	var b bytes.Buffer
	if err := json.Compact(&b, o.fields[name]); err != nil {
		o.wrong(name, "a JSON value", "text that is not JSON")
	}
	if b.Len() > MaxStringBytes {
		o.tooLarge(name, MaxStringBytes, "bytes", b.Len())
	}
	return b.Bytes()
}
