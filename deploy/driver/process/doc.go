// Package process runs programs for drivers: tasks that end, and processes that outlive this program.
//
// # Tasks
//
// A Task runs in its own process group, which is killed whole when its time is over and when it leaves something behind. A task
// that dies with this program is killed by the kernel when this program is; what it had started is found by the variable
// Mark in its environment, by EndMarked.
//
// # Processes that outlive this program
//
// A Table keeps processes in a directory:
//
//	processes/INSTANCE.json   the record: release, process id, start time, names (not values) of the variables of its launch
//	logs/INSTANCE.log         what the process printed, standard output and error together; .1 to .3 are older
//
// A program never runs without its record. It is started behind a gate: a shell that waits for a word on a pipe, and then
// becomes the program, under the same process id. The word is sent once the record is written. When this program is killed
// before, the pipe ends and the shell with it. (Finding a process without a record again by its environment or its group was
// weighed: between fork and exec there is neither, and a program may overwrite the first.)
//
// A record is not synced to the disk: it says what runs, and after a power cut nothing does.
//
// Adopt takes over the processes of the records: one with the recorded process id, start time and boot of the machine runs, any other
// has died and is reported. A process that this program started and one that it adopted are watched alike, through a pidfd. A
// death is reported before its record is removed, so that a program killed in between reports it again: once in the life of
// this program, at least once over several.
//
// When a process dies, the rest of its group is killed before its death is reported, because a bot behind a wrapper script
// would go on answering. Only what has left the group by itself (setsid) escapes.
//
// # Log files
//
// The process writes to a file that it has inherited, opened for appending, so that nothing ties it to the life of this
// program: a pipe would break it, or block it, when nobody reads. A file that has grown too large is copied and then
// truncated, which loses what is printed between the two (microseconds), and grows while this program is away. Libraries that
// rotate want to be the writer, which would need the pipe; a second program between the two would have to be looked after as well.
//
// Linux alone has all of this; elsewhere New says so.
package process
