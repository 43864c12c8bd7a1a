// Package none is the driver of a fleet whose code somebody else puts into service: it observes. A reference is the release, whatever it
// is called; nothing is started, stopped or kept, and nothing is written to the disk. A fleet with it still judges releases,
// and tells its operator what to do.
package none
