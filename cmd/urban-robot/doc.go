// Command urban-robot keeps Discord bots answering while their code changes and their processes die.
//
//	main.go                exits; nothing else in the module does
//	root.go                run: the command tree and the exit codes
//	serve.go               urban-robot serve; service.go wires it, log.go is its log
//	demo*.go               urban-robot demo
//	check.go               urban-robot check; report*.go are its readable words
//	version.go             urban-robot version
//	admin.go               what the commands that talk to a running service share: arguments, tables
//	status.go              urban-robot status
//	versions.go            urban-robot versions
//	rollout.go             urban-robot deploy, rollback, try-again; wait.go is their --wait
//	output.go              -o text, -o json
//	config.go              flags, and load, which returns a checked config: no other file reads flags for it
//	config_client.go       where those commands find the service: --url, --token-file and their variables
//	config_environment.go  variables: no other file reads the environment
//	config_type.go         the config and its defaults
//	config_schema.go       every key: its name, its kind, what it is for
//	config_deploy.go       restart, rollback, deploy and alerts: their types, defaults and keys
//	config_value.go        the kinds: how a duration, a size, a number is written
//	config_list.go         lists: names, commands, variables
//	config_repository.go   repositories and branches
//	config_place.go        where to listen and where to store
//	config_secret.go       secrets, which are named and never written
//	config_node.go         the tree that file, environment and flags are laid over each other in
//	config_yaml.go         YAML to that tree
//	config_decode.go       that tree to the config, by the schema
//	config_rules.go        what contradicts itself; config_rules_deploy.go for admin, restart, deploy and alerts
//	config_problem.go      problems: where, what, what to write instead
//	config_nearest.go      the key that was probably meant
//
// A command that needs the configuration calls addConfigFlags when it is made and load when it runs.
package main
