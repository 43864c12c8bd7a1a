package urbanrobot

import (
	"cmp"
	"fmt"
	"os"
	"strconv"

	"github.com/urban-robot/urban-robot/protocol"
)

// FromEnvironment returns the options with what is empty in them taken from the environment: URBAN_ROBOT_URL, _FLEET, _INSTANCE,
// _VERSION, _KEY and _LAUNCH, and where sharded _SHARD_ID with _NUM_SHARDS. Urban Robot sets all but the key for the processes that
// it starts.
func FromEnvironment(o Options) (Options, error) {
	get := func(name string) string { return os.Getenv("URBAN_ROBOT_" + name) }
	o.URL = cmp.Or(o.URL, get("URL"))
	o.Fleet = cmp.Or(o.Fleet, get("FLEET"))
	o.Instance = cmp.Or(o.Instance, get("INSTANCE"))
	o.Version = cmp.Or(o.Version, get("VERSION"))
	if o.Key.IsZero() && get("KEY") != "" {
		o.Key = protocol.NewToken(get("KEY"))
	}
	if o.Launch.IsZero() && get("LAUNCH") != "" {
		o.Launch = protocol.NewToken(get("LAUNCH"))
	}
	if o.Shard != nil || get("SHARD_ID") == "" {
		return o, nil
	}
	id, wrongID := strconv.Atoi(get("SHARD_ID"))
	total, wrongTotal := strconv.Atoi(get("NUM_SHARDS"))
	if wrongID != nil || wrongTotal != nil {
		return o, fmt.Errorf("URBAN_ROBOT_SHARD_ID is %q and URBAN_ROBOT_NUM_SHARDS is %q, want two numbers", get("SHARD_ID"), get("NUM_SHARDS"))
	}
	o.Shard = &Shard{ID: id, Total: total}
	return o, nil
}
