package main

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"strings"
)

// address is a host and a port to listen on.
func address(to *string) value {
	const example = "127.0.0.1:8080"
	return value{kind: "host:port", show: func() string { return *to }, data: func() any { return *to }, set: func(n *node) error {
		text, err := scalar(n, example)
		if err != nil {
			return err
		}
		host, port, err := net.SplitHostPort(text)
		if err == nil {
			_, err = strconv.ParseUint(port, 10, 16)
		}
		if err != nil || strings.ContainsAny(host, "/@ ") {
			return fmt.Errorf("%s is no address; write a host and a port, such as %s, or 0.0.0.0:8080 for every host", echo(text), example)
		}
		*to = text
		return nil
	}}
}

// public reports whether somebody outside this machine could reach the address.
func public(listen string) bool {
	host, _, err := net.SplitHostPort(listen)
	if err != nil {
		return true
	}
	ip, err := netip.ParseAddr(host)
	if err != nil {
		return host != "localhost"
	}
	return !ip.Unmap().IsLoopback()
}

// directory is where files go, or nothing.
func directory(to *string) value {
	return value{kind: "directory", show: func() string { return *to }, data: func() any { return *to }, set: func(n *node) error {
		const example = "/var/lib/urban-robot/helium"
		text, err := scalar(n, example)
		switch {
		case err != nil:
			return err
		case len(text) > maxLine || strings.ContainsFunc(text, func(r rune) bool { return r < ' ' || r == 0x7f }):
			return errors.New("is no path; write one such as " + example)
		case strings.HasPrefix(text, "~"):
			return errors.New("begins with ~, which nobody expands here; write the whole path, such as " + example)
		}
		*to = text
		return nil
	}}
}

// database is where the state goes; path becomes the file's. The text may hold a password and is never repeated.
func database(path *string) value {
	const scheme, example = "sqlite:", "sqlite:./urban-robot.db"
	show := func() string { return scheme + *path }
	return value{kind: "sqlite:path", show: show, data: func() any { return show() }, set: func(n *node) error {
		text, err := scalar(n, example)
		if err != nil {
			return err
		}
		file, isFile := strings.CutPrefix(text, scheme)
		switch {
		case strings.HasPrefix(text, "postgres:") || strings.HasPrefix(text, "postgresql:"):
			return errors.New("PostgreSQL is not yet supported by this version; write " + example)
		case !isFile:
			return errors.New("names no store that this version knows; write " + example)
		case file == "" || strings.HasPrefix(file, ":") || strings.HasSuffix(file, "/"):
			return errors.New("names no file, and what is not in a file is lost with the process; write " + example)
		case strings.ContainsAny(file, "?#%") || strings.HasPrefix(file, "//") && !strings.HasPrefix(file, "///"):
			return errors.New("is no plain path; write " + example + " or sqlite:/var/lib/urban-robot/urban-robot.db")
		}
		*path = file
		return nil
	}}
}
