package auth

import (
	"encoding/hex"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/fairlead-go/ssh/wire"
)

// A message is what all codecs here have in common.
type message interface {
	append(b []byte) []byte
	parse(p []byte) error
}

type codec struct {
	name  string
	fresh func() message // to parse into
	open  bool           // what follows the fields is another codec's
	full  []message
}

var codecs = []codec{
	{"SERVICE_REQUEST", func() message { return &serviceMessage{number: wire.MsgServiceRequest} }, false,
		[]message{&serviceMessage{wire.MsgServiceRequest, "ssh-userauth"}}},
	{"SERVICE_ACCEPT", func() message { return &serviceMessage{number: wire.MsgServiceAccept} }, false,
		[]message{&serviceMessage{wire.MsgServiceAccept, "x"}}},
	{"USERAUTH_REQUEST", func() message { return new(userauthRequest) }, true,
		[]message{&userauthRequest{user: "bob", service: "ssh-connection", method: "none", fields: []byte{}}}},
	{"USERAUTH_FAILURE", func() message { return new(userauthFailure) }, false,
		[]message{&userauthFailure{}, &userauthFailure{methods: []string{"a", "b"}, partial: true}}},
	{"USERAUTH_BANNER", func() message { return new(userauthBanner) }, false,
		[]message{&userauthBanner{"hello\r\n", "en"}}},
	{"password", func() message { return new(passwordFields) }, false,
		[]message{&passwordFields{password: []byte("a")}, &passwordFields{change: true, password: []byte("a"), newPassword: []byte("b")}}},
	{"PASSWD_CHANGEREQ", func() message { return new(passwdChangereq) }, false,
		[]message{&passwdChangereq{"change", "en"}}},
	{"publickey", func() message { return new(publicKeyFields) }, false,
		[]message{&publicKeyFields{algorithm: "a", blob: []byte("b")}, &publicKeyFields{signed: true, algorithm: "a", blob: []byte("b"), signature: []byte("c")}}},
	{"PK_OK", func() message { return new(publicKeyOK) }, false,
		[]message{&publicKeyOK{"a", []byte("b")}}},
	{"keyboard-interactive", func() message { return new(interactiveFields) }, false,
		[]message{&interactiveFields{"en", "pam"}}},
	{"INFO_REQUEST", func() message { return new(infoRequest) }, false,
		[]message{&infoRequest{}, &infoRequest{Challenge{"n", "i", []Question{{"a", true}, {"b", false}}}, "en"}}},
	{"INFO_RESPONSE", func() message { return new(infoResponse) }, false,
		[]message{&infoResponse{}, &infoResponse{[]string{"", "a"}}}},
}

// Names longer than the RFC allows would end in a server's log.
func TestLongNames(t *testing.T) {
	long := strings.Repeat("x", maxName+1)
	require.Error(t, new(userauthRequest).parse((&userauthRequest{user: "bob", service: serviceConnection, method: long}).append(nil)))
	require.Error(t, new(userauthRequest).parse((&userauthRequest{user: "bob", service: long, method: MethodNone}).append(nil)))
	require.Error(t, new(publicKeyFields).parse((&publicKeyFields{algorithm: long}).append(nil)))
	require.NoError(t, new(publicKeyFields).parse((&publicKeyFields{algorithm: long[1:]}).append(nil)))
}

func TestMessages(t *testing.T) {
	for _, codec := range codecs {
		t.Run(codec.name, func(t *testing.T) {
			for _, m := range codec.full {
				p := m.append(nil)
				require.Equal(t, append([]byte("head"), p...), m.append([]byte("head")), "append keeps what is there")
				got := codec.fresh()
				require.NoError(t, got.parse(p))
				require.Equal(t, m, got)
				require.Equal(t, p, got.append(nil))
				for n := range p {
					require.ErrorIs(t, codec.fresh().parse(p[:n]), wire.ErrTruncated, "%d of %d bytes", n, len(p))
				}
				if !codec.open {
					require.ErrorIs(t, codec.fresh().parse(append(slices.Clone(p), 0)), wire.ErrTrailing)
				}
				if numbered(m) {
					other := slices.Clone(p)
					other[0]++
					require.ErrorIs(t, codec.fresh().parse(other), wire.ErrInvalid)
				}
			}
		})
	}
	require.NoError(t, parseSuccess([]byte{wire.MsgUserauthSuccess}))
	require.ErrorIs(t, parseSuccess([]byte{wire.MsgUserauthSuccess, 0}), wire.ErrTrailing)
	require.ErrorIs(t, parseSuccess([]byte{wire.MsgUserauthFailure}), wire.ErrInvalid)
	require.ErrorIs(t, parseSuccess(nil), wire.ErrTruncated)
	require.NoError(t, parseNoFields(nil))
	require.ErrorIs(t, parseNoFields([]byte{0}), wire.ErrTrailing)
}

// numbered reports whether m is a whole message, and not a method's fields.
func numbered(m message) bool {
	return !strings.HasSuffix(reflect.TypeOf(m).String(), "Fields")
}

// The bytes as the RFCs lay them out.
func TestMessageBytes(t *testing.T) {
	password := passwordFields{password: []byte("pw")}
	for _, tt := range []struct {
		m    message
		want string
	}{
		{&serviceMessage{5, "s"}, "05 00000001 73"},
		{&userauthRequest{"u", "s", "password", password.append(nil)},
			"32 00000001 75 00000001 73 00000008 70617373776f7264 00 00000002 7077"},
		{&userauthFailure{[]string{"a", "b"}, true}, "33 00000003 612c62 01"},
		{&userauthBanner{"m", ""}, "35 00000001 6d 00000000"},
		{&passwordFields{true, []byte("o"), []byte("n")}, "01 00000001 6f 00000001 6e"},
		{&passwdChangereq{"p", "en"}, "3c 00000001 70 00000002 656e"},
		{&publicKeyFields{false, "a", []byte{0xff}, nil}, "00 00000001 61 00000001 ff"},
		{&publicKeyFields{true, "a", []byte{0xff}, []byte{0xfe}}, "01 00000001 61 00000001 ff 00000001 fe"},
		{&publicKeyOK{"a", []byte{0xff}}, "3c 00000001 61 00000001 ff"},
		{&interactiveFields{"", "x"}, "00000000 00000001 78"},
		{&infoRequest{Challenge{"n", "i", []Question{{"p", true}}}, ""}, "3c 00000001 6e 00000001 69 00000000 00000001 00000001 70 01"},
		{&infoResponse{[]string{"a"}}, "3d 00000001 00000001 61"},
	} {
		want, err := hex.DecodeString(strings.ReplaceAll(tt.want, " ", ""))
		require.NoError(t, err)
		require.Equal(t, want, tt.m.append(nil), "%T", tt.m)
	}
	signed := signedData([]byte("id"), "u", &publicKeyFields{signed: true, algorithm: "a", blob: []byte{0xff}})
	require.Equal(t, "000000026964"+"32"+"0000000175"+"0000000e7373682d636f6e6e656374696f6e"+
		"000000097075626c69636b6579"+"01"+"0000000161"+"00000001ff", hex.EncodeToString(signed))
}

// A count that the message cannot hold costs nothing and is refused.
func TestCountsAreBounded(t *testing.T) {
	for _, n := range []uint32{maxQuestions + 1, 1 << 31, 1<<32 - 1} {
		b := wire.AppendString(wire.AppendString(wire.AppendString([]byte{msgInfoRequest}, ""), ""), "")
		require.ErrorIs(t, new(infoRequest).parse(wire.AppendUint32(b, n)), wire.ErrInvalid)
		require.ErrorIs(t, new(infoResponse).parse(wire.AppendUint32([]byte{msgInfoResponse}, n)), wire.ErrInvalid)
	}
	require.ErrorIs(t, new(infoResponse).parse(wire.AppendUint32([]byte{msgInfoResponse}, 2)), wire.ErrTruncated)
}

// Decoders keep no alias but where they say so, since the payload is
// overwritten by the next read.
func TestTextIsCopied(t *testing.T) {
	p := (&infoRequest{Challenge{"name", "", []Question{{"prompt", true}}}, ""}).append(nil)
	var m infoRequest
	require.NoError(t, m.parse(p))
	clear(p)
	require.Equal(t, Challenge{"name", "", []Question{{"prompt", true}}}, m.Challenge)
}
