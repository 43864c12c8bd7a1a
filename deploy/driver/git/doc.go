// Package git puts the commits of a git repository into service. A release is a commit, known by its full hash.
//
// # On disk
//
// Everything is in Config.Dir, which one driver at a time may use (lock); a second waits two seconds for it and gives up:
//
//	lock                    held by the driver that works here
//	id                      marks the commands that the driver starts, so that those of a killed one are found and ended
//	mirror/                 a bare repository with the branches and tags of the remote one
//	worktrees/HASH/         a commit's files, and what its setup has added to them; a process's working directory
//	setups/HASH.log         what the setup printed: its beginning and its end
//	setups/HASH.json        written last, and synced: this release is ready to start
//	processes/, logs/       records and log files of processes, see package process
//	trash/                  what is being removed
//
// Each commit has a worktree of its own, and nothing resets one, so a deploy never touches the files of a process that runs. A
// release whose setup was cut short has no HASH.json and is made again from nothing.
//
// # Git
//
// The driver uses the git command line (2.30 or later), so that ssh keys, credential helpers, submodules and filters work as they do
// for the user it runs as. It never uses a shell, has no terminal to ask on, and what it is told by others is checked: a reference that
// is not a proper name of a branch, a tag or a commit is unknown, and is always given to git in a place where it cannot be an option.
// Hooks are not run. Repositories may be https, ssh, http, git and local ones; submodules https and ssh ones; nothing else (ext::).
// Put credentials into a credential helper or an ssh key rather than into the address: git shows the address to everyone who
// can list processes.
//
// # Environment
//
// A bot and its setup get from Urban Robot's own environment only what programs commonly need (PATH, HOME, USER, LOGNAME, SHELL, LANG, LC_*,
// TZ, TMPDIR, XDG_*, the places of certificates, proxies) and what Config.Passthrough names, since Urban Robot's holds the secrets of fleets. They
// also get
//
//	URBAN_ROBOT_RELEASE     the commit's hash
//	URBAN_ROBOT_INSTANCE    the process's name; not for the setup
//
// and a process what Launch.Environ returns: that reaches the process's environment and nothing else. Its values are replaced by
// [redacted] in outputs, where they have eight bytes or more. A process runs as the same user as Urban Robot: what that user can read it can read.
// git itself also gets SSH_AUTH_SOCK, GIT_SSH and the like.
package git
