package fleet

// Release is an immutable version of a bot's code: a commit, an image digest, a semantic version, any string.
type Release string

// ClientID names one connection, never a process: a process that comes back has a new one.
type ClientID string
