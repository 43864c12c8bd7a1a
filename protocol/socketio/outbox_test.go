package socketio

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

type fakeSender struct{ woken int }

func (f *fakeSender) wake() { f.woken++ }

func text(s string) item { return newItem([]byte(s), nil) }

func texts(batch []item) []string {
	var all []string
	for _, it := range batch {
		all = append(all, string(it.text))
	}
	return all
}

func TestOutboxKeepsOrderButForTheUrgent(t *testing.T) {
	t.Parallel()
	s := &fakeSender{}
	o := outbox{limit: 100}
	require.True(t, o.push(text("a")))
	o.attach(s)
	assert.Equal(t, 1, s.woken)
	o.push(text("b"))
	ping := text("2")
	ping.urgent = true
	o.push(ping)
	assert.Equal(t, 1, s.woken, "once is enough until it has looked")
	assert.Equal(t, []string{"2", "a"}, texts(o.take(s, 2)))
	assert.Empty(t, o.take(s, 2), "one batch at a time")
	o.landed(s)
	assert.Equal(t, []string{"b"}, texts(o.take(s, 2)))
	o.landed(s)
	assert.Empty(t, o.take(s, 2))
	o.push(text("c"))
	assert.Equal(t, 2, s.woken)
}

func TestOutboxIsLimitedInBytes(t *testing.T) {
	t.Parallel()
	o := outbox{limit: 10}
	s := &fakeSender{}
	o.attach(s)
	require.True(t, o.push(text("larger than the limit, but alone")))
	require.False(t, o.push(text("x")))
	require.Len(t, o.take(s, 1), 1)
	require.False(t, o.push(text("x")), "what is being written counts")
	o.landed(s)
	require.True(t, o.push(text("x")))
	assert.Equal(t, 1, o.queued())
}

func TestOutboxReplacesWhatIsUnsent(t *testing.T) {
	t.Parallel()
	o := outbox{limit: 100}
	s := &fakeSender{}
	cache := func(text string) item {
		it := newItem([]byte(text), [][]byte{[]byte("attached")})
		it.key = "cache_sync"
		return it
	}
	o.push(cache("old"))
	o.push(text("command"))
	o.push(cache("newer"))
	o.attach(s)
	assert.Equal(t, []string{"newer"}, texts(o.take(s, 1)))
	o.push(cache("newest"))
	assert.Equal(t, 13+7+14, o.queued())
	o.landed(s)
	assert.Equal(t, []string{"command", "newest"}, texts(o.take(s, 100)))
}

func TestOutboxGoesOverToAnotherSender(t *testing.T) {
	t.Parallel()
	o := outbox{limit: 100}
	first, second := &fakeSender{}, &fakeSender{}
	o.attach(first)
	o.push(text("a"))
	o.push(text("b"))
	require.Len(t, o.take(first, 1), 1)
	o.attach(second)
	assert.Zero(t, second.woken, "not before the first has landed")
	o.landed(first)
	assert.Equal(t, 1, second.woken)
	assert.Empty(t, o.take(first, 1))
	assert.Equal(t, []string{"b"}, texts(o.take(second, 1)))
}

func TestOutboxTellsWhenItIsEmpty(t *testing.T) {
	t.Parallel()
	o := outbox{limit: 100}
	s := &fakeSender{}
	o.attach(s)
	o.push(text("a"))
	landed := o.seal(text("last"))
	assert.True(t, o.push(text("too late")))
	assert.Equal(t, []string{"a", "last"}, texts(o.take(s, 100)))
	select {
	case <-landed:
		t.Fatal("it has not landed")
	default:
	}
	o.landed(s)
	<-landed
	<-o.seal()

	o = outbox{limit: 100}
	o.push(text("a"))
	landed = o.seal()
	o.discard()
	<-landed
	assert.Zero(t, o.queued())
}
