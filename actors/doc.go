// Package actors decides and remembers: it carries out what package fleet decides, on proto.actor.
//
//	system
//	├── clients            one per node: makes a client for each connection, and forwards to it
//	│   └── client         one per connection; stopped, not restarted, on a panic: the bot reconnects
//	└── fleet supervisor   one per fleet: seats, roster, caches, health rounds; restarted on a panic
//
// A client lets fleet.DecideClient judge what arrives on its connection and passes on what is legal; a supervisor lets
// fleet.Decide answer that, stores what must survive, and only then sends the effects back as orders. The supervisor never
// touches a connection, a client never touches the store. Everything that takes time runs outside (outside.go) and comes back as a
// message.
//
// When a supervisor fails it is restarted from the store, and the connections of its fleet are cut, so that its clients come
// back just as they do after a restart of the whole service: one way back, not two. Who restarts whom stands in system.go.
package actors
