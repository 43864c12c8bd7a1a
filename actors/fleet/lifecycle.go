package fleet

import "strconv"

// State is where one connection stands in its life.
type State uint8

// Every state. The zero value is none of them.
const (
	StateConnected    State = iota + 1 // nothing said yet
	StateIdentified                    // authorized
	StateReady                         // logged in to Discord
	StateActive                        // told ok: it processes user commands
	StateComa                          // logged in to Discord, not processing
	StateShuttingDown                  // it said so, or was told so
	StateGone                          // the connection is closed
)

// States lists every state.
func States() []State {
	return []State{StateConnected, StateIdentified, StateReady, StateActive, StateComa, StateShuttingDown, StateGone}
}

// String is the one spelling for logs, metrics, JSON and the database.
func (s State) String() string {
	return enumName("State", int(s), "connected", "identified", "ready", "active", "coma", "shutting_down", "gone")
}

// Kind is what moves a connection from state to state.
type Kind uint8

// Every kind. All but KindOK come from the client; the server's shutdown counts as the client's.
const (
	KindIdentify Kind = iota + 1
	KindReady
	KindOK
	KindComa
	KindShutdown
	KindDisconnect
)

// Kinds lists every kind.
func Kinds() []Kind {
	return []Kind{KindIdentify, KindReady, KindOK, KindComa, KindShutdown, KindDisconnect}
}

// String returns the kind's name on the wire.
func (k Kind) String() string {
	return enumName("Kind", int(k), "identify", "ready", "ok", "coma", "shutdown", "disconnect")
}

// transitions is the whole lifecycle. A pair that is not listed is illegal.
var transitions = map[State]map[Kind]State{
	StateConnected: {
		KindIdentify: StateIdentified, KindShutdown: StateShuttingDown, KindDisconnect: StateGone,
	},
	StateIdentified: {
		KindReady: StateReady, KindShutdown: StateShuttingDown, KindDisconnect: StateGone,
	},
	StateReady: {
		KindReady: StateReady, KindOK: StateActive, KindComa: StateComa, KindShutdown: StateShuttingDown, KindDisconnect: StateGone,
	},
	StateActive: {
		KindReady: StateActive, KindOK: StateActive, KindComa: StateComa, KindShutdown: StateShuttingDown, KindDisconnect: StateGone,
	},
	StateComa: {
		KindReady: StateReady, KindComa: StateComa, KindShutdown: StateShuttingDown, KindDisconnect: StateGone,
	},
	StateShuttingDown: {KindShutdown: StateShuttingDown, KindDisconnect: StateGone},
	StateGone:         {},
}

// Next returns the state that follows, and whether the step is legal; if not, the state is unchanged.
func Next(s State, k Kind) (State, bool) {
	next, ok := transitions[s][k]
	if !ok {
		return s, false
	}
	return next, true
}

// enumName spells a value counted from 1; an unknown one prints as State(7).
func enumName(kind string, value int, names ...string) string {
	if value < 1 || value > len(names) {
		return kind + "(" + strconv.Itoa(value) + ")"
	}
	return names[value-1]
}
