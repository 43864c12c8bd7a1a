package main

import (
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
)

// maxLine is the longest text of one line.
const maxLine = 1024

// line is a short text, or nothing.
func line(to *string) value {
	return value{kind: "text", show: func() string { return *to }, data: func() any { return *to }, set: func(n *node) error {
		text, err := scalar(n, `"[DEPLOY]"`)
		if err != nil {
			return err
		}
		if len(text) > maxLine || strings.ContainsFunc(text, func(r rune) bool { return r < ' ' || r == 0x7f }) {
			return fmt.Errorf("is no short text; write one line of at most %d bytes", maxLine)
		}
		*to = text
		return nil
	}}
}

const exampleRepository = "https://example.org/helium.git"

// repository is where git fetches from, or nothing. It may hold a password and is not repeated before it is known to hold none.
func repository(to *string) value {
	return value{kind: "repository", show: func() string { return *to }, data: func() any { return *to }, set: func(n *node) error {
		text, err := scalar(n, exampleRepository)
		if err != nil {
			return err
		}
		if text != "" {
			err = checkRepository(text)
		}
		if err != nil {
			return err
		}
		*to = text
		return nil
	}}
}

var errPassword = errors.New("holds a user or a password, which git would show in its output and its files; " +
	"write the address without it, and give git a credential helper, or write git@host:path with an SSH key")

func checkRepository(text string) error {
	odd := func(r rune) bool { return r <= ' ' || r == 0x7f }
	head, _, scheme := strings.Cut(text, "://")
	switch {
	case len(text) > maxLine || strings.ContainsFunc(text, odd):
		return errors.New("is no address of a repository; write one such as " + exampleRepository)
	case strings.HasPrefix(text, "-"):
		return errors.New("begins like an option of git; write an address such as " + exampleRepository + ", or ./path")
	case scheme && !strings.ContainsAny(head, "/@"):
		return checkRepositoryURL(text)
	case strings.HasPrefix(text, "/") || strings.HasPrefix(text, "."):
		return nil // a path
	case strings.HasPrefix(text, "~"):
		return errors.New("begins with ~, which nobody expands here; write the whole path")
	case strings.Contains(text, "::"):
		return errors.New("names a transport of its own, which may run anything; write an address such as " + exampleRepository)
	}
	if at := strings.LastIndex(text, "@"); at >= 0 && !plainUser(text[:at]) {
		return errPassword
	}
	return nil // user@host:path, host:path, or a path
}

func checkRepositoryURL(text string) error {
	u, err := url.Parse(text)
	switch {
	case err != nil && strings.Contains(text, "@"):
		return errPassword
	case err != nil || u.Opaque != "":
		return errors.New("is no address of a repository; write one such as " + exampleRepository)
	case !slices.Contains([]string{"https", "ssh", "http", "git", "file"}, u.Scheme):
		return errors.New("has a scheme other than https, ssh, http, git and file; write an address such as " + exampleRepository)
	case u.RawQuery != "" || u.ForceQuery || u.Fragment != "":
		return errors.New("has something behind ? or #, which may be a password; write the address alone, and give git a credential helper")
	case u.User == nil:
		return nil
	case u.Scheme != "ssh" || !plainUser(u.User.String()):
		return errPassword // many services take a token for the user's name
	}
	return nil
}

// plainUser reports whether this is the name of a user alone.
func plainUser(name string) bool {
	odd := func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && r != '.' && r != '_' && r != '-'
	}
	return name != "" && len(name) <= 32 && !strings.ContainsFunc(name, odd)
}

// insecure reports whether whoever is on the way can change what comes from the repository.
func insecure(repository string) bool {
	scheme, _, _ := strings.Cut(repository, "://")
	return strings.EqualFold(scheme, "http") || strings.EqualFold(scheme, "git")
}

// branch is the name of a branch, as git allows them.
func branch(to *string) value {
	return value{kind: "branch", show: func() string { return *to }, data: func() any { return *to }, set: func(n *node) error {
		text, err := scalar(n, "main")
		if err != nil {
			return err
		}
		if !branchName(text) {
			return fmt.Errorf("%s is not the name of a branch; write one such as main, without refs/heads/", echo(text))
		}
		*to = text
		return nil
	}}
}

func branchName(text string) bool {
	odd := func(r rune) bool { return r <= ' ' || r == 0x7f || strings.ContainsRune(`~^:?*[\`, r) }
	switch {
	case text == "" || text == "@" || len(text) > 200 || strings.ContainsFunc(text, odd):
		return false
	case strings.HasPrefix(text, "-") || strings.HasPrefix(text, "refs/") || strings.HasSuffix(text, "."):
		return false
	case strings.Contains(text, "..") || strings.Contains(text, "@{"):
		return false
	}
	for part := range strings.SplitSeq(text, "/") {
		if part == "" || strings.HasPrefix(part, ".") || strings.HasSuffix(part, ".lock") {
			return false
		}
	}
	return true
}
