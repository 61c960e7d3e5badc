package keys

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/fairlead-go/ssh/wire"
)

// Security keys: FIDO devices that sign (OpenSSH's PROTOCOL.u2f). Such a key
// signs a digest of the data, together with flags and a counter.

// Flags of a security key, in an [Assertion], an [AssertionRequest] and a
// [SecurityKey].
const (
	SKUserPresence     = 0x01 // the user touched the device
	SKUserVerification = 0x04 // the device knew its user, as by a PIN or a fingerprint
	SKForceOperation   = 0x10 // in a SecurityKey only: it may replace another on the device
	SKResident         = 0x20 // in a SecurityKey only: the device keeps the key handle

	skAttested   = 0x40 // WebAuthn level 2 section 6.1: attested credential data follow
	skExtensions = 0x80 // extensions follow
)

// Why a signature of a security key that verifies is refused.
var (
	ErrUserPresence     = errors.New("keys: the security key was not touched")
	ErrUserVerification = errors.New("keys: the security key did not verify its user")
)

// An Assertion is what a security key says beside its signature, which covers
// it.
type Assertion struct {
	Flags uint8
	// Counter is how often the device has signed, with this key or with any.
	// One that goes back is the sign of a copy; many devices leave it at 0.
	Counter uint32
	// Origin is the web page that asked for the signature, where it is of
	// [SKWebAuthnECDSA256]. It is the peer's text: escape it before printing.
	Origin string
}

// UserPresent reports whether the user touched the device.
func (a *Assertion) UserPresent() bool { return a.Flags&SKUserPresence != 0 }

// UserVerified reports whether the device knew its user, as by a PIN.
func (a *Assertion) UserVerified() bool { return a.Flags&SKUserVerification != 0 }

// An SKPolicy is what a security key must have asked of its user. The zero
// value is a touch.
type SKPolicy struct {
	NoTouchRequired bool // a signature that nobody touched the device for will do
	VerifyRequired  bool // the device must have known its user
}

// Check returns nil, [ErrUserPresence] or [ErrUserVerification]. A nil
// Assertion, that of a key which is no security key, passes.
func (p SKPolicy) Check(a *Assertion) error {
	switch {
	case a == nil:
		return nil
	case !p.NoTouchRequired && !a.UserPresent():
		return ErrUserPresence
	case p.VerifyRequired && !a.UserVerified():
		return ErrUserVerification
	}
	return nil
}

// An asserter is a public key that may be a security key's.
type asserter interface {
	// verifyAssertion is Verify without a policy. The Assertion is nil if the
	// key is no security key's.
	verifyAssertion(data []byte, sig *Signature) (*Assertion, error)
}

// verifyAssertion is key.Verify without a policy for security keys.
func verifyAssertion(key PublicKey, data []byte, sig *Signature) (*Assertion, error) {
	if k, ok := key.(asserter); ok {
		return k.verifyAssertion(data, sig)
	}
	return nil, key.Verify(data, sig)
}

// SKPublicKey is implemented by the public keys of security keys.
type SKPublicKey interface {
	PublicKey
	// Application returns what the key is for: "ssh:" by custom, or the
	// relying party of keys that browsers sign with.
	Application() string
}

// skPublicKey is the public key of a security key: that of another type, which
// the device signs with, and the application that it does so for.
type skPublicKey struct {
	typ         *keyType
	plain       PublicKey
	application string
	blob        []byte
}

// newSKType returns the type whose keys have the fields of a plain type and,
// after them, the application.
func newSKType(name string, plain *keyType, algorithms ...string) *keyType {
	t := &keyType{name: name, algorithms: algorithms}
	t.parse = func(r *wire.Reader) PublicKey {
		k := plain.parse(r)
		application := r.Bytes()
		if k == nil || r.Err() != nil {
			return nil
		}
		if hasZero(string(application)) {
			r.Fail(errApplication)
			return nil
		}
		return t.newSKPublicKey(k, string(application))
	}
	t.wrap = func(k crypto.PublicKey) (PublicKey, error) {
		if k, ok := k.(*skPublicKey); ok && k.typ == t {
			return k, nil
		}
		return nil, nil
	}
	t.parsePrivate = t.parseSKPrivate
	t.appendPrivate = appendSKPrivate
	t.writable = func(k crypto.Signer) error {
		_, err := skPrivate(k)
		return err
	}
	return t
}

var errApplication = errors.New("zero byte in the application")

func (t *keyType) newSKPublicKey(plain PublicKey, application string) *skPublicKey {
	fields := plain.Marshal()[4+len(plain.Type()):]
	b := make([]byte, 0, 8+len(t.name)+len(fields)+len(application))
	b = wire.AppendString(b, t.name)
	b = append(b, fields...)
	b = wire.AppendString(b, application)
	return &skPublicKey{typ: t, plain: plain, application: application, blob: b}
}

// NewSecurityKeyPublic returns the public key of a security key, as a device
// tells it when it makes one: an ed25519.PublicKey, or an *ecdsa.PublicKey on
// P-256. The application begins with "ssh:" by custom, and may hold no zero byte.
func NewSecurityKeyPublic(k crypto.PublicKey, application string) (PublicKey, error) {
	var t *keyType
	switch k.(type) {
	case ed25519.PublicKey:
		t = skEd25519Type
	case *ecdsa.PublicKey:
		t = skECDSA256Type
	default:
		return nil, &UnknownTypeError{Type: fmt.Sprintf("%T", k)}
	}
	plain, err := NewPublicKey(k)
	if err != nil {
		return nil, err
	}
	if plain.Type() != KeyEd25519 && plain.Type() != KeyECDSA256 {
		return nil, &UnknownTypeError{Type: plain.Type()}
	}
	if hasZero(application) {
		return nil, &MalformedError{What: t.name + " public key", Err: errApplication}
	}
	return t.newSKPublicKey(plain, application), nil
}

func (k *skPublicKey) Type() string         { return k.typ.name }
func (k *skPublicKey) Marshal() []byte      { return slices.Clip(k.blob) }
func (k *skPublicKey) Algorithms() []string { return slices.Clone(k.typ.algorithms) }

func (k *skPublicKey) Application() string { return k.application }

// Verify asks for a touch.
func (k *skPublicKey) Verify(data []byte, sig *Signature) error {
	a, err := k.verifyAssertion(data, sig)
	if err != nil {
		return err
	}
	return SKPolicy{}.Check(a)
}

// verifyAssertion follows PROTOCOL.u2f, "SSH U2F signatures".
func (k *skPublicKey) verifyAssertion(data []byte, sig *Signature) (*Assertion, error) {
	if err := k.typ.checkAlgorithm(sig); err != nil {
		return nil, err
	}
	r := wire.NewReader(sig.Rest)
	var a Assertion
	a.Flags, a.Counter = r.Byte(), r.Uint32()
	var clientData, extensions []byte
	if sig.Format == SKWebAuthnECDSA256 {
		a.Origin, clientData, extensions = r.Text(), r.Bytes(), r.Bytes()
	}
	if err := r.End(); err != nil {
		return nil, &MalformedError{What: sig.Format + " signature", Err: err}
	}
	if sig.Format == SKWebAuthnECDSA256 {
		if err := checkWebAuthn(&a, clientData, extensions, data); err != nil {
			return nil, &MalformedError{What: sig.Format + " signature", Err: err}
		}
		data = clientData
	}
	signed := appendAssertion(nil, k.application, &a, extensions, data)
	if err := k.plain.Verify(signed, &Signature{Format: k.plain.Type(), Blob: sig.Blob}); err != nil {
		return nil, err
	}
	return &a, nil
}

// appendAssertion appends what the device signs.
func appendAssertion(b []byte, application string, a *Assertion, extensions, message []byte) []byte {
	app, digest := sha256.Sum256([]byte(application)), sha256.Sum256(message)
	b = append(b, app[:]...)
	b = append(b, a.Flags)
	b = wire.AppendUint32(b, a.Counter)
	b = append(b, extensions...)
	return append(b, digest[:]...)
}

var (
	errOrigin     = errors.New("quote or zero byte in the origin")
	errSKFlags    = errors.New("flags do not fit the extensions")
	errClientData = errors.New("client data are not of this origin and challenge")
)

// checkWebAuthn checks that clientData, which the browser signed, are of the
// origin and have the data for their challenge. They are JSON whose beginning
// the specification fixes (WebAuthn level 2 section 5.8.1.1), and nothing after
// it matters, so no JSON is parsed.
func checkWebAuthn(a *Assertion, clientData, extensions, data []byte) error {
	if strings.Contains(a.Origin, `"`) || hasZero(a.Origin) {
		return errOrigin
	}
	if a.Flags&skAttested != 0 || (a.Flags&skExtensions != 0) != (len(extensions) > 0) {
		return errSKFlags
	}
	if !bytes.HasPrefix(clientData, appendClientData(nil, a.Origin, data)) {
		return errClientData
	}
	return nil
}

// appendClientData appends the beginning of the client data.
func appendClientData(b []byte, origin string, data []byte) []byte {
	b = append(b, `{"type":"webauthn.get","challenge":"`...)
	b = base64.RawURLEncoding.AppendEncode(b, data)
	b = append(b, `","origin":"`...)
	b = append(b, origin...)
	return append(b, '"')
}
