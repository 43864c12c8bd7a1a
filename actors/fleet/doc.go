// Package fleet holds the rules: who may process user commands, who is checked, who takes over, who is refused.
//
// It does nothing itself. Decide takes an event and a state and returns the next state and the effects, in the order in
// which they must happen: what must survive stands before what is told. DecideClient does the same for one connection.
// Time is in the event; a timer is State.Wake, the time at which the rules want to see a Tick. Nothing here knows an actor,
// a socket, a clock, a file, a database or a logger, so that the simulation in this package's tests can run years of
// losses, delays, crashes and restarts in seconds.
//
//	policy.go      a fleet's configuration, as far as the rules need it
//	lifecycle.go   the states of one connection and what is legal in each
//	client.go      DecideClient: legality, strikes and deadlines of one connection
//	event.go       what can happen to a fleet
//	effect.go      what a fleet can want done
//	record.go      what survives
//	fleet.go       the state, and how it is restored from the store
//	crowd.go       counts of clients, so that thousands are not walked over
//	view.go        the state as people see it
//	decide.go      Decide: one line for each event
//	identify.go    identify: refuse, adopt, fence, grant
//	login.go       Discord's login limits: pacing and the budget of a day
//	answer.go      ready, coma, shutdown, disconnect
//	seat.go        seats, epochs and leases: who holds one, and who should
//	swap.go        planned swaps and their abort
//	check.go       health checks, candidates and the bake
//	verdict.go     the verdict on one health report
//	cache.go       who gets which cache
//	release.go     which release is newer by its own version
//	rollout.go     attempts to put a release into service: deploy, stages, ends
//	process.go     the processes of a driver: who is started, restarted and let go
//	revert.go      the way back: refused releases, budgets, halt, try-again, rollback
package fleet
