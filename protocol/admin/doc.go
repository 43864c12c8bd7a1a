// Package admin is how people and programs look at Urban Robot and tell it what to do: an HTTP API and its Go client.
//
//	fleets.go  Fleets and Trail, what the API calls; the errors they answer with
//	types.go   what crosses the wire
//	server.go  NewServer: one handler round everything; auth.go the token; routes.go the operations
//	errors.go  errors to problems (RFC 9457): no other file of the server knows the HTTP status of an error
//	client.go  Client, which the command line uses, with methods that mean what those of Fleets mean; problem.go its errors
//
// The operations are declared with huma: it makes the OpenAPI document from the types in types.go, so that the two cannot
// differ, and refuses what does not fit them. Everything below /api needs the token. There is no CORS: a page of another
// origin can do nothing here.
//
// The package knows no actor: it calls an interface.
package admin
