package protocol

import "encoding/hex"

func readIdentify(o *object) Identify {
	i := Identify{
		Version:      o.id("version", true, idWant+", such as a commit SHA or 1.4.0"),
		Fleet:        o.id("fleet", false, idWant),
		Key:          o.secret("key"),
		Launch:       o.secret("launch"),
		Instance:     o.id("instance", false, idWant),
		Session:      readSession(o),
		Handled:      o.ids("handled", MaxHandled),
		Library:      o.label("library"),
		SDK:          o.label("sdk"),
		PID:          o.number("pid", false, 0, MaxInteger),
		Host:         o.label("host"),
		Capabilities: o.texts("capabilities", MaxCapabilities, rule{max: MaxIDBytes, want: "a string"}),
	}
	i.ShardID, i.NumShards = readShard(o)
	return i
}

func readSession(o *object) *Session {
	if !o.given("session") {
		return nil
	}
	s := o.child("session", true)
	return &Session{Epoch: s.epoch(false), Active: s.flag("active", false), Ready: s.flag("ready", false)}
}

// readShard reads shard_id and num_shards, which come together or not at all.
func readShard(o *object) (id, total *int) {
	if !o.given("shard_id") && !o.given("num_shards") {
		return nil, nil
	}
	n := o.number("num_shards", true, 1, MaxInteger)
	if n > MaxShards {
		o.tooLarge("num_shards", MaxShards, "shards", n)
	}
	if o.failure() != nil {
		return nil, nil
	}
	s := o.number("shard_id", true, 0, uint64(n)-1) //nolint:gosec // n is 1 to MaxShards
	return &s, &n
}

func readReady(o *object) Ready {
	r := Ready{Guilds: o.number("guilds", false, 0, MaxInteger), User: o.label("user")}
	for _, raw := range o.list("shards", MaxShards, "a list of shard numbers") {
		r.Shards = append(r.Shards, o.shard(raw))
	}
	return r
}

// shard reads one item of the list shards.
func (o *object) shard(raw []byte) int {
	if kind := kindOf(raw); kind != kindNumber {
		o.wrong("shards", "a list of shard numbers", kind+" in it")
		return 0
	}
	return int(o.checkWhole("shards", raw, 0, MaxShards-1)) //nolint:gosec // at most MaxShards
}

// readFarewell reads coma and shutdown, which have the same fields.
func readFarewell(o *object) Coma {
	return Coma{Reason: o.label("reason"), Epoch: o.epoch(false), Handled: o.ids("handled", MaxHandled)}
}

func decodeCacheSync(data []byte, attachments [][]byte) (Event, *Error) {
	if len(data) == 0 {
		return nil, Errorf(CodeMalformed, "", "%s: want the cache, any JSON value or binary; got nothing", EventCacheSync)
	}
	if err := checkUTF8(EventCacheSync, data); err != nil {
		return nil, err
	}
	if err := checkPlaceholders(data, len(attachments)); err != nil {
		return nil, err
	}
	return CacheSync{Cache{JSON: data, Attachments: attachments}}, nil
}

func decodeCacheChunk(data []byte, attachments [][]byte) (Event, *Error) {
	o := openEvent(EventCacheChunk, data)
	parts := o.number("parts", true, 1, MaxInteger)
	if parts > MaxChunks {
		o.tooLarge("parts", MaxChunks, "parts", parts)
	}
	c := CacheChunk{
		ID:     o.id("id", true, idWant),
		Part:   o.number("part", true, 0, uint64(max(parts, 1))-1),
		Parts:  parts,
		SHA256: readSHA256(o),
		Binary: o.flag("binary", false),
	}
	const want = "from 1 to 262144 bytes of binary data"
	o.take("data", true, kindObject, want)
	d := o.child("data", true)
	switch {
	case o.failure() != nil:
	case len(attachments) == 0 || !d.flag("_placeholder", false) || d.whole("num", false, 0, MaxInteger) != 0:
		o.wrong("data", want, kindObject)
	case len(attachments) > 1:
		o.wrong("data", want+", and no other binary", "several")
	case len(attachments[0]) == 0:
		o.wrong("data", want, "none")
	case len(attachments[0]) > ChunkBytes:
		o.tooLarge("data", ChunkBytes, "bytes", len(attachments[0]))
	default:
		c.Data = attachments[0]
	}
	return c, o.failure()
}

func readSHA256(o *object) string {
	const want = "the SHA-256 of the whole cache as 64 lower-case hexadecimal digits"
	s := o.text("sha256", rule{required: true, max: MaxIDBytes, want: want})
	if o.failure() != nil {
		return ""
	}
	if sum, err := hex.DecodeString(s); err != nil || len(sum) != 32 || hex.EncodeToString(sum) != s {
		o.wrong("sha256", want, "another string")
	}
	return s
}
