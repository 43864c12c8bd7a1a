// Package command puts releases into service with the operator's own commands: for systemd, pm2, ansible, or a script.
//
// Each command is a list: a program and its arguments, which are given as they are; no shell is added. What is not configured is
// deploy.ErrNotSupported, with two exceptions: without Prepare there is nothing to prepare, and without Resolve a reference is the release.
//
//	Resolve   prints the release that the reference stands for, and on a second line what it is about; exit code 3: there is none
//	Prepare   makes a release ready to start: puts its code in place. It is the release's fault when it fails
//	Start     starts an instance of a release and ends; what it leaves running lives on. It may print the process id on a line pid=N
//	Stop      ends an instance and returns when it is dead; one that is not there is fine
//	Status    prints a line for each instance that runs: INSTANCE RELEASE, and the process id where it is known
//	Collect   removes what is kept of other releases than those in use
//
// Each may be run again for something that is done, and finds it done.
//
// # Environment
//
// A command gets what programs commonly need from Urban Robot's own environment (see package git) and what Config.Passthrough names, and
//
//	URBAN_ROBOT_FLEET       the fleet's name
//	URBAN_ROBOT_REFERENCE   Resolve: a branch, a tag, a commit; empty: what the fleet follows
//	URBAN_ROBOT_RELEASE     Prepare, Start, Stop: the release; empty in Stop when this program was restarted since and has no Status
//	URBAN_ROBOT_INSTANCE    Start, Stop: the process's name
//	URBAN_ROBOT_KEEP        Collect: the releases to keep, one on a line
//
// Start also gets the variables of the launch, which the bot needs: URBAN_ROBOT_LAUNCH and the like are secrets. A command that
// passes them on should do it through an environment or a file, never through arguments.
//
// # Deaths
//
// With Status, it is asked every five seconds, and a process that is no longer in its answer has died. Without, the only death
// that is known is that of a process that Stop has ended. An instance that Status does not know yet when Start has ended is given the
// time of one more question.
//
// # On disk
//
// What Start leaves running should print elsewhere: its output is not read, and takes space on the disk while it runs.
//
// Config.Dir holds outputs/COMMAND-NAME.log, the output of each command's last run for a release or an instance, the newest fifty.
package command
