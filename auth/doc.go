// Package auth is user authentication, RFC 4252 and RFC 4256, for both roles:
// the methods none, password, publickey and keyboard-interactive, one or
// several in a row.
//
// A client calls [Client] with the [Method] values that it has, most wanted
// first: [PublicKeys], [Password], [PasswordPrompt], [KeyboardInteractive].
// A server calls [Server] with a callback for each method that it offers. A
// method whose callback is nil is refused, and a server without any is an
// error. Whoever wants to let everybody in says so with [AllowAnonymous].
//
// Both functions own the reading side of the packet connection while they run
// and call the caller's callbacks between two reads, on the same goroutine.
// They return once authentication has succeeded, and the connection is then
// at the first message of the connection protocol; or with an error, and the
// connection has then been failed.
//
// # What a server must know
//
// A key query is a question and never proof: the PublicKey callback is asked
// for it with [Attempt.Query] set, and whatever it answers is forgotten. Only
// [ServerConfig.Verified] and the [Identity] that Server returns speak of
// proven keys.
//
// A certificate goes to the Certificate callback, which says what authorities
// are trusted for the user. Whether the certificate holds is checked here.
//
// Real and unknown users get the same bytes. Each refusal takes at least
// [ServerConfig.FailureDelay] and is then rounded up to the next doubling of
// it, so that small differences in the work of a callback do not show. A
// callback should still do the same work for users that do not exist, and ask
// them the same questions. A yes to a key query is not hidden: it tells that
// the user is there and has that key, as the protocol wants it.
//
// Any error of a callback refuses, in one and the same way.
package auth
