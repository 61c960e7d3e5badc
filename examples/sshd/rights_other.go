//go:build unix && !linux

package main

import (
	"golang.org/x/sys/unix"

	"github.com/fairlead-go/ssh/examples/internal/account"
)

// asUser runs f, which reads files of the user's, with the rights of the
// server: those of one thread alone cannot be changed here.
func asUser(_ *account.User, f func() error) error { return f() }

// dup2 makes to a descriptor of what from is one of.
func dup2(from, to int) error { return unix.Dup2(from, to) }
