// Package store says what Urban Robot remembers and how. What must survive a restart is written through a Store before
// anybody is told of it, and a Store refuses whoever is no longer the fleet's one supervisor: the term makes two of them
// harmless, whatever happened to the processes, the network or the cluster between them.
//
// The implementations are in the packages below: sqlite, the embedded default, and storetest.Memory, for tests. storetest.Run holds
// the tests that each of them passes, and what is not tested there is not promised. packed turns caches into what lies in a table.
package store
