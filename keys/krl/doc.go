// Package krl reads, asks and writes key revocation lists: the binary files of
// OpenSSH's PROTOCOL.krl, which ssh-keygen -k makes, and the plain files of
// public keys that OpenSSH takes in their place.
//
// [Open] a file that someone else keeps up to date and give its [File.Check] to
// whatever decides on keys; it looks at the file again when that has changed,
// and where the file cannot be read, every key is refused. [Parse] and [Read]
// give the [List] itself. Make one by filling the zero List, and write it with
// [List.Marshal].
//
// A list names plain keys, by themselves or by a hash, and certificates, by
// their authority together with a serial number or a key ID. A certificate is
// revoked also by its plain key, and by its authority's.
package krl
