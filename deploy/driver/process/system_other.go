//go:build !linux

package process

import (
	"errors"
	"os"
	"syscall"
)

var errLinux = errors.New("processes can be kept on Linux alone")

type status struct {
	group int
	start uint64
}

func (status) alive() bool                     { return false }
func supported() error                         { return errLinux }
func boot() (string, error)                    { return "", errLinux }
func readStatus(int) (status, error)           { return status{}, errLinux }
func readEnviron(int) []string                 { return nil }
func marked(int, string, string) []int         { return nil }
func members(int) []int                        { return nil }
func signalGroup(int, syscall.Signal) error    { return errLinux }
func signalOne(int, syscall.Signal) error      { return errLinux }
func taskAttributes(bool) *syscall.SysProcAttr { return nil }
func awaitChild(int)                           {}
func ourChild(int) bool                        { return false }
func reap(int) (code int, signal string)       { return -1, "" }
func open(int) *os.File                        { return nil }
func awaitHandle(*os.File) error               { return errLinux }

func fork([]string, string, []string, ...*os.File) (pid int, handle *os.File, err error) {
	return 0, nil, errLinux
}

// Flush has all of the file system that holds a directory written to the disk.
func Flush(string) error { return errLinux }

// Lock locks a file for this program alone, without waiting: it says whether it could.
func Lock(*os.File) (bool, error) { return false, errLinux }
