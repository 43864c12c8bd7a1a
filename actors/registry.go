package actors

import "github.com/asynkron/protoactor-go/actor"

// FleetRegistry reaches the supervisor of a fleet, wherever it runs.
type FleetRegistry interface {
	// Tell sends a message to the fleet's supervisor. A message to a fleet that is not there is dropped, and its sender is
	// none the wiser: whoever needs an answer has a deadline.
	Tell(name string, message any)
}

// localFleets is the registry of a single node: every supervisor is here.
type localFleets struct {
	root        *actor.RootContext
	supervisors map[string]*actor.PID // never changed once the clients are started
}

// Tell implements FleetRegistry.
func (r localFleets) Tell(name string, message any) {
	if pid, ok := r.supervisors[name]; ok {
		r.root.Send(pid, message)
	}
}
