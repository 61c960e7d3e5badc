//go:build !unix

package transport

import (
	"net"
	"testing"
)

func socketPair(t testing.TB) (a, b net.Conn) { return tcpPair(t) }
