package transport

import (
	"slices"
	"strings"

	"github.com/fairlead-go/ssh/kex"
	"github.com/fairlead-go/ssh/wire"
)

// Extensions in SSH_MSG_EXT_INFO (RFC 8308).
const (
	extServerSigAlgs = "server-sig-algs"              // RFC 8308 section 3.1
	extPing          = "ping@openssh.com"             // OpenSSH's PROTOCOL section 1.9
	extInfoInAuth    = "ext-info-in-auth@openssh.com" // OpenSSH's PROTOCOL section 1.12
)

// What a peer may announce: how many extensions, and how many bytes of names
// and values that we keep.
const (
	maxExtensions     = 64
	maxExtensionBytes = 32 << 10
)

// appendExtInfo appends our SSH_MSG_EXT_INFO.
func (c *Conn) appendExtInfo(b []byte) []byte {
	b = append(b, wire.MsgExtInfo)
	if c.role == kex.Client {
		b = wire.AppendUint32(b, 2)
		b = wire.AppendString(b, extInfoInAuth)
		b = wire.AppendString(b, "0")
	} else {
		b = wire.AppendUint32(b, 2)
		b = wire.AppendString(b, extServerSigAlgs)
		b = wire.AppendNameList(b, c.settings.publicKeyAlgorithms)
	}
	b = wire.AppendString(b, extPing)
	return wire.AppendString(b, "0")
}

// onExtInfo keeps what the peer announces. A later message adds to an earlier
// one and overrides it (RFC 8308 section 2.4).
func (c *Conn) onExtInfo(payload []byte) error {
	r := wire.NewReader(payload[1:])
	n := r.Uint32()
	if n > maxExtensions {
		return protocolErrorf("SSH_MSG_EXT_INFO has %d extensions", n)
	}
	extensions := make(map[string][]byte)
	for range n {
		name := r.Text()
		extensions[name] = slices.Clone(r.Bytes())
	}
	if err := r.End(); err != nil {
		return protocolErrorf("SSH_MSG_EXT_INFO: %v", err)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for name, value := range c.peerExt {
		if _, ok := extensions[name]; !ok {
			extensions[name] = value
		}
	}
	size := 0
	for name, value := range extensions {
		size += len(name) + len(value)
	}
	if len(extensions) > maxExtensions || size > maxExtensionBytes {
		return protocolErrorf("too many or too long extensions")
	}
	c.peerExt = extensions
	return nil
}

// Extension returns the value that the peer announced for an extension (RFC
// 8308), and whether it did. The caller must not change it.
func (c *Conn) Extension(name string) ([]byte, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	value, ok := c.peerExt[name]
	return value, ok
}

// ServerSigAlgs returns the public key algorithms that the server said it
// takes in authentication (RFC 8308 section 3.1), nil where it said nothing.
func (c *Conn) ServerSigAlgs() []string {
	value, ok := c.Extension(extServerSigAlgs)
	switch {
	case !ok:
		return nil
	case len(value) == 0:
		return []string{}
	}
	return strings.Split(string(value), ",")
}
