// Package storetest holds the tests that every store.Store passes, and Memory, a store for the tests of others that passes them
// too and fails on demand.
package storetest
