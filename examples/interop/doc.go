// Package interop holds the example programs against the SSH programs that
// people have: OpenSSH, Dropbear and PuTTY, in both roles, and OpenSSH's own
// regression suite. It has tests only, behind the build tag interop, since
// they need those programs; "make peers" installs them from Debian.
package interop
