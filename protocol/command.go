package protocol

// Names of the commands, the "t" of the event command.
const (
	CommandOK              = "ok"
	CommandHealthCheck     = "health_check"
	CommandProcessCommands = "process_commands"
	CommandComa            = "coma"
	CommandShutdown        = "shutdown"
	CommandCacheSync       = "cache_sync"
)

// Command is something the server tells a client to do. The set is closed: OK, HealthCheck, ProcessCommands, EnterComa,
// ShutDown and SendCache.
type Command interface {
	// CommandName returns the command's "t" on the wire.
	CommandName() string
}

// OK is the go-ahead, sent only in answer to the holder's ready. A client processes user commands from here on, not
// before.
type OK struct {
	Epoch uint64 `json:"epoch"`
}

// HealthCheck asks for a HealthReport.
type HealthCheck struct {
	CheckID    string   `json:"check_id"`
	Phase      Phase    `json:"phase"`
	DeadlineMS int64    `json:"deadline_ms"`
	VitalCogs  []string `json:"vital_cogs"`
}

// ProcessCommands grants the seat to a client in coma: it validates its Discord connection and sends ready.
type ProcessCommands struct {
	Epoch   uint64   `json:"epoch"`
	Handled []string `json:"handled"`
	Replay  bool     `json:"replay"`
}

// EnterComa tells a client to stop processing and to stay connected to Discord.
type EnterComa struct {
	Reason    Reason `json:"reason"`
	CacheSync bool   `json:"cache_sync"`
	Epoch     uint64 `json:"epoch"`
	DrainMS   int64  `json:"drain_ms"`
}

// ShutDown tells a client to stop processing, log out of Discord and exit.
type ShutDown struct {
	Reason    Reason `json:"reason"`
	CacheSync bool   `json:"cache_sync"`
	Epoch     uint64 `json:"epoch"`
	DrainMS   int64  `json:"drain_ms"`
}

// SendCache asks for the cache now; only for clients with CapabilityCacheRequest.
type SendCache struct{}

// CommandName implements Command.
func (OK) CommandName() string { return CommandOK }

// CommandName implements Command.
func (HealthCheck) CommandName() string { return CommandHealthCheck }

// CommandName implements Command.
func (ProcessCommands) CommandName() string { return CommandProcessCommands }

// CommandName implements Command.
func (EnterComa) CommandName() string { return CommandComa }

// CommandName implements Command.
func (ShutDown) CommandName() string { return CommandShutdown }

// CommandName implements Command.
func (SendCache) CommandName() string { return CommandCacheSync }

// Hello answers identify. On a failed authorization only Error is set.
type Hello struct {
	Token           Token // revealed by EncodeHello, and nowhere else
	ProcessCommands bool
	Instance        string
	Epoch           uint64
	LeaseMS         int64
	ShardID         *int // where sharded
	NumShards       *int
	Error           *Error
}
