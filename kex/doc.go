// Package kex holds the key exchange methods of SSH (RFC 4253 section 8, RFC
// 4419, RFC 5656, RFC 8268, RFC 8731, RFC 9941, RFC 10042) as state machines
// that touch no connection: a message goes in, the messages to send come out.
//
// Call [New] with a method's name, then [Exchange.Step] until it is done. A
// client's first Step takes nil. [Exchange.Result] then gives the exchange
// hash, the shared secret and what the server signed with, and
// [Result.DeriveKey] the keys of both directions. The signature over the
// exchange hash is the caller's to verify: until that has happened nobody
// knows who the peer is.
//
// Every message is parsed strictly and every public value checked. A failed
// exchange stays failed, and its error is a [*Error].
package kex
