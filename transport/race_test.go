//go:build race

package transport

// raceEnabled is on: what is costly and has no concurrency is cut short.
const raceEnabled = true
