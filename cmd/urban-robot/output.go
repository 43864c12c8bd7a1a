package main

import (
	"encoding/json"
	"fmt"
	"io"

	"github.com/spf13/cobra"
)

// output is the flag -o: how a command prints what it has to say.
type output string

const (
	outputText output = "text" // for people
	outputJSON output = "json" // for programs: one object
)

// addOutputFlag gives a command its -o.
func addOutputFlag(cmd *cobra.Command) *output {
	o := outputText
	cmd.Flags().VarP(&o, "output", "o", "how to print: text or json")
	return &o
}

// Set implements pflag.Value.
func (o *output) Set(text string) error {
	switch output(text) {
	case outputText, outputJSON:
		*o = output(text)
		return nil
	}
	return fmt.Errorf("write %s or %s", outputText, outputJSON)
}

// String implements pflag.Value.
func (o *output) String() string { return string(*o) }

// Type implements pflag.Value.
func (o *output) Type() string { return "format" }

// printJSON writes v as one indented object.
func printJSON(w io.Writer, v any) error {
	encoder := json.NewEncoder(w)
	encoder.SetIndent("", "  ")
	encoder.SetEscapeHTML(false)
	return encoder.Encode(v)
}
