package main

import (
	"cmp"
	"errors"
	"os"
	"os/user"

	"github.com/spf13/cobra"

	"github.com/urban-robot/urban-robot/protocol/admin"
)

// Where a command that talks to a running service finds it. The service itself does not read these.
const (
	clientURLVariable   = environmentPrefix + "ADMIN_URL"
	clientTokenVariable = environmentPrefix + "ADMIN_TOKEN"
	defaultClientURL    = "http://127.0.0.1:8081"
)

// clientVariables begin like the service's but are for the commands that talk to it.
func clientVariables() []string { return []string{clientURLVariable, clientTokenVariable} }

// clientFlags are the flags of a command that talks to a running service.
type clientFlags struct {
	url       string
	tokenFile string
}

// addClientFlags gives a command --url and --token-file. Call connect when it runs.
func addClientFlags(cmd *cobra.Command) *clientFlags {
	f := &clientFlags{}
	cmd.Flags().StringVar(&f.url, "url", "", "where admin.listen is, or "+clientURLVariable+" (default "+defaultClientURL+")")
	cmd.Flags().StringVar(&f.tokenFile, "token-file", "", "the file with the token that admin.token names, or the token in "+clientTokenVariable)
	return f
}

// connect returns a client of the service. It dials nothing.
func (f *clientFlags) connect() (*admin.Client, error) {
	token := secret{Env: clientTokenVariable}
	if f.tokenFile != "" {
		token = secret{File: f.tokenFile}
	} else if os.Getenv(clientTokenVariable) == "" {
		return nil, errors.New("there is no token: " + howToGiveToken)
	}
	if err := token.resolve(os.LookupEnv); err != nil {
		return nil, err
	}
	return admin.New(cmp.Or(f.url, os.Getenv(clientURLVariable), defaultClientURL), token.Token)
}

const howToGiveToken = "name its file with --token-file, or put it into " + clientTokenVariable

// caller says who uses the command line, for the service's audit trail: maria@laptop.
func caller() string {
	name := "somebody"
	if u, err := user.Current(); err == nil && u.Username != "" {
		name = u.Username
	}
	host, err := os.Hostname()
	if err != nil {
		return name
	}
	return name + "@" + host
}
