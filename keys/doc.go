// Package keys holds the public and private keys of SSH: their wire forms,
// their signatures and the files that they are kept in.
//
// Open a private key file with [ParsePrivateKey], whatever its format; make a
// new key with [GenerateKey] and write it with [PrivateKey.MarshalOpenSSH]. A
// key that lives elsewhere, such as in a hardware module, becomes a [Signer]
// by [NewSigner]. Read a public key file with [ParsePublicKeyFile], whatever its
// format, and show a key to a person with [FingerprintSHA256] or
// [RandomArtSHA256].
//
// Keys that a peer sends go through [ParsePublicKey] and their signatures
// through [Verify], which compares the signature's algorithm with the one that
// was agreed. Both take time bounded by the limits named in this package.
//
// A [Certificate] is a key with what an authority says of it. Fill
// [CertificateClaims] to issue one, and ask [Certificate.Check] whether one is
// good for what it is shown for.
//
// Supported are ssh-ed25519 (RFC 8709), ecdsa-sha2-nistp256, -nistp384 and
// -nistp521 (RFC 5656), and ssh-rsa keys (RFC 4253) with the signature
// algorithms rsa-sha2-512 and rsa-sha2-256 (RFC 8332). So are security keys,
// sk-ssh-ed25519@openssh.com and sk-ecdsa-sha2-nistp256@openssh.com (OpenSSH's
// PROTOCOL.u2f), which sign by an [Authenticator] through
// [NewSecurityKeySigner]. What they say beside a signature is an [Assertion];
// unless asked otherwise, one that nobody touched the device for is refused.
// Where it is asked for by name there is ssh-mldsa44-ed25519@openssh.com, two
// signatures in one, of which the first withstands quantum computers.
package keys
