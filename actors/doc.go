// Package actors decides and remembers: it carries out what package fleet decides, on proto.actor.
//
//	system
//	├── clients            one per node: makes a client for each connection, and forwards to it
//	│   └── client         one per connection; stopped, not restarted, on a panic: the bot reconnects
//	├── fleet supervisor   one per fleet: seats, roster, caches, health rounds, rollouts; restarted on a panic
//	│   └── rollback       one per fleet with a deploy driver: has it do what the rules decide; takes its supervisor with it on a panic
//	└── asker              one per question from people or webhooks, until it is answered or given up
//
// A client lets fleet.DecideClient judge what arrives on its connection and passes on what is legal; a supervisor lets
// fleet.Decide answer that, stores what must survive, and only then sends the effects back as orders. The supervisor never
// touches a connection, a client never touches the store. Everything that takes time runs outside (outside.go) and comes back as a
// message; but for what must survive a supervisor waits, no longer than for one transaction.
//
// While the store does not work nothing is decided: what comes in waits (waiting.go), and is decided when the store works again, at
// that time and in the order in which it came, so that nobody is told what is not stored and nobody is late because of us.
//
// A fleet's driver belongs to one life of its supervisor at a time: the next one calls it only when the calls of the life before have
// ended, and first asks what runs. What an earlier life still has to say is heard by nobody: what must survive is in the store, and
// what runs is the driver's to say.
//
// When a supervisor fails it is restarted from the store, and the connections of its fleet are cut, so that its clients come
// back just as they do after a restart of the whole service: one way back, not two. Who restarts whom stands in system.go.
//
//	system.go            Config, System, who restarts whom
//	messages.go          every message of ours
//	clients.go client.go parcel.go      the connections, and caches on their way in and out
//	supervisor.go supervisor_store.go waiting.go trail.go     the fleet, its store, and what waits for it
//	registry.go          how a client reaches its fleet, the seam for a cluster
//	rollback.go rollback_process.go launch.go     the deploy driver: releases, processes, and what they are started with
//	control.go operations.go     what people ask, and how they see the fleets
//	outside.go           work away from the mailboxes, alarms
//	telemetry.go         the log
package actors
