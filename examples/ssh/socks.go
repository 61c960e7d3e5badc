package main

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"time"
)

var errSOCKS = errors.New("not a SOCKS request that we serve")

// socksTimeout bounds how long a client may take to say where it wants to go.
const socksTimeout = time.Minute

// socks serves one SOCKS 4, 4A or 5 (RFC 1928) CONNECT without authentication:
// it returns the connection that dial made, after the client was told so.
func socks(ctx context.Context, conn net.Conn, dial func(context.Context, string) (net.Conn, error)) (net.Conn, error) {
	_ = conn.SetReadDeadline(time.Now().Add(socksTimeout))
	var version [1]byte
	if _, err := io.ReadFull(conn, version[:]); err != nil {
		return nil, err
	}
	request, granted, refused := socks5, []byte{5, 0, 0, 1, 0, 0, 0, 0, 0, 0}, []byte{5, 5, 0, 1, 0, 0, 0, 0, 0, 0}
	switch version[0] {
	case 4:
		request, granted, refused = socks4, []byte{0, 90, 0, 0, 0, 0, 0, 0}, []byte{0, 91, 0, 0, 0, 0, 0, 0}
	case 5:
	default:
		return nil, errSOCKS
	}
	addr, err := request(conn)
	if err != nil {
		return nil, err
	}
	_ = conn.SetReadDeadline(time.Time{})
	other, err := dial(ctx, addr)
	if err != nil {
		_, _ = conn.Write(refused)
		return nil, err
	}
	if _, err := conn.Write(granted); err != nil {
		other.Close()
		return nil, err
	}
	return other, nil
}

// socks4 reads a request of version 4 after its first byte.
func socks4(rw io.ReadWriter) (addr string, err error) {
	var head [7]byte // command, port, address
	if _, err := io.ReadFull(rw, head[:]); err != nil {
		return "", err
	}
	if head[0] != 1 {
		return "", errSOCKS
	}
	if _, err := untilZero(rw); err != nil { // user name
		return "", err
	}
	host := netip.AddrFrom4([4]byte(head[3:7])).String()
	if bytes.Equal(head[3:6], []byte{0, 0, 0}) && head[6] != 0 { // 4A: a name follows
		name, err := untilZero(rw)
		if err != nil {
			return "", err
		}
		host = string(name)
	}
	return hostPort(host, head[1:3])
}

func untilZero(r io.Reader) ([]byte, error) {
	var text []byte
	var b [1]byte
	for len(text) <= 255 {
		if _, err := io.ReadFull(r, b[:]); err != nil {
			return nil, err
		}
		if b[0] == 0 {
			return text, nil
		}
		text = append(text, b[0])
	}
	return nil, errSOCKS
}

// socks5 has the dialogue of version 5 after its first byte.
func socks5(rw io.ReadWriter) (addr string, err error) {
	methods, err := counted(rw)
	if err != nil {
		return "", err
	}
	if !slices.Contains(methods, 0) {
		_, _ = rw.Write([]byte{5, 0xff})
		return "", errSOCKS
	}
	if _, err := rw.Write([]byte{5, 0}); err != nil {
		return "", err
	}
	var head [4]byte // version, command, reserved, address type
	if _, err := io.ReadFull(rw, head[:]); err != nil {
		return "", err
	}
	if head[0] != 5 || head[1] != 1 {
		_, _ = rw.Write([]byte{5, 7, 0, 1, 0, 0, 0, 0, 0, 0})
		return "", errSOCKS
	}
	var host string
	switch head[3] {
	case 1, 4:
		ip := make([]byte, map[byte]int{1: 4, 4: 16}[head[3]])
		if _, err := io.ReadFull(rw, ip); err != nil {
			return "", err
		}
		a, _ := netip.AddrFromSlice(ip)
		host = a.String()
	case 3:
		name, err := counted(rw)
		if err != nil {
			return "", err
		}
		host = string(name)
	default:
		return "", errSOCKS
	}
	var port [2]byte
	if _, err := io.ReadFull(rw, port[:]); err != nil {
		return "", err
	}
	return hostPort(host, port[:])
}

// counted reads a byte and as many more as it says.
func counted(r io.Reader) ([]byte, error) {
	var n [1]byte
	if _, err := io.ReadFull(r, n[:]); err != nil {
		return nil, err
	}
	b := make([]byte, n[0])
	_, err := io.ReadFull(r, b)
	return b, err
}

func hostPort(host string, port []byte) (string, error) {
	n := binary.BigEndian.Uint16(port)
	if host == "" || n == 0 {
		return "", errSOCKS
	}
	return net.JoinHostPort(host, strconv.Itoa(int(n))), nil
}
