// Package deploy says what can be put into service: releases of a bot's code, and the drivers that fetch, start and stop them.
//
// A Driver does what it is told and reports what it sees; it decides nothing. The implementations are in the packages under
// driver; deploytest holds the tests that each of them passes, and what is not tested there is not promised. This package
// uses the standard library alone and imports nothing else of this module.
//
// Beside the code, docker and systemd hold how Urban Robot itself is put into service.
package deploy
