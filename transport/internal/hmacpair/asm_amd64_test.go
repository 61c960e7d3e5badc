//go:build !purego

package hmacpair

import "testing"

// TestPortable runs the tests without the assembly, which the machine has.
func TestPortable(t *testing.T) {
	defer func(was bool) { accelerated = was }(accelerated)
	accelerated = false
	TestTags(t)
	TestVectors(t)
}
