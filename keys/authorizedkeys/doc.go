// Package authorizedkeys reads the authorized_keys files that say which public
// keys may log in as a user, and what such a login may do.
//
// Read a user's file with [ReadFile], after [CheckPermissions] has found that no
// one else can write to it. [Find] then gives the [Entry] that lets a key in, at
// this time and from this address. What the entry's [Options] restrict
// is for the caller to enforce; only from and expiry-time are checked by Find.
//
// Given a certificate, [Find] looks for the cert-authority line that trusts its
// authority. [ReadPrincipalsFile] and [FindPrincipal] do so for files of
// authorized principals.
//
// The format is that of sshd(8), under AUTHORIZED_KEYS FILE FORMAT. A line with
// an option that is not known, or that is malformed in any way, lets no one in;
// it is passed over and reported as a [*LineError].
package authorizedkeys
