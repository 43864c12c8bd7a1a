package protocol

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"testing"

	"github.com/rs/zerolog"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const secret = "MTk4NjIyNDgzNDcxOTI1MjQ4.Cl2FMQ.secret"

func TestTokenIsNeverPrinted(t *testing.T) {
	token := NewToken(secret)
	type exported struct{ Token Token }
	type unexported struct{ token Token }
	type embedded struct{ Token }
	type pointer struct{ token *Token }
	type nested struct {
		in   unexported
		list []Token
		keys map[string]Token
		any  any
	}
	values := map[string]any{
		"value":              token,
		"pointer":            &token,
		"exported field":     exported{token},
		"unexported field":   unexported{token},
		"pointer to struct":  &unexported{token},
		"embedded":           embedded{token},
		"pointer field":      pointer{&token},
		"slice":              []Token{token},
		"array of pointers":  [1]*Token{&token},
		"map":                map[string]Token{"token": token},
		"map key":            map[Token]int{token: 1},
		"deep inside":        nested{unexported{token}, []Token{token}, map[string]Token{"t": token}, token},
		"pointer to nesting": &nested{any: &token},
		"identify":           Identify{Version: "1", Key: token, Launch: token},
		"hello":              Hello{Token: token},
		"pointer to hello":   &Hello{Token: token},
		"error":              fmt.Errorf("login with %v: %w", token, errors.New("refused")),
	}
	for name, v := range values {
		t.Run(name, func(t *testing.T) {
			for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d", "%t", "%p", "%c", "%08.3f", "% x", "%T"} {
				assertHidden(t, verb, fmt.Sprintf(verb, v))
			}
			assertHidden(t, "print", fmt.Sprint(v)+fmt.Sprintln(v))
			if raw, err := json.Marshal(v); err == nil {
				assertHidden(t, "json", string(raw))
			}
			var log bytes.Buffer
			l := zerolog.New(&log).With().Interface("context", v).Logger()
			l.Info().Interface("v", v).Any("any", v).Str("s", fmt.Sprint(v)).Err(fmt.Errorf("%v", v)).Msg("logged")
			readable := zerolog.New(zerolog.ConsoleWriter{Out: &log})
			readable.Info().Interface("v", v).Msg("logged")
			assertHidden(t, "zerolog", log.String())
		})
	}
}

func assertHidden(t *testing.T, how, text string) {
	t.Helper()
	for _, form := range []string{secret, secret[:8], fmt.Sprintf("%x", secret[:8]), fmt.Sprintf("%X", secret[:8]), fmt.Sprintf("% x", secret[:8])} {
		assert.NotContains(t, text, form, how)
	}
}

func TestTokenReads(t *testing.T) {
	token := NewToken(secret)
	assert.Equal(t, "[redacted]", fmt.Sprintf("%s", token))
	assert.Equal(t, "[redacted]", token.String())
	assert.Equal(t, secret, token.Reveal())
	assert.Empty(t, Token{}.Reveal())
	assert.True(t, Token{}.IsZero())
	assert.True(t, NewToken("").IsZero())
	assert.False(t, token.IsZero())
	assert.True(t, token.Equal(NewToken(secret)))
	assert.False(t, token.Equal(NewToken(secret+"x")))
	assert.False(t, token.Equal(Token{}))

	var read struct{ Key Token }
	require.NoError(t, json.Unmarshal([]byte(`{"Key":"`+secret+`"}`), &read))
	assert.Equal(t, secret, read.Key.Reveal())
}

func TestSecretsLeaveOnlyWhereTheyAreMeantTo(t *testing.T) {
	token := NewToken(secret)
	identify, _ := EncodeEvent(Identify{Version: "1", Key: token})
	assert.Contains(t, string(identify), secret)
	assert.Contains(t, string(EncodeHello(Hello{Token: token, Instance: "i"})), secret)
	refused := EncodeHello(Hello{Token: token, Error: Errorf(CodeUnauthorized, "key", "key: want the key of the fleet")})
	assert.NotContains(t, string(refused), secret, "a hello with an error has no token")
	assert.NotContains(t, string(refused), "process_commands")
}
