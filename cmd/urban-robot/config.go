package main

import (
	"errors"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"
)

// environmentPrefix begins the names of all variables of ours.
const environmentPrefix = "URBAN_ROBOT_"

// configVariable names the configuration file where --config does not.
const configVariable = environmentPrefix + "CONFIG"

// botVariables begin like ours but are for the bots, which may share an environment with the service.
func botVariables() []string {
	return []string{
		"URBAN_ROBOT_URL", "URBAN_ROBOT_KEY", "URBAN_ROBOT_FLEET",
		"URBAN_ROBOT_INSTANCE", "URBAN_ROBOT_VERSION", "URBAN_ROBOT_RELEASE", "URBAN_ROBOT_LAUNCH",
	}
}

// configFlags are the flags of a command that needs the configuration.
type configFlags struct {
	file      string
	overrides []override // in the order of the command line
}

// override is one value from outside the file.
type override struct {
	path string
	text string
	at   origin
}

// addConfigFlags gives a command --config, --set and a flag for each key that is often wanted. Call load when it runs.
func addConfigFlags(cmd *cobra.Command) *configFlags {
	f := &configFlags{}
	flags := cmd.Flags()
	flags.StringVarP(&f.file, "config", "c", "", "the configuration file (YAML)")
	flags.Var(&setFlag{to: f}, "set", "any key, as path=value, such as fleets.helium.lease=10s; may be repeated")
	add := func(name, path, usage string) { flags.Var(&keyFlag{to: f, name: name, path: path}, name, usage) }
	add("listen", "listen", "where bots connect (host:port)")
	add("state", "state", "where everything is kept (sqlite:path)")
	add("log-level", "log.level", "trace, debug, info, warn or error")
	add("log-format", "log.format", "auto, json or text")
	add("admin-listen", "admin.listen", "where deploy, rollback and try-again are taken (host:port); needs admin.token")
	return f
}

// keyFlag is the flag of one key.
type keyFlag struct {
	to         *configFlags
	name, path string
	text       string
}

// Set implements pflag.Value; whether the text fits is judged with the rest of the configuration.
func (k *keyFlag) Set(text string) error {
	k.text = text
	k.to.override(k.path, text, "--"+k.name)
	return nil
}

// String implements pflag.Value.
func (k *keyFlag) String() string { return k.text }

// Type implements pflag.Value.
func (*keyFlag) Type() string { return "value" }

// setFlag is --set.
type setFlag struct{ to *configFlags }

// Set implements pflag.Value. Its error does not repeat the text, of which a part may be a secret.
func (s *setFlag) Set(text string) error {
	path, rest, ok := strings.Cut(text, "=")
	if !ok || slices.Contains(strings.Split(path, "."), "") {
		return errors.New("write path=value, such as fleets.helium.lease=10s")
	}
	s.to.override(path, rest, "--set")
	return nil
}

// String implements pflag.Value.
func (*setFlag) String() string { return "" }

// Type implements pflag.Value.
func (*setFlag) Type() string { return "path=value" }

func (f *configFlags) override(path, text, name string) {
	at := origin{from: fromFlag, name: name, order: len(f.overrides) + 1}
	f.overrides = append(f.overrides, override{path: path, text: text, at: at})
}

// load reads the configuration: flags before environment before file before defaults. The error is a *configError
// with everything that is wrong. Call it once the command runs; it does not keep the environment.
func (f *configFlags) load() (config, error) {
	environment := readEnvironment()
	file := f.file
	if file == "" {
		file = environment[configVariable]
	}
	root := &node{shape: shapeObject}
	d := &decoder{refused: map[string]bool{}}
	if file != "" {
		var problems []problem
		if root, problems = readConfig(file); root == nil {
			return config{}, newConfigError(problems)
		}
		d.add(problems...)
	}
	overrides, unknown := newEnvironmentReader(root).overrides(environment, f.namedVariables(root))
	for _, o := range slices.Concat(overrides, f.overrides) {
		root.put(splitPath(o.path), o.text, o.at)
	}
	if file == "" {
		addDefaultFleet(root)
	}
	c := defaultConfig()
	c.Source = file
	d.add(unknown...)
	d.object(root, "", schema(&c))
	c.finish()
	checkRules(&c, root, d, os.LookupEnv)
	if len(d.problems) > 0 {
		return config{}, newConfigError(d.problems)
	}
	return c, nil
}

// namedVariables returns the variables that the configuration names as holding secrets; they may begin like ours.
func (f *configFlags) namedVariables(root *node) []string {
	var named []string
	var walk func(n *node)
	walk = func(n *node) {
		for _, e := range n.object {
			if e.key == "env" {
				named = append(named, e.value.text)
			}
			walk(e.value)
		}
	}
	walk(root)
	for _, o := range f.overrides {
		if strings.HasSuffix(o.path, ".env") {
			named = append(named, o.text)
		}
	}
	return named
}

// addDefaultFleet makes the service run without a file: one fleet, its token in DISCORD_TOKEN.
func addDefaultFleet(root *node) {
	if len(root.keys("fleets")) > 0 && root.get("fleets").value.get(defaultFleetName) == nil {
		return
	}
	if _, set := root.find("fleets." + defaultFleetName + ".token"); !set {
		root.put([]string{"fleets", defaultFleetName, "token", "env"}, defaultTokenEnv, origin{})
	}
}
