//go:build race

package hmacpair

const raceEnabled = true
