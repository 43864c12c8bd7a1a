package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"strings"

	"github.com/urban-robot/urban-robot/protocol"
)

// maxSecretBytes is far above every token and key.
const maxSecretBytes = 16 << 10

// secret is a text that the configuration names and never holds.
type secret struct {
	Env  string `json:"env,omitempty"`  // the variable that holds it
	File string `json:"file,omitempty"` // or the file

	Token protocol.Token `json:"-"` // the text itself, once resolved
}

// String says where the secret comes from.
func (s secret) String() string {
	switch {
	case s.Env != "":
		return "from the environment variable " + s.Env
	case s.File != "":
		return "from the file " + s.File
	}
	return "none"
}

func (s secret) isZero() bool { return s.Env == "" && s.File == "" }

// howToName is what to write where a secret's own text, or anything else, stands.
const howToName = "write {env: NAME} or {file: path}"

// secretFields are the two ways to name a secret.
func secretFields() []string { return []string{"env", "file"} }

// name takes the secret's name from its node: the higher layer's, where two are given. No error repeats what stands there: it may
// be the secret itself.
func (s *secret) name(n *node) error {
	if n.shape != shapeObject {
		return errors.New("a secret is named, never written here; " + howToName)
	}
	env, file := n.get("env"), n.get("file")
	for _, e := range n.object {
		if e.key != "env" && e.key != "file" {
			return errors.New("has a key other than env and file; " + howToName)
		}
		if e.value.shape != shapeScalar || strings.TrimSpace(e.value.text) == "" {
			return fmt.Errorf("its %s is not a name; %s", e.key, howToName)
		}
	}
	switch {
	case env == nil && file == nil:
		return errors.New("names no secret; " + howToName)
	case env != nil && file != nil && env.at.from == file.at.from:
		return errors.New("has both env and file; write one of them")
	case env != nil && (file == nil || env.at.from > file.at.from):
		return s.nameVariable(env.value.text)
	}
	s.File = file.value.text
	return nil
}

func (s *secret) nameVariable(name string) error {
	if !variableName(name) {
		return errors.New("its env is not the name of a variable; " + howToName)
	}
	s.Env = name
	return nil
}

// resolve fetches the text. The error says what is wrong and what to do; never what was found.
func (s *secret) resolve(lookup func(string) (string, bool)) error {
	var text string
	switch {
	case s.Env != "":
		found, ok := lookup(s.Env)
		if !ok {
			return fmt.Errorf("the environment variable %s is not set; put the secret there", s.Env)
		}
		text = found
	default:
		found, err := readSecret(s.File)
		if err != nil {
			return fmt.Errorf("the file %s %w", s.File, err)
		}
		text = found
	}
	text = strings.TrimSpace(text)
	switch {
	case text == "":
		return fmt.Errorf("is empty: %s; put the secret there", s)
	case strings.ContainsFunc(text, func(r rune) bool { return r <= ' ' || r > '~' }):
		return fmt.Errorf("is not one line of printable characters: %s; put nothing but the secret there", s)
	}
	s.Token = protocol.NewToken(text)
	return nil
}

// readSecret reads a file that nobody but its owner and group may read.
func readSecret(name string) (text string, err error) {
	info, err := os.Stat(name)
	switch {
	case err != nil:
		return "", errors.New("cannot be read: " + plainCause(err))
	case !info.Mode().IsRegular():
		return "", errors.New("is no plain file; name one that holds nothing but the secret")
	case info.Size() > maxSecretBytes:
		return "", fmt.Errorf("has more than %d bytes; name one that holds nothing but the secret", maxSecretBytes)
	case runtime.GOOS != "windows" && info.Mode().Perm()&0o007 != 0:
		return "", fmt.Errorf("is open to every user of this machine (mode %04o); chmod 600 it", info.Mode().Perm())
	}
	file, err := os.Open(name) //nolint:gosec // the operator names the file
	if err != nil {
		return "", errors.New("cannot be read: " + plainCause(err))
	}
	defer file.Close() //nolint:errcheck // it was only read
	read, err := io.ReadAll(io.LimitReader(file, maxSecretBytes))
	if err != nil {
		return "", errors.New("cannot be read: " + plainCause(err))
	}
	return string(read), nil
}
