package keys

import (
	"crypto"

	"github.com/fairlead-go/ssh/wire"
)

// The names of public key formats, as [PublicKey.Type] returns them. Each but
// ssh-rsa is its signature algorithm's name as well.
const (
	KeyEd25519  = "ssh-ed25519"         // RFC 8709
	KeyECDSA256 = "ecdsa-sha2-nistp256" // RFC 5656 section 3.1
	KeyECDSA384 = "ecdsa-sha2-nistp384"
	KeyECDSA521 = "ecdsa-sha2-nistp521"
	KeyRSA      = "ssh-rsa" // RFC 4253 section 6.6

	// Security keys: OpenSSH's PROTOCOL.u2f.
	KeySKEd25519  = "sk-ssh-ed25519@openssh.com"
	KeySKECDSA256 = "sk-ecdsa-sha2-nistp256@openssh.com"

	// Post-quantum: draft-miller-sshm-mldsa44-ed25519-composite-sigs. Clients
	// and servers take it only where they are told to.
	KeyMLDSA44Ed25519 = "ssh-mldsa44-ed25519@openssh.com"
)

// The names of the signature algorithms of ssh-rsa keys (RFC 8332).
const (
	RSASHA256 = "rsa-sha2-256"
	RSASHA512 = "rsa-sha2-512"
)

// SKWebAuthnECDSA256 is the signature algorithm of [KeySKECDSA256] keys that
// sign by way of a browser (PROTOCOL.u2f, "webauthn signatures").
const SKWebAuthnECDSA256 = "webauthn-sk-ecdsa-sha2-nistp256@openssh.com"

// A keyType is all that this package knows of one public key format. No code
// outside the table and the functions that it names depends on the format.
// parse is always there. A type without private keys has no wrap, and then
// none of the functions after it.
type keyType struct {
	name       string
	algorithms []string // signature algorithms, preferred first; never handed out
	byName     bool     // nobody takes the algorithms without being told to

	// parse reads the fields after the name. It reports errors through r,
	// where the caller finds them, and may then return nil.
	parse func(r *wire.Reader) PublicKey
	// wrap returns the form here of a key of the crypto packages, or of what
	// stands for one: nil and no error if the key is of another type.
	wrap func(k crypto.PublicKey) (PublicKey, error)
	// sign returns the signature blob by k, whose public key is public, under
	// an algorithm which the caller has found among algorithms. Keys that only
	// a device signs with have none.
	sign func(k crypto.Signer, public PublicKey, algorithm string, data []byte) ([]byte, error)
	// generate makes a key; bits is 0 for the default.
	generate func(bits int) (crypto.Signer, error)
	// parsePrivate reads and appendPrivate writes the fields of an
	// openssh-key-v1 private key between its type's name and its comment.
	parsePrivate  func(r *wire.Reader) crypto.Signer
	appendPrivate func(b []byte, k crypto.Signer) ([]byte, error)
	// writable returns nil if appendPrivate can write k.
	writable func(k crypto.Signer) error
}

var (
	ed25519Type  = newEd25519Type()
	ecdsa256Type = newECDSAType(nistp256)
	ecdsa384Type = newECDSAType(nistp384)
	ecdsa521Type = newECDSAType(nistp521)
	rsaType      = newRSAType()

	skEd25519Type  = newSKType(KeySKEd25519, ed25519Type, KeySKEd25519)
	skECDSA256Type = newSKType(KeySKECDSA256, ecdsa256Type, KeySKECDSA256, SKWebAuthnECDSA256)

	compositeType = newCompositeType()

	// keyTypes are in the order in which OpenSSH prefers their algorithms.
	keyTypes = []*keyType{
		ed25519Type, ecdsa256Type, ecdsa384Type, ecdsa521Type,
		skEd25519Type, skECDSA256Type,
		rsaType,
		compositeType,
	}
)

// Algorithms returns the signature algorithms of plain keys that clients and
// servers take by default, preferred first, in OpenSSH's order.
func Algorithms() []string {
	return appendAlgorithms(nil, func(t *keyType) bool { return !t.byName })
}

// SupportedAlgorithms returns all signature algorithms of plain keys that this
// package has, also those that are used only where they are asked for by name.
func SupportedAlgorithms() []string {
	return appendAlgorithms(nil, func(*keyType) bool { return true })
}

func appendAlgorithms(names []string, include func(*keyType) bool) []string {
	for _, t := range keyTypes {
		if include(t) {
			names = append(names, t.algorithms...)
		}
	}
	return names
}

func lookupKeyType[T ~string | ~[]byte](name T) *keyType {
	for _, t := range keyTypes {
		if t.name == string(name) {
			return t
		}
	}
	return nil
}
