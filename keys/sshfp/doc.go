// Package sshfp makes, reads and compares SSHFP records, by which the DNS says
// what a host's keys are (RFC 4255, with RFC 6594, 7479 and 8709 for the keys
// and hashes that came later).
//
// [Records] gives a key's records for a zone file, and [Record.Matches] compares
// one with a key. A client trusts them with [VerifyHostKey], over a [Resolver]
// that the program brings along: the standard library looks up no such records,
// and they are worth trusting only if DNSSEC has validated them, which is the
// resolver's to know.
package sshfp
