// Package sqlite is the embedded store: one SQLite database in a file.
//
// There is one connection that writes, so that writes queue in Go, fairly and with their context, and up to four that read,
// which the write-ahead log lets work beside it. Every commit is synced to the disk before Apply returns, because an epoch that
// went back after a power cut would be two bots that answer. Another process may have the same file open: the term makes that
// harmless, and a lock it holds is waited for.
//
// store.go opens and closes, file.go looks after the file, migrate.go and migrations after the tables, write.go and read.go
// are the six methods, records.go is a statement for each kind of record, trim.go forgets.
package sqlite
