package protocol

import "errors"

// DecodeEvent returns the event of that name, checked, or an *Error. data is the event's one argument as JSON text and
// attachments are its binary parts; both are kept by the CacheSync or CacheChunk that is returned and must not change.
func DecodeEvent(name string, data []byte, attachments [][]byte) (Event, error) {
	return nil, errors.New("not written yet")
}

// EncodeEvent returns an event's JSON text and attachments, for SDKs and tests. It reveals the secrets of an Identify.
func EncodeEvent(e Event) (data []byte, attachments [][]byte) { return nil, nil }

// EncodeCommand returns {"t":NAME,"d":{…}}.
func EncodeCommand(c Command) []byte { return nil }

// DecodeCommand returns the command, or an *Error. A command this version does not know is an *Error with CodeUnknownEvent:
// SDKs log it and go on.
func DecodeCommand(data []byte) (Command, error) { return nil, errors.New("not written yet") }

// EncodeHello returns the JSON text of a hello. It reveals the token.
func EncodeHello(h Hello) []byte { return nil }

// DecodeHello is for SDKs.
func DecodeHello(data []byte) (Hello, error) { return Hello{}, errors.New("not written yet") }
