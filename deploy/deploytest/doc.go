// Package deploytest holds what every deploy.Driver promises, and a driver in memory for the tests of those who use one.
//
// Run holds a driver to account. A driver says in a Kit what there is to put into service, and what it cannot do; what is not tested
// here is not promised.
//
// Fake starts nothing. It fails, waits and loses processes when it is told to, and passes the same suite.
package deploytest
