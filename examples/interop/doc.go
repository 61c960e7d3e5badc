// Package interop holds the example programs, and the library under them,
// against the SSH programs that people have: OpenSSH, Dropbear and PuTTY, in
// both roles, and OpenSSH's own regression suite. It has tests only, behind the
// build tag interop, since they need those programs, which "make peers"
// installs from Debian, and root: they make a local user to log in as, and
// remove it again.
package interop
