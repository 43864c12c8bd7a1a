package process

import (
	"slices"
	"strings"
)

// The variables by which a process knows what it is, and by which its children are found.
const (
	VariableInstance = "URBAN_ROBOT_INSTANCE"
	VariableRelease  = "URBAN_ROBOT_RELEASE"
)

// harmless are the variables that a program needs to work as it does when its operator starts it. Nothing of Urban Robot's own
// is among them: its environment holds the fleet's token and keys.
var harmless = []string{
	"PATH", "HOME", "USER", "LOGNAME", "SHELL", "LANG", "LANGUAGE", "LC_*", "TZ", "TMPDIR", "XDG_*",
	"SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE", "NODE_EXTRA_CA_CERTS",
	"HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "no_proxy", "all_proxy",
}

// Inherit returns those variables of environ that are harmless or that one of the names lets through: a name, or the beginning
// of one followed by *.
func Inherit(environ []string, names ...string) []string {
	var inherited []string
	for _, variable := range environ {
		name, _, _ := strings.Cut(variable, "=")
		let := func(pattern string) bool { return matches(pattern, name) }
		if slices.ContainsFunc(harmless, let) || slices.ContainsFunc(names, let) {
			inherited = append(inherited, variable)
		}
	}
	return inherited
}

func matches(pattern, name string) bool {
	if start, ok := strings.CutSuffix(pattern, "*"); ok {
		return start != "" && strings.HasPrefix(name, start)
	}
	return pattern == name
}

// Merge joins environments; of two variables with one name the later stays.
func Merge(environs ...[]string) []string {
	var merged []string
	at := make(map[string]int)
	for _, variable := range slices.Concat(environs...) {
		name, _, _ := strings.Cut(variable, "=")
		if i, twice := at[name]; twice {
			merged[i] = variable
			continue
		}
		at[name] = len(merged)
		merged = append(merged, variable)
	}
	return merged
}

// lookup returns the value of a variable.
func lookup(environ []string, name string) string {
	for _, variable := range environ {
		if value, ok := strings.CutPrefix(variable, name+"="); ok {
			return value
		}
	}
	return ""
}
