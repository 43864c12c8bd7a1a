package process

import (
	"context"
	"errors"
	"io"
	"os/exec"
	"runtime"
	"sync"
	"syscall"
	"time"
)

// Mark names the variable by which EndMarked finds what tasks have left running.
const Mark = "URBAN_ROBOT_TASK"

// taskGrace is how long a task may take to end by itself once it was asked to.
const taskGrace = 5 * time.Second

// Task is a command that ends.
type Task struct {
	Command []string
	Dir     string
	Environ []string  // nothing else is inherited
	Stdout  io.Writer // nil: nowhere
	Stderr  io.Writer // nil: nowhere; may be the same as Stdout
	Keep    bool      // what it leaves running in its group lives on, and so does the task when this program dies
}

// Run runs the task until it has ended, with all that it started in its process group. When the context ends first, the group is
// asked to end, is killed five seconds later, and the context's cause is returned. Otherwise the error is that of exec.Cmd.Run.
func (t Task) Run(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return context.Cause(ctx)
	}
	// The kernel ties the task's life to the thread that starts it.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	//nolint:gosec // G204: running the operator's command is the purpose
	cmd := exec.CommandContext(context.WithoutCancel(ctx), t.Command[0], t.Command[1:]...)
	cmd.Dir, cmd.Env, cmd.Stdout, cmd.Stderr = t.Dir, t.Environ, t.Stdout, t.Stderr
	cmd.SysProcAttr = taskAttributes(!t.Keep)
	cmd.WaitDelay = taskGrace
	if err := cmd.Start(); err != nil {
		return err
	}
	if awaitEnd(ctx, cmd.Process.Pid) || !t.Keep {
		_ = signalGroup(cmd.Process.Pid, syscall.SIGKILL)
	}
	err := cmd.Wait()
	if cause := context.Cause(ctx); cause != nil && err != nil {
		return cause
	}
	if errors.Is(err, exec.ErrWaitDelay) {
		return nil // it ended well; something that has left the group holds its output open
	}
	return err
}

// awaitEnd returns when the child is dead, and whether it was made to. The child is not reaped, so that its id and its group's are
// not given to anything else.
func awaitEnd(ctx context.Context, pid int) (forced bool) {
	dead := make(chan struct{})
	var all sync.WaitGroup
	all.Go(func() {
		select {
		case <-dead:
			return
		case <-ctx.Done():
		}
		forced = true
		_ = signalGroup(pid, syscall.SIGTERM)
		grace := time.NewTimer(taskGrace)
		defer grace.Stop()
		select {
		case <-dead:
		case <-grace.C:
			_ = signalGroup(pid, syscall.SIGKILL)
		}
	})
	awaitChild(pid)
	close(dead)
	all.Wait()
	return forced
}
