// Package sshsig signs files and other messages with SSH keys, and verifies
// such signatures: OpenSSH's PROTOCOL.sshsig, which is what ssh-keygen -Y and
// git with gpg.format=ssh write and read.
//
// [Sign] signs with any [keys.Signer], and [Signature.Armor] gives the text to
// keep. To verify, read it with [ParseArmored], the people who may sign from an
// allowed_signers file with [ReadAllowedSigners], and ask [Verifier.Verify]
// whether a signature is that of the one that it should be of. A signature is
// made for a namespace, such as "file" or "git", and is worth nothing in another.
//
// The message is hashed with SHA-512 or SHA-256 while it is read, so it can be
// of any length. RSA keys sign with SHA-2 only.
package sshsig
