//go:build race

package keys

// raceEnabled is on: what is costly and has no concurrency is cut short.
const raceEnabled = true
