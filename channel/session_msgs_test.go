package channel

import (
	"bytes"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/fairlead-go/ssh/wire"
)

// The decoders of session requests, each followed by its encoder.
var sessionCodecs = map[string]func([]byte) ([]byte, error){
	requestPTY: func(b []byte) ([]byte, error) {
		p, err := parsePTYRequest(b)
		return appendPTYRequest(nil, p), err
	},
	requestWindowChange: func(b []byte) ([]byte, error) {
		s, err := parseWindowChange(b)
		return appendWindowSize(nil, s), err
	},
	requestEnv: func(b []byte) ([]byte, error) {
		name, value, err := parseEnv(b)
		return appendEnv(nil, name, value), err
	},
	requestExec: func(b []byte) ([]byte, error) {
		s, err := parseString(b)
		return wire.AppendString(nil, s), err
	},
	requestSignal: func(b []byte) ([]byte, error) {
		s, err := parseSignal(b)
		return wire.AppendString(nil, s), err
	},
	requestExitStatus: func(b []byte) ([]byte, error) {
		v, err := parseUint32(b)
		return wire.AppendUint32(nil, v), err
	},
	requestExitSignal: func(b []byte) ([]byte, error) {
		e, err := parseExitSignal(b)
		return appendExitSignal(nil, e), err
	},
}

var sessionSeeds = map[string][]byte{
	requestPTY: []byte("\x00\x00\x00\x05xterm" + "\x00\x00\x00\x50\x00\x00\x00\x18\x00\x00\x02\x80\x00\x00\x01\xe0" +
		"\x00\x00\x00\x06\x35\x00\x00\x00\x01\x00"),
	requestWindowChange: []byte("\x00\x00\x00\x50\x00\x00\x00\x18\x00\x00\x02\x80\x00\x00\x01\xe0"),
	requestEnv:          []byte("\x00\x00\x00\x04LANG\x00\x00\x00\x01C"),
	requestExec:         []byte("\x00\x00\x00\x08uname -a"),
	requestSignal:       []byte("\x00\x00\x00\x03INT"),
	requestExitStatus:   []byte("\x00\x00\x00\x7f"),
	requestExitSignal:   []byte("\x00\x00\x00\x04SEGV\x01\x00\x00\x00\x04oops\x00\x00\x00\x02en"),
}

func TestSessionMessages(t *testing.T) {
	for name, recode := range sessionCodecs {
		t.Run(name, func(t *testing.T) { checkCodec(t, sessionSeeds[name], recode) })
	}
	p, err := parsePTYRequest(sessionSeeds[requestPTY])
	require.NoError(t, err)
	require.Equal(t, PTY{"xterm", WindowSize{80, 24, 640, 480}, TerminalModes{{ECHO, 1}}}, p)
	e, err := parseExitSignal(sessionSeeds[requestExitSignal])
	require.NoError(t, err)
	require.Equal(t, ExitSignal{SIGSEGV, true, "oops", "en"}, e)
}

func TestSessionMessagesRefused(t *testing.T) {
	str := func(s ...string) []byte {
		var b []byte
		for _, s := range s {
			b = wire.AppendString(b, s)
		}
		return b
	}
	tests := []struct{ name, request, payload string }{
		{"NUL in TERM", requestPTY, string(appendPTYRequest(nil, PTY{Term: "a\x00b"}))},
		{"long TERM", requestPTY, string(appendPTYRequest(nil, PTY{Term: strings.Repeat("x", maxTerm+1)}))},
		{"no name", requestEnv, string(str("", "v"))},
		{"= in name", requestEnv, string(str("A=B", "v"))},
		{"NUL in name", requestEnv, string(str("A\x00", "v"))},
		{"NUL in value", requestEnv, string(str("A", "v\x00LD_PRELOAD=x"))},
		{"no signal", requestSignal, string(str(""))},
		{"long signal", requestSignal, string(str(strings.Repeat("S", maxSignalName+1)))},
		{"escape in signal", requestSignal, string(str("\x1b[2J"))},
		{"escape in exit-signal", requestExitSignal, string(appendExitSignal(nil, ExitSignal{Signal: "\x1b[2J"}))},
	}
	for _, test := range tests {
		_, err := sessionCodecs[test.request]([]byte(test.payload))
		require.ErrorIs(t, err, wire.ErrInvalid, test.name)
	}
	_, err := parsePTYRequest(append(appendWindowSize(str("xterm"), WindowSize{}), str("\x01\x00")...))
	require.ErrorIs(t, err, wire.ErrTruncated, "modes cut short")
}

// fuzzCodec checks that what parses is encoded to the same bytes.
func fuzzCodec(f *testing.F, request string) {
	f.Add(sessionSeeds[request])
	f.Fuzz(func(t *testing.T, b []byte) {
		again, err := sessionCodecs[request](b)
		if err == nil && !bytes.Equal(b, again) && !sameBooleans(b, again) {
			t.Fatalf("%x became %x", b, again)
		}
	})
}

// sameBooleans allows for a boolean that is true by another value than 1.
func sameBooleans(a, b []byte) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		if a[i] != b[i] && (a[i] == 0 || b[i] != 1) {
			return false
		}
	}
	return true
}

func FuzzEnvRequest(f *testing.F)    { fuzzCodec(f, requestEnv) }
func FuzzSignalRequest(f *testing.F) { fuzzCodec(f, requestSignal) }
func FuzzExitSignal(f *testing.F)    { fuzzCodec(f, requestExitSignal) }
func FuzzWindowChange(f *testing.F)  { fuzzCodec(f, requestWindowChange) }

// Modes may be encoded in more than one way, so pty-req need not come back as
// the same bytes, only with the same meaning.
func FuzzPTYRequest(f *testing.F) {
	f.Add(sessionSeeds[requestPTY])
	f.Fuzz(func(t *testing.T, b []byte) {
		p, err := parsePTYRequest(b)
		if err != nil {
			return
		}
		again, err := parsePTYRequest(appendPTYRequest(nil, p))
		require.NoError(t, err)
		require.Equal(t, p, again)
	})
}
