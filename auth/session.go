package auth

import (
	"errors"
	"net"
	"net/netip"
)

// A Session says what the transport knows of the connection, in plain values.
type Session struct {
	// ID is the session identifier (RFC 4253 section 7.2), to which
	// signatures are bound. It is required.
	ID []byte
	// HostKey is the server's host key blob K_S.
	HostKey []byte
	// ServerSigAlgs returns the public key algorithms that the server has
	// announced so far (RFC 8308 section 3.1), nil where it has not. A nil
	// function means the same. For clients only.
	ServerSigAlgs func() []string
	// LocalAddr and RemoteAddr are the ends of the connection, nil when there
	// is none to name. A server callback that restricts by address must refuse
	// a nil one.
	LocalAddr, RemoteAddr net.Addr
	// ClientVersion and ServerVersion are the identification strings.
	ClientVersion, ServerVersion string
}

// RemoteIP returns the IP address of RemoteAddr, which is not valid where that
// is not an address of TCP.
func (s *Session) RemoteIP() netip.Addr {
	if tcp, ok := s.RemoteAddr.(*net.TCPAddr); ok && tcp != nil {
		return tcp.AddrPort().Addr().Unmap()
	}
	return netip.Addr{}
}

func (s *Session) check() error {
	if s == nil || len(s.ID) == 0 {
		return errors.New("auth: no session identifier")
	}
	return nil
}

// Names of methods and services (RFC 4252 sections 5 to 9, RFC 4256).
const (
	MethodNone                = "none"
	MethodPassword            = "password"
	MethodPublicKey           = "publickey"
	MethodKeyboardInteractive = "keyboard-interactive"

	serviceUserauth   = "ssh-userauth"
	serviceConnection = "ssh-connection"
)
