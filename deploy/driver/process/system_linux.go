package process

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// status is what the kernel says of a process.
type status struct {
	state byte
	group int
	start uint64 // in ticks since the machine booted
}

func (s status) alive() bool { return s.state != 'Z' && s.state != 'X' }

func supported() error { return nil }

// boot identifies this run of the machine.
func boot() (string, error) {
	id, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	return strings.TrimSpace(string(id)), err
}

func readStatus(pid int) (status, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return status{}, err
	}
	// The second field is the program's name in brackets, and may hold anything.
	_, rest, _ := strings.Cut(string(text[max(0, bytes.LastIndexByte(text, ')')):]), " ")
	fields := strings.Fields(rest)
	if len(fields) < 20 {
		return status{}, fmt.Errorf("status of process %d: %d fields", pid, len(fields))
	}
	group, err := strconv.Atoi(fields[2])
	if err != nil {
		return status{}, err
	}
	start, err := strconv.ParseUint(fields[19], 10, 64)
	return status{state: fields[0][0], group: group, start: start}, err
}

// readEnviron returns the environment that a process was started with.
func readEnviron(pid int) []string {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/environ", pid))
	if err != nil {
		return nil
	}
	return strings.Split(string(text), "\x00")
}

// marked returns the processes that run with this variable in their environment and, unless it is 0, in this group.
func marked(group int, name, value string) []int {
	return find(func(pid int, s status) bool {
		return (group == 0 || s.group == group) && lookup(readEnviron(pid), name) == value
	})
}

// members returns the processes that run in a group.
func members(group int) []int {
	return find(func(_ int, s status) bool { return s.group == group })
}

func find(match func(pid int, s status) bool) []int {
	entries, err := filepath.Glob("/proc/[0-9]*")
	if err != nil {
		return nil
	}
	var found []int
	for _, entry := range entries {
		pid, err := strconv.Atoi(filepath.Base(entry))
		if err != nil {
			continue
		}
		if s, err := readStatus(pid); err == nil && s.alive() && match(pid, s) {
			found = append(found, pid)
		}
	}
	return found
}

func signalGroup(group int, signal syscall.Signal) error { return syscall.Kill(-group, signal) }

func signalOne(pid int, signal syscall.Signal) error { return syscall.Kill(pid, signal) }

// taskAttributes put a task into a session of its own, and so into a group of its own: without a terminal nothing can ask for a
// password on it and wait for ever.
func taskAttributes(dies bool) *syscall.SysProcAttr {
	attributes := &syscall.SysProcAttr{Setsid: true}
	if dies {
		attributes.Pdeathsig = syscall.SIGKILL
	}
	return attributes
}

// awaitChild returns when our child is dead, and leaves it to be reaped.
func awaitChild(pid int) {
	for {
		err := unix.Waitid(unix.P_PID, pid, nil, unix.WEXITED|unix.WNOWAIT, nil)
		if !errors.Is(err, unix.EINTR) {
			return
		}
	}
}

// ourChild says whether a dead process is our child, waiting to be reaped.
func ourChild(pid int) bool {
	var info unix.Siginfo
	return unix.Waitid(unix.P_PID, pid, &info, unix.WEXITED|unix.WNOWAIT|unix.WNOHANG, nil) == nil
}

// reap takes a dead child's status; a process that is not our child has none.
func reap(pid int) (code int, signal string) {
	var status syscall.WaitStatus
	for {
		_, err := syscall.Wait4(pid, &status, syscall.WNOHANG, nil)
		switch {
		case errors.Is(err, syscall.EINTR):
			continue
		case err != nil:
			return -1, ""
		case status.Signaled():
			return -1, status.Signal().String()
		}
		return status.ExitStatus(), ""
	}
}

// fork starts a program in a group of its own, and returns its id and its pidfd, or none where the kernel has none.
func fork(argv []string, dir string, environ []string, files ...*os.File) (pid int, handle *os.File, err error) {
	fd := -1
	attributes := &syscall.ProcAttr{Dir: dir, Env: environ, Sys: &syscall.SysProcAttr{Setpgid: true, PidFD: &fd}}
	for _, file := range files {
		attributes.Files = append(attributes.Files, file.Fd())
	}
	//nolint:gosec // G204: running the operator's command is the purpose
	if pid, err = syscall.ForkExec(argv[0], argv, attributes); err != nil {
		return 0, nil, err
	}
	return pid, pollable(fd), nil
}

// open returns the pidfd of a process, or none where the kernel has none.
func open(pid int) *os.File {
	fd, err := unix.PidfdOpen(pid, 0)
	if err != nil {
		return nil
	}
	return pollable(fd)
}

func pollable(fd int) *os.File {
	if fd < 0 {
		return nil
	}
	_ = unix.SetNonblock(fd, true)
	return os.NewFile(uintptr(fd), "pidfd")
}

// awaitHandle returns nil when the process of a pidfd is dead, and an error when the pidfd was closed or cannot be waited for.
func awaitHandle(handle *os.File) error {
	raw, err := handle.SyscallConn()
	if err != nil {
		return err
	}
	return raw.Read(func(fd uintptr) bool {
		ready, err := unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}, 0) //nolint:gosec // G115: a descriptor
		return err == nil && ready > 0
	})
}

// Flush has all of the file system that holds a directory written to the disk.
func Flush(dir string) error {
	d, err := os.Open(filepath.Clean(dir))
	if err != nil {
		return err
	}
	return errors.Join(unix.Syncfs(int(d.Fd())), d.Close())
}

// Lock locks a file for this program alone, without waiting: it says whether it could.
func Lock(file *os.File) (bool, error) {
	err := unix.Flock(int(file.Fd()), unix.LOCK_EX|unix.LOCK_NB)
	if errors.Is(err, unix.EWOULDBLOCK) {
		return false, nil
	}
	return err == nil, err
}
