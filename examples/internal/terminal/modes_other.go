//go:build unix && !linux

package terminal

import "os"

// Modes returns none: what a terminal's modes are called is known here for Linux only.
func Modes(*os.File) ([]Mode, error) { return nil, nil }

// ApplyModes leaves a new pty as the system made it.
func ApplyModes(*os.File, []Mode) error { return nil }
