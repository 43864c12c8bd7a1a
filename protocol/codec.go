package protocol

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"unicode/utf8"
)

// DecodeEvent returns the event of that name, checked, or an *Error. data is the event's one argument as JSON text and
// attachments are its binary parts; both are kept by the CacheSync or CacheChunk that is returned and must not change.
//
// An event sent with no argument, or with null, reads as {}. The JSON of a cache_sync is NOT checked again here: the
// gateway's parser has done that once for the whole frame. What is checked is what would break other clients when it is
// passed on: that the text is UTF-8 and that placeholders and attachments belong together.
func DecodeEvent(name string, data []byte, attachments [][]byte) (Event, error) {
	switch name {
	case EventCacheSync:
		return result(decodeCacheSync(data, attachments))
	case EventCacheChunk:
		return result(decodeCacheChunk(data, attachments))
	case EventIdentify, EventReady, EventHealthCheck, EventComa, EventShutdown:
	default:
		return nil, Errorf(CodeUnknownEvent, "", "want one of the events %s, %s, %s, %s, %s, %s and %s", EventIdentify,
			EventReady, EventHealthCheck, EventCacheSync, EventCacheChunk, EventComa, EventShutdown)
	}
	if len(attachments) > 0 {
		return nil, Errorf(CodeMalformed, "", "%s: want one JSON object with no binary data in it", name)
	}
	o := openEvent(name, data)
	var event Event
	switch name {
	case EventIdentify:
		event = readIdentify(o)
	case EventReady:
		event = readReady(o)
	case EventHealthCheck:
		event = readHealthReport(o)
	case EventComa:
		event = readFarewell(o)
	case EventShutdown:
		event = Shutdown(readFarewell(o))
	}
	return result(event, o.failure())
}

// EncodeEvent returns an event's JSON text and attachments, for SDKs and tests. It reveals the secrets of an Identify.
func EncodeEvent(e Event) (data []byte, attachments [][]byte) {
	switch e := e.(type) {
	case CacheSync:
		return e.Cache.JSON, e.Cache.Attachments
	case CacheChunk:
		return encode(chunkFrame{CacheChunk: e, Data: placeholder{Placeholder: true}}), [][]byte{e.Data}
	case Identify:
		return encode(identifyFrame{Identify: e, Key: e.Key.Reveal(), Launch: e.Launch.Reveal()}), nil
	case HealthReport:
		return encode(reportFrame(e)), nil
	default:
		return encode(e), nil
	}
}

// EncodeCommand returns {"t":NAME,"d":{…}}.
func EncodeCommand(c Command) []byte {
	switch v := c.(type) {
	case HealthCheck:
		v.VitalCogs = orEmpty(v.VitalCogs)
		c = v
	case ProcessCommands:
		v.Handled = orEmpty(v.Handled)
		c = v
	}
	return encode(struct {
		T string  `json:"t"`
		D Command `json:"d"`
	}{c.CommandName(), c})
}

// DecodeCommand returns the command, or an *Error. A command this version does not know is an *Error with CodeUnknownEvent:
// SDKs log it and go on. A reason or a phase that is not on our list is kept as it is, so that an older client obeys a
// newer server.
func DecodeCommand(data []byte) (Command, error) {
	o := openObject(EventCommand, data)
	name := o.text("t", rule{required: true, max: MaxIDBytes, want: `the name of a command, such as "ok"`})
	if o.failure() == nil && !slices.Contains(commandNames(), name) {
		return nil, Errorf(CodeUnknownEvent, "t", "t: want one of the commands %v", commandNames())
	}
	d := o.child("d", true)
	var c Command
	switch name {
	case CommandOK:
		c = OK{Epoch: d.epoch(true)}
	case CommandHealthCheck:
		c = readHealthCheck(d)
	case CommandProcessCommands:
		c = ProcessCommands{Epoch: d.epoch(true), Handled: orEmpty(d.ids("handled", maxInt)), Replay: d.flag("replay", false)}
	case CommandComa:
		c = readStop(d)
	case CommandShutdown:
		c = ShutDown(readStop(d))
	case CommandCacheSync:
		c = SendCache{}
	}
	if err := o.failure(); err != nil {
		return nil, err
	}
	return c, nil
}

func commandNames() []string {
	return []string{
		CommandOK, CommandHealthCheck, CommandProcessCommands, CommandComa, CommandShutdown, CommandCacheSync,
	}
}

func readHealthCheck(d *object) HealthCheck {
	return HealthCheck{
		CheckID:    d.id("check_id", true, idWant),
		Phase:      Phase(d.text("phase", rule{required: true, max: MaxIDBytes, want: `a phase, such as "candidate"`})),
		DeadlineMS: int64(d.number("deadline_ms", true, 0, MaxInteger)),
		VitalCogs:  orEmpty(d.texts("vital_cogs", maxInt, rule{max: maxInt, want: "the name of a cog"})),
	}
}

func readStop(d *object) EnterComa {
	return EnterComa{
		Reason:    Reason(d.text("reason", rule{required: true, max: MaxIDBytes, want: `a reason, such as "handover"`})),
		CacheSync: d.flag("cache_sync", false),
		Epoch:     d.epoch(true),
		DrainMS:   int64(d.number("drain_ms", false, 0, MaxInteger)),
	}
}

// result keeps a nil *Error from becoming a non-nil error.
func result(e Event, err *Error) (Event, error) {
	if err != nil {
		return nil, err
	}
	return e, nil
}

// encode marshals a value of this package. All of them can be marshalled, save for a RawMessage that is no JSON.
func encode(v any) []byte {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		panic(fmt.Sprintf("protocol: encode %T: %v", v, err))
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n"))
}

func orEmpty(list []string) []string {
	if list == nil {
		return []string{}
	}
	return list
}

// checkUTF8 is for text that is passed on: a websocket client closes its connection on a text frame that is not UTF-8.
func checkUTF8(what string, data []byte) *Error {
	if utf8.Valid(data) {
		return nil
	}
	return Errorf(CodeMalformed, "", "%s: want JSON in UTF-8", what)
}

// EncodeRejected returns the JSON text of the event rejected.
func EncodeRejected(r Rejected) []byte {
	data, err := json.Marshal(r)
	if err != nil {
		panic(err) // five strings cannot fail
	}
	return data
}
