package protocol

// helloFrame is a hello as it is sent.
type helloFrame struct {
	Token           string `json:"token"`
	ProcessCommands bool   `json:"process_commands"`
	Instance        string `json:"instance"`
	Epoch           uint64 `json:"epoch"`
	LeaseMS         int64  `json:"lease_ms"`
	Contract        int    `json:"contract"`
	ShardID         *int   `json:"shard_id,omitempty"`
	NumShards       *int   `json:"num_shards,omitempty"`
}

// EncodeHello returns the JSON text of a hello. It reveals the token. With Error set there is the error alone, beside
// process_commands false where the release is quarantined.
func EncodeHello(h Hello) []byte {
	if h.Error == nil {
		return encode(helloFrame{
			Token: h.Token.Reveal(), ProcessCommands: h.ProcessCommands, Instance: h.Instance, Epoch: h.Epoch,
			LeaseMS: h.LeaseMS, Contract: Version, ShardID: h.ShardID, NumShards: h.NumShards,
		})
	}
	var refused struct {
		ProcessCommands *bool  `json:"process_commands,omitempty"`
		Error           *Error `json:"error"`
	}
	refused.Error = h.Error
	if h.Error.Code == CodeQuarantined {
		refused.ProcessCommands = new(bool)
	}
	return encode(refused)
}

// DecodeHello returns the hello, checked, or an *Error. It is for SDKs: an error code that is not on our list is kept, so
// that an older client understands a newer server.
func DecodeHello(data []byte) (Hello, error) {
	o := openObject(EventHello, data)
	if o.given("error") {
		e := o.child("error", true)
		h := Hello{Error: &Error{
			Code:    ErrorCode(e.text("code", rule{required: true, max: MaxIDBytes, want: `an error code, such as "unauthorized"`})),
			Field:   e.label("field"),
			Message: e.text("message", rule{max: maxInt, want: "a string"}),
		}}
		return helloResult(h, o.failure())
	}
	h := Hello{
		Token: NewToken(o.text("token", rule{
			required: true, max: MaxStringBytes,
			want: "the Discord token, a string that is not empty",
		})),
		ProcessCommands: o.flag("process_commands", true),
		Instance:        o.id("instance", true, idWant),
		Epoch:           o.epoch(true),
		LeaseMS:         int64(o.number("lease_ms", true, 0, MaxInteger)),
	}
	h.ShardID, h.NumShards = readShard(o)
	return helloResult(h, o.failure())
}

func helloResult(h Hello, err *Error) (Hello, error) {
	if err != nil {
		return Hello{}, err
	}
	return h, nil
}
