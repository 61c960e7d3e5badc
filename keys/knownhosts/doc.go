// Package knownhosts remembers the host keys of servers in OpenSSH's
// known_hosts files, and compares what a server shows with what is known.
//
// [Open] the files and give a client [DB.Verify], which refuses every server
// that they do not know, or the result of [DB.TrustOnFirstUse], which learns a
// server's key when it is met first. Have [DB.HostKeyAlgorithms] order what the
// client proposes, so that the server shows a key that can be compared, or a
// certificate where a @cert-authority line trusts somebody to make one.
//
// The files are read as sshd(8) describes them: names in clear or hashed,
// wildcards, negation, [host]:port, and the markers @revoked and
// @cert-authority. A line that cannot be read is passed over, as OpenSSH does
// it, and [DB.BadLines] reports it. Only the server's name counts: the
// addresses that it resolves to are neither compared nor recorded, which is
// OpenSSH's default as well (CheckHostIP no).
package knownhosts
