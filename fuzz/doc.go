// Package fuzz drives whole clients and whole servers through their exported
// API with what a hostile peer may send. It has tests only; run.sh runs these
// and every other fuzz target of the module.
//
// The rules that every run must keep: no panic, no hang, and no goroutine left
// once the connection is closed.
package fuzz
