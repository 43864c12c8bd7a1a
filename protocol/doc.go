// Package protocol says what crosses the wire between Urban Robot and the bot processes it supervises.
//
// It holds every event a client may send, every command the server may send, the health report, the closed lists of
// reasons and error codes, and the limits of each. CONTRACT.md beside this file is the same for authors of SDKs in other
// languages; testdata/vectors holds frames with their meaning, read by the tests of this package and of every SDK.
//
// A decoder checks everything it returns: a value that came out of DecodeEvent or DecodeCommand needs no second look. The
// package uses the standard library alone and imports nothing else of this module.
package protocol
