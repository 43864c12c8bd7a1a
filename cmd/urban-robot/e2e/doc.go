// Package e2e tests the whole program: the binary, as it is built, with bots on unmodified Socket.IO clients of three kinds, as
// processes of their own (testdata/clients). What is asserted is what the bots saw, what the service logged, and what it stored.
//
//	program_test.go   builds the binary
//	service_test.go   runs it with a configuration of its own: start, kill, stop
//	bot_test.go       runs a bot
//	line_test.go      lines of both, and waiting for one of them
//	crowd_test.go     a thousand clients in this process
//	memory_test.go    what they cost the service
//
// and, for rollouts,
//
//	rollout_repository_test.go  the git repository that bots are pushed to
//	rollout_service_test.go     a service that follows it: webhook, admin API, alerts, and what must hold in the end
//	rollout_stage_test.go       where its bots say what happens to them: never two active, and for how long none
//	rollout_gobot_test.go       a bot on the Go client; testdata/rollout/main.py is one on python-socketio
//
// The other files are scenarios. No test sleeps: each waits for a line, with a deadline. Every service logs at level trace, and when it
// ends its output and its files are searched for the token and the key.
package e2e
