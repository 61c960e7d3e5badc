package keys

import (
	"bytes"
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/fairlead-go/ssh/internal/fidotest"
	"github.com/fairlead-go/ssh/wire"
)

// skTypes are the key types of security keys.
var skTypes = []string{KeySKEd25519, KeySKECDSA256}

const testOrigin = "https://www.example.com"

// A device is a security key with one key, and a browser if it is asked for
// SKWebAuthnECDSA256.
type device struct {
	key     crypto.Signer
	private *PrivateKey

	flags   func(asked uint8) uint8             // what it says it did; nil: what was asked
	change  func(*AssertionResponse)            // what it gets wrong, if not nil
	origin  string                              // what the browser says where it is
	rewrite func(clientData []byte) []byte      // before it is signed
	asked   func(r *AssertionRequest)           // sees requests, if not nil
	extend  func() (extensions []byte, f uint8) // extensions and their flag
	count   func() uint32
}

// newDevice makes a device whose key's file has the flags.
func newDevice(t testing.TB, keyType string, flags uint8) *device {
	t.Helper()
	d := &device{origin: testOrigin}
	var err error
	if keyType == KeySKEd25519 {
		_, d.key, err = ed25519.GenerateKey(nil)
	} else {
		d.key, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	}
	require.NoError(t, err)
	public, err := NewSecurityKeyPublic(d.key.Public(), "ssh:test")
	require.NoError(t, err)
	require.Equal(t, keyType, public.Type())
	d.private, err = NewSecurityKey(&SecurityKey{PublicKey: public, Flags: flags, KeyHandle: []byte("handle of " + keyType), Reserved: []byte{}})
	require.NoError(t, err)
	d.private.Comment = "a comment"
	return d
}

func (d *device) Assert(ctx context.Context, r *AssertionRequest) (*AssertionResponse, error) {
	if d.asked != nil {
		d.asked(r)
	}
	if !bytes.Equal(r.KeyHandle, d.private.SecurityKey().KeyHandle) {
		return nil, errors.New("no such key")
	}
	a := &AssertionResponse{Flags: r.Flags & (SKUserPresence | SKUserVerification), Counter: 7}
	if d.flags != nil {
		a.Flags = d.flags(r.Flags)
	}
	if d.count != nil {
		a.Counter = d.count()
	}
	hash := r.Hash
	if r.Algorithm == SKWebAuthnECDSA256 {
		a.Origin = d.origin
		a.ClientData = append(appendClientData(nil, d.origin, r.Data), `,"crossOrigin":false}`...)
		if d.rewrite != nil {
			a.ClientData = d.rewrite(a.ClientData)
		}
		if d.extend != nil {
			var f uint8
			a.Extensions, f = d.extend()
			a.Flags |= f
		}
		hash = sha256.Sum256(a.ClientData)
	}
	o := fidotest.Operation{Application: r.Application, Flags: a.Flags, Counter: a.Counter, Extensions: a.Extensions, Hash: hash}
	var err error
	a.Signature, err = o.Sign(d.key)
	if d.change != nil {
		d.change(a)
	}
	return a, err
}

// sign returns the device's signature in wire form, with no check of it, so
// that tests can make bad ones.
func (d *device) sign(t testing.TB, algorithm string, flags uint8, data []byte) []byte {
	t.Helper()
	key := d.private.SecurityKey()
	r, err := d.Assert(t.Context(), &AssertionRequest{
		Algorithm: algorithm, Application: "ssh:test", KeyHandle: key.KeyHandle, Flags: flags, Hash: sha256.Sum256(data), Data: data,
	})
	require.NoError(t, err)
	sig := &Signature{Format: algorithm, Blob: r.Signature, Rest: r.appendRest(nil, algorithm)}
	if key.PublicKey.Type() == KeySKECDSA256 {
		sig.Blob, err = nistp256.fromDER(r.Signature)
		require.NoError(t, err)
	}
	return sig.Marshal()
}

// skAlgorithms are the signature algorithms of security keys with their types.
var skAlgorithms = []struct{ keyType, algorithm string }{
	{KeySKEd25519, KeySKEd25519}, {KeySKECDSA256, KeySKECDSA256}, {KeySKECDSA256, SKWebAuthnECDSA256},
}

func TestSecurityKeyPublic(t *testing.T) {
	for _, keyType := range skTypes {
		k := newDevice(t, keyType, 0).private.PublicKey()
		blob := bytes.Clone(k.Marshal())
		parsed, err := ParsePublicKey(blob)
		require.NoError(t, err)
		require.Equal(t, k, parsed)
		require.Equal(t, "ssh:test", parsed.(SKPublicKey).Application())
		for n := range blob {
			_, err := ParsePublicKey(blob[:n])
			require.Error(t, err, "%d bytes", n)
		}
		_, err = ParsePublicKey(append(bytes.Clone(blob), 0))
		require.ErrorIs(t, err, wire.ErrTrailing)

		// The application is part of the key.
		other, err := NewSecurityKeyPublic(k.(*skPublicKey).plain.(CryptoPublicKey).CryptoPublicKey(), "ssh:")
		require.NoError(t, err)
		require.False(t, Equal(k, other))

		line := MarshalAuthorizedKey(k, "")
		path := writeFile(t, "key.pub", line)
		require.Contains(t, sshKeygen(t, nil, "-l", "-f", path), FingerprintSHA256(k))
		clear(blob)
		require.True(t, Equal(k, parsed))
	}
	require.Equal(t, []string{KeySKECDSA256, SKWebAuthnECDSA256}, newDevice(t, KeySKECDSA256, 0).private.PublicKey().Algorithms())
}

func TestSecurityKeyPublicRefuses(t *testing.T) {
	p384, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	require.NoError(t, err)
	for name, k := range map[string]crypto.PublicKey{
		"nil": nil, "P-384": &p384.PublicKey, "short": ed25519.PublicKey("short"), "RSA": generated()[KeyRSA].Crypto().Public(),
	} {
		_, err := NewSecurityKeyPublic(k, "ssh:")
		require.Error(t, err, name)
	}
	ed := generated()[KeyEd25519].Crypto().Public()
	_, err = NewSecurityKeyPublic(ed, "ssh:\x00")
	require.ErrorIs(t, err, errApplication)
	blob := wire.AppendString(nil, KeySKEd25519)
	blob = wire.AppendString(blob, ed.(ed25519.PublicKey))
	_, err = ParsePublicKey(wire.AppendString(blob, "ssh:\x00"))
	require.ErrorIs(t, err, errApplication)
	// One type's name before another's fields.
	_, err = ParsePublicKey(append(wire.AppendString(nil, KeySKECDSA256), blob[4+len(KeySKEd25519):]...))
	require.Error(t, err)
}

// What was signed, and by whom, for a table of flags and policies.
func TestSecurityKeyVerify(t *testing.T) {
	data := []byte("data")
	for _, c := range skAlgorithms {
		t.Run(c.algorithm, func(t *testing.T) {
			d := newDevice(t, c.keyType, 0)
			d.count = func() uint32 { return 0xfedcba98 }
			public := d.private.PublicKey()
			for _, flags := range []uint8{0, SKUserPresence, SKUserVerification, SKUserPresence | SKUserVerification, 0x3b} {
				sig := d.sign(t, c.algorithm, SKUserPresence|SKUserVerification, data)
				d.flags = func(uint8) uint8 { return flags }
				sig = d.sign(t, c.algorithm, 0, data)
				a, err := VerifyAssertion(public, c.algorithm, data, sig)
				require.NoError(t, err)
				require.Equal(t, flags, a.Flags)
				require.Equal(t, uint32(0xfedcba98), a.Counter)
				if c.algorithm == SKWebAuthnECDSA256 {
					require.Equal(t, testOrigin, a.Origin)
				}
				_, err = VerifyAssertion(public, c.algorithm, []byte("other"), sig)
				require.Error(t, err)
				touched := flags&SKUserPresence != 0
				if err = Verify(public, c.algorithm, data, sig); touched {
					require.NoError(t, err)
				} else {
					require.ErrorIs(t, err, ErrUserPresence)
				}
				parsed, err := ParseSignature(sig)
				require.NoError(t, err)
				require.Equal(t, touched, public.Verify(data, parsed) == nil)

				require.Equal(t, flags&SKUserVerification != 0, SKPolicy{NoTouchRequired: true, VerifyRequired: true}.Check(a) == nil)
				require.NoError(t, SKPolicy{NoTouchRequired: true}.Check(a))
			}
		})
	}
	require.NoError(t, SKPolicy{VerifyRequired: true}.Check(nil))
	require.ErrorIs(t, SKPolicy{VerifyRequired: true}.Check(&Assertion{Flags: SKUserPresence}), ErrUserVerification)
}

// Every byte of a signature counts: flags and counter are signed.
func TestSecurityKeySignatureStrict(t *testing.T) {
	data := []byte("data")
	for _, c := range skAlgorithms {
		t.Run(c.algorithm, func(t *testing.T) {
			d := newDevice(t, c.keyType, 0)
			public := d.private.PublicKey()
			sig := d.sign(t, c.algorithm, SKUserPresence, data)
			require.NoError(t, Verify(public, c.algorithm, data, sig))
			for n := range sig {
				require.Error(t, Verify(public, c.algorithm, data, sig[:n]), "%d bytes", n)
				_, err := VerifyAssertion(public, c.algorithm, data, flip(sig, n))
				require.Error(t, err, "byte %d changed", n)
			}
			require.ErrorIs(t, Verify(public, c.algorithm, data, append(slices.Clone(sig), 0)), wire.ErrTrailing)

			// Neither a plain signature of the same key, nor one under
			// another name, will do.
			plain, err := NewSigner(d.key)
			require.NoError(t, err)
			s, err := plain.Sign(t.Context(), plain.Algorithms()[0], data)
			require.NoError(t, err)
			require.Error(t, Verify(public, c.algorithm, data, s.Marshal()))
			s.Format = c.algorithm
			require.Error(t, Verify(public, c.algorithm, data, s.Marshal()))
			require.Error(t, public.Verify(data, nil))
			for _, other := range skAlgorithms {
				if other.algorithm == c.algorithm {
					continue
				}
				parsed, err := ParseSignature(sig)
				require.NoError(t, err)
				parsed.Format = other.algorithm
				require.Error(t, Verify(public, other.algorithm, data, parsed.Marshal()))
			}
			// The same key under another application.
			moved, err := NewSecurityKeyPublic(d.key.Public(), "ssh:other")
			require.NoError(t, err)
			require.ErrorIs(t, Verify(moved, c.algorithm, data, sig), ErrBadSignature)
		})
	}
}

func flip(b []byte, n int) []byte {
	b = slices.Clone(b)
	b[n] ^= 1
	return b
}

// Client data that a browser would not have made for this login. All are
// properly signed.
func TestWebAuthnClientData(t *testing.T) {
	data := []byte{0xfb, 0xff, 0xfe, 1} // + and / in plain base64, and padding
	challenge := base64.RawURLEncoding.EncodeToString(data)
	replace := func(old, new string) func(*device) {
		return func(d *device) {
			d.rewrite = func(b []byte) []byte { return bytes.Replace(b, []byte(old), []byte(new), 1) }
		}
	}
	extensions := func(b []byte, flag uint8) func(*device) {
		return func(d *device) { d.extend = func() ([]byte, uint8) { return b, flag } }
	}
	for name, c := range map[string]struct {
		change func(*device)
		want   error
	}{
		"good":                 {func(*device) {}, nil},
		"more fields":          {replace(`"crossOrigin":false`, `"crossOrigin":true,"more":{"x":["\""]}`), nil},
		"nothing more":         {replace(`,"crossOrigin":false}`, ""), nil},
		"extensions":           {extensions([]byte{0xa0}, 0x80), nil},
		"empty origin":         {func(d *device) { d.origin = "" }, nil},
		"other type":           {replace("webauthn.get", "webauthn.create"), errClientData},
		"space":                {replace(`"challenge":`, `"challenge": `), errClientData},
		"order":                {func(d *device) { d.rewrite = swapChallengeAndOrigin }, errClientData},
		"other challenge":      {replace(challenge, base64.RawURLEncoding.EncodeToString([]byte("other"))), errClientData},
		"longer challenge":     {replace(challenge, challenge+"AA"), errClientData},
		"padded challenge":     {replace(challenge, challenge+"=="), errClientData},
		"plain base64":         {replace(challenge, base64.RawStdEncoding.EncodeToString(data)), errClientData},
		"hash as challenge":    {replace(challenge, hashed(data)), errClientData},
		"other origin":         {replace("www.example.com", "www.example.net"), errClientData},
		"longer origin":        {replace("www.example.com", "www.example.com.net"), errClientData},
		"no end of origin":     {replace(`www.example.com",`, `www.example.com,`), errClientData},
		"nothing":              {func(d *device) { d.rewrite = func([]byte) []byte { return nil } }, errClientData},
		"quote in the origin":  {func(d *device) { d.origin = `https://a","origin":"https://b` }, errOrigin},
		"zero in the origin":   {func(d *device) { d.origin = "https://a\x00" }, errOrigin},
		"flag, no extensions":  {extensions(nil, 0x80), errSKFlags},
		"extensions, no flag":  {extensions([]byte{0xa0}, 0), errSKFlags},
		"attested credentials": {extensions(nil, 0x40), errSKFlags},
		"both":                 {extensions([]byte{0xa0}, 0xc0), errSKFlags},
	} {
		t.Run(name, func(t *testing.T) {
			d := newDevice(t, KeySKECDSA256, SKUserPresence)
			c.change(d)
			err := Verify(d.private.PublicKey(), SKWebAuthnECDSA256, data, d.sign(t, SKWebAuthnECDSA256, SKUserPresence, data))
			if c.want == nil {
				require.NoError(t, err)
				return
			}
			require.ErrorIs(t, err, c.want)
		})
	}
}

func hashed(data []byte) string {
	h := sha256.Sum256(data)
	return base64.RawURLEncoding.EncodeToString(h[:])
}

func swapChallengeAndOrigin(b []byte) []byte {
	f := strings.SplitN(string(b), ",", 4)
	f[1], f[2] = f[2], f[1]
	return []byte(strings.Join(f, ","))
}

func TestSecurityKeyFile(t *testing.T) {
	for _, keyType := range skTypes {
		t.Run(keyType, func(t *testing.T) {
			d := newDevice(t, keyType, SKUserPresence|SKResident)
			for _, passphrase := range []string{"", "correct horse"} {
				file, err := d.private.MarshalOpenSSH(MarshalOptions{Passphrase: []byte(passphrase), Rounds: 2})
				require.NoError(t, err)
				k, err := ParsePrivateKey(file, []byte(passphrase))
				require.NoError(t, err)
				require.Equal(t, d.private.SecurityKey(), k.SecurityKey())
				require.Equal(t, "a comment", k.Comment)
				require.Nil(t, k.Crypto())
				require.Empty(t, k.Algorithms())
				_, err = k.Sign(t.Context(), keyType, []byte("data"))
				require.ErrorIs(t, err, ErrNoAuthenticator)
				_, err = k.Sign(t.Context(), KeyEd25519, []byte("data"))
				require.Error(t, err)

				path := writeFile(t, "key", file)
				public := sshKeygen(t, nil, "-y", "-f", path, "-P", passphrase)
				require.Equal(t, strings.TrimSpace(string(MarshalAuthorizedKey(k.PublicKey(), k.Comment))), strings.TrimSpace(public))
				// ssh-keygen writes the same again.
				sshKeygen(t, nil, "-p", "-f", path, "-P", passphrase, "-N", "")
				again, err := ParsePrivateKey(readFile(t, path), nil)
				require.NoError(t, err)
				require.Equal(t, d.private.SecurityKey(), again.SecurityKey())
			}
			section, err := d.private.appendSection(nil, 1) // without padding
			require.NoError(t, err)
			f := &opensshFile{cipher: plainCipher}
			for n := range section {
				_, err := f.parseSection(section[:n], d.private.PublicKey())
				require.Error(t, err, "%d bytes", n)
			}
		})
	}
}

func TestSecurityKeyCopies(t *testing.T) {
	k := newDevice(t, KeySKEd25519, SKUserPresence).private
	k.SecurityKey().KeyHandle[0] ^= 1
	require.Equal(t, []byte("handle of "+KeySKEd25519), k.SecurityKey().KeyHandle)
	require.Nil(t, generated()[KeyEd25519].SecurityKey())
	require.Nil(t, new(PrivateKey).SecurityKey())
	for _, bad := range []*SecurityKey{nil, {}, {PublicKey: generated()[KeyEd25519].PublicKey()}} {
		_, err := NewSecurityKey(bad)
		require.Error(t, err)
	}
	_, err := GenerateKey(KeySKEd25519, 0)
	var unknown *UnknownTypeError
	require.ErrorAs(t, err, &unknown)
}

func TestSecurityKeySigner(t *testing.T) {
	for _, c := range skAlgorithms {
		t.Run(c.algorithm, func(t *testing.T) {
			d := newDevice(t, c.keyType, SKUserPresence|SKUserVerification|SKResident)
			d.asked = func(r *AssertionRequest) {
				require.Equal(t, c.algorithm, r.Algorithm)
				require.Equal(t, "ssh:test", r.Application)
				require.Equal(t, uint8(SKUserPresence|SKUserVerification|SKResident), r.Flags)
				require.Equal(t, sha256.Sum256(r.Data), r.Hash)
			}
			s, err := NewSecurityKeySigner(d.private, d, c.algorithm)
			require.NoError(t, err)
			require.Equal(t, []string{c.algorithm}, s.Algorithms())
			signAndVerify(t, s, d.private.PublicKey())
			var wg sync.WaitGroup
			for range 4 {
				wg.Go(func() { _, err := s.Sign(t.Context(), c.algorithm, []byte("data")); require.NoError(t, err) })
			}
			wg.Wait()
			_, err = s.Sign(t.Context(), RSASHA256, nil)
			require.Error(t, err)
			ctx, cancel := context.WithCancelCause(t.Context())
			gone := errors.New("gone")
			cancel(gone)
			_, err = s.Sign(ctx, c.algorithm, nil)
			require.ErrorIs(t, err, gone)
		})
	}
	d := newDevice(t, KeySKECDSA256, SKUserPresence)
	s, err := NewSecurityKeySigner(d.private, d)
	require.NoError(t, err)
	require.Equal(t, []string{KeySKECDSA256}, s.Algorithms(), "a device is no browser")
	_, err = NewSecurityKeySigner(d.private, d, KeyECDSA256)
	require.Error(t, err)
	_, err = NewSecurityKeySigner(d.private, nil)
	require.ErrorIs(t, err, ErrNoAuthenticator)
	_, err = NewSecurityKeySigner(generated()[KeyEd25519], d)
	require.ErrorIs(t, err, errNotSecurityKey)
	_, err = NewSecurityKeySigner(nil, d)
	require.ErrorIs(t, err, errNotSecurityKey)
	_, err = NewSigner(&skPrivateKey{d.private.SecurityKey()})
	require.ErrorIs(t, err, ErrNoAuthenticator)
}

// What a device gets wrong goes to nobody.
func TestSecurityKeySignerThatMisbehaves(t *testing.T) {
	for _, keyType := range skTypes {
		for name, change := range map[string]func(*AssertionResponse){
			"empty":   func(r *AssertionResponse) { r.Signature = nil },
			"longer":  func(r *AssertionResponse) { r.Signature = append(r.Signature, 0) },
			"changed": func(r *AssertionResponse) { r.Signature = flip(r.Signature, len(r.Signature)-1) },
			"flags":   func(r *AssertionResponse) { r.Flags |= SKUserVerification },
			"counter": func(r *AssertionResponse) { r.Counter++ },
		} {
			d := newDevice(t, keyType, SKUserPresence)
			d.change = change
			s, err := NewSecurityKeySigner(d.private, d)
			require.NoError(t, err)
			sig, err := s.Sign(t.Context(), keyType, []byte("data"))
			require.Error(t, err, name)
			require.Nil(t, sig)
		}
		d := newDevice(t, keyType, SKUserPresence|SKUserVerification)
		s, err := NewSecurityKeySigner(d.private, d)
		require.NoError(t, err)
		d.flags = func(uint8) uint8 { return SKUserVerification }
		_, err = s.Sign(t.Context(), keyType, nil)
		require.ErrorIs(t, err, ErrUserPresence)
		d.flags = func(uint8) uint8 { return SKUserPresence }
		_, err = s.Sign(t.Context(), keyType, nil)
		require.ErrorIs(t, err, ErrUserVerification)
	}
	d := newDevice(t, KeySKEd25519, SKUserPresence)
	s, err := NewSecurityKeySigner(d.private, silent{})
	require.NoError(t, err)
	_, err = s.Sign(t.Context(), KeySKEd25519, nil)
	require.Error(t, err)
}

type silent struct{}

func (silent) Assert(context.Context, *AssertionRequest) (*AssertionResponse, error) { return nil, nil }

// What follows the blob of a security key's signature is parsed before the
// signature is verified, from bytes of a stranger.
func FuzzSecurityKeySignature(f *testing.F) {
	data := []byte("data")
	var publics []PublicKey
	for _, keyType := range skTypes {
		publics = append(publics, newDevice(f, keyType, 0).private.PublicKey())
	}
	for _, c := range skAlgorithms {
		d := newDevice(f, c.keyType, 0)
		sig, err := ParseSignature(d.sign(f, c.algorithm, SKUserPresence, data))
		require.NoError(f, err)
		f.Add(c.algorithm, sig.Blob, sig.Rest)
	}
	f.Fuzz(func(t *testing.T, algorithm string, blob, rest []byte) {
		sig := &Signature{Format: algorithm, Blob: blob, Rest: rest}
		for _, k := range publics {
			if err := k.Verify(data, sig); err == nil {
				t.Fatalf("forged signature %x", sig.Marshal())
			}
		}
	})
}
