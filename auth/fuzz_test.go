package auth

import (
	"context"
	"io"
	"reflect"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/fairlead-go/ssh/keys"
	"github.com/fairlead-go/ssh/wire"
)

// fuzzCodec checks that what parses can be written and parses to the same
// again. The bytes are the same too but for booleans, where 2 to 255 are true.
func fuzzCodec(f *testing.F, name string) {
	i := slices.IndexFunc(codecs, func(c codec) bool { return c.name == name })
	codec := codecs[i]
	for _, m := range codec.full {
		f.Add(m.append(nil))
	}
	f.Fuzz(func(t *testing.T, p []byte) {
		m, again := codec.fresh(), codec.fresh()
		if m.parse(p) != nil {
			return
		}
		b := m.append(nil)
		require.Len(t, b, len(p))
		require.NoError(t, again.parse(b))
		require.True(t, reflect.DeepEqual(m, again))
		require.Equal(t, b, again.append(nil))
	})
}

func FuzzServiceRequest(f *testing.F)    { fuzzCodec(f, "SERVICE_REQUEST") }
func FuzzUserauthRequest(f *testing.F)   { fuzzCodec(f, "USERAUTH_REQUEST") }
func FuzzUserauthFailure(f *testing.F)   { fuzzCodec(f, "USERAUTH_FAILURE") }
func FuzzUserauthBanner(f *testing.F)    { fuzzCodec(f, "USERAUTH_BANNER") }
func FuzzPasswordFields(f *testing.F)    { fuzzCodec(f, "password") }
func FuzzPasswdChangereq(f *testing.F)   { fuzzCodec(f, "PASSWD_CHANGEREQ") }
func FuzzPublicKeyFields(f *testing.F)   { fuzzCodec(f, "publickey") }
func FuzzPublicKeyOK(f *testing.F)       { fuzzCodec(f, "PK_OK") }
func FuzzInteractiveFields(f *testing.F) { fuzzCodec(f, "keyboard-interactive") }
func FuzzInfoRequest(f *testing.F)       { fuzzCodec(f, "INFO_REQUEST") }
func FuzzInfoResponse(f *testing.F)      { fuzzCodec(f, "INFO_RESPONSE") }

// A tape is a peer that says what was recorded, one string a message, and
// does not listen.
type tape struct {
	r    wire.Reader
	err  error
	read int
	sent [][]byte
}

func record(messages ...[]byte) []byte {
	var b []byte
	for _, m := range messages {
		b = wire.AppendString(b, m)
	}
	return b
}

func (c *tape) ReadPacket() ([]byte, error) {
	if c.err != nil {
		return nil, c.err
	}
	for c.r.Err() == nil {
		if p := c.r.Bytes(); len(p) > 0 {
			c.read++
			return slices.Clone(p), nil
		}
	}
	return nil, io.EOF
}

func (c *tape) WritePacket(<-chan struct{}, []byte, []byte) error {
	panic("the goroutine that reads must not wait to write")
}

func (c *tape) QueuePacket(p []byte) error {
	if c.err != nil {
		return c.err
	}
	c.sent = append(c.sent, slices.Clone(p))
	return nil
}

func (c *tape) Fail(err error) {
	if c.err == nil {
		c.err = err
	}
}

// FuzzServer drives a whole server that would take any key, but nobody who
// makes the input has one, and nothing else.
func FuzzServer(f *testing.F) {
	blob := mustKey(keys.KeyEd25519, 0).PublicKey().Marshal()
	request := func(method string, fields message) []byte {
		m := userauthRequest{user: "bob", service: serviceConnection, method: method}
		if fields != nil {
			m.fields = fields.append(nil)
		}
		return m.append(nil)
	}
	service := (&serviceMessage{wire.MsgServiceRequest, serviceUserauth}).append(nil)
	query := request(MethodPublicKey, &publicKeyFields{algorithm: keys.KeyEd25519, blob: blob})
	signed := request(MethodPublicKey, &publicKeyFields{signed: true, algorithm: keys.KeyEd25519, blob: blob,
		signature: (&keys.Signature{Format: keys.KeyEd25519, Blob: make([]byte, 64)}).Marshal()})
	password := request(MethodPassword, &passwordFields{password: []byte("secret")})
	change := request(MethodPassword, &passwordFields{change: true, password: []byte("secret"), newPassword: []byte("x")})
	interactive := request(MethodKeyboardInteractive, new(interactiveFields))
	answer := (&infoResponse{[]string{"42"}}).append(nil)
	f.Add(record(service, request(MethodNone, nil), query, signed, password))
	f.Add(record(service, interactive, answer, answer, interactive, password, change))
	f.Add(record(service, request("unknown", nil), interactive, query))
	f.Add(record(service, password, password, password, password, password, password))
	f.Add(record(service, service))
	f.Fuzz(func(t *testing.T, b []byte) {
		c := &tape{r: wire.NewReader(b)}
		id, err := Server(t.Context(), c, session(), &ServerConfig{
			Password: func(context.Context, *Attempt, []byte) (*Permissions, error) {
				return nil, &PasswordChangeRequired{Prompt: "change"}
			},
			ChangePassword: func(context.Context, *Attempt, []byte, []byte) (*Permissions, error) { return nil, errWrong },
			PublicKey:      func(context.Context, *Attempt, keys.PublicKey) (*Permissions, error) { return nil, nil },
			KeyboardInteractive: func(ctx context.Context, a *Attempt, ask func(context.Context, *Challenge) ([]string, error)) (*Permissions, error) {
				for range 2 {
					if _, err := ask(ctx, &Challenge{Questions: make([]Question, 1)}); err != nil {
						return nil, nil // swallowed: must refuse all the same
					}
				}
				return nil, errWrong
			},
			FailureDelay: -1,
			Banner:       "banner",
		})
		require.Nil(t, id)
		require.Error(t, err)
		require.Error(t, c.err, "the connection has been failed")
		require.LessOrEqual(t, c.read, defaultMaxAttempts+2)
		for _, p := range c.sent {
			require.NotEqual(t, byte(wire.MsgUserauthSuccess), p[0])
		}
	})
}

// FuzzClient drives a whole client with every method.
func FuzzClient(f *testing.F) {
	key := slowSigner{mustKey(keys.KeyEd25519, 0)}
	accept := (&serviceMessage{wire.MsgServiceAccept, serviceUserauth}).append(nil)
	all := (&userauthFailure{methods: []string{MethodPublicKey, MethodPassword, MethodKeyboardInteractive}}).append(nil)
	partial := (&userauthFailure{methods: []string{MethodKeyboardInteractive, MethodPassword}, partial: true}).append(nil)
	banner := (&userauthBanner{"hello", ""}).append(nil)
	success := []byte{wire.MsgUserauthSuccess}
	ok := (&publicKeyOK{keys.KeyEd25519, key.PublicKey().Marshal()}).append(nil)
	change := (&passwdChangereq{"change", ""}).append(nil)
	ask := (&infoRequest{Challenge: Challenge{Questions: make([]Question, 2)}}).append(nil)
	f.Add(record(accept, success))
	f.Add(record(accept, banner, all, ok, success))
	f.Add(record(accept, all, all, all, change, change, success))
	f.Add(record(accept, all, ok, partial, all, ask, ask, success))
	f.Add(record(accept, all, all, partial, partial, ask, partial, all, all, all))
	f.Fuzz(func(t *testing.T, b []byte) {
		c := &tape{r: wire.NewReader(b)}
		res, err := Client(t.Context(), c, session(), &ClientConfig{
			User:           "bob",
			Banner:         func(string) {},
			ChangePassword: func(context.Context, *PasswordChange) (string, error) { return "new", nil },
			Methods: []Method{
				PublicKeys(key),
				PasswordPrompt(func(context.Context) (string, error) { return "secret", nil }, 2),
				KeyboardInteractive(answers("42"), 0),
			},
		})
		require.LessOrEqual(t, len(c.sent), maxRequests+maxInfoRequests+1)
		if err != nil {
			require.Nil(t, res)
			require.Error(t, c.err, "the connection has been failed")
			return
		}
		require.NoError(t, c.err)
		require.NotEmpty(t, res.Method)
		require.Greater(t, c.read, 1)
	})
}
