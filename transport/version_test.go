package transport

import (
	"encoding/binary"
	"io"
	"net"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/fairlead-go/ssh/kex"
	"github.com/fairlead-go/ssh/wire"
)

func TestIdentification(t *testing.T) {
	long := func(n int) string { return "SSH-2.0-" + strings.Repeat("x", n-10) + "\r\n" } // n bytes in all
	const (
		differ  = "This server speaks version 2.0 of the SSH protocol only.\r\n"
		invalid = "This is an SSH server, and that was no SSH identification.\r\n"
	)
	tests := []struct {
		name    string
		sent    string
		version string // empty: refused
		// clientOnly: only a server may send it; a server refuses it.
		clientOnly bool
		answer     string // what a server says to it
	}{
		{name: "plain", sent: "SSH-2.0-x\r\n", version: "SSH-2.0-x"},
		{name: "bare LF", sent: "SSH-2.0-x\n", version: "SSH-2.0-x"},
		{name: "comments", sent: "SSH-2.0-x y z\r\n", version: "SSH-2.0-x y z"},
		{name: "trailing space", sent: "SSH-2.0-x \r\n", version: "SSH-2.0-x "},
		{name: "two CR", sent: "SSH-2.0-x\r\r\n", version: "SSH-2.0-x\r"},
		{name: "1.99", sent: "SSH-1.99-old\r\n", version: "SSH-1.99-old"},
		{name: "no software", sent: "SSH-2.0-\r\n", version: "SSH-2.0-"},
		{name: "255 bytes", sent: long(255), version: strings.TrimSuffix(long(255), "\r\n")},
		{name: "256 bytes", sent: long(256), answer: invalid},
		{name: "254 bytes and LF", sent: "SSH-2.0-" + strings.Repeat("x", 246) + "\n", version: "SSH-2.0-" + strings.Repeat("x", 246)},
		{name: "never ends", sent: "SSH-2.0-" + strings.Repeat("x", 10000), answer: invalid},
		{name: "1.5", sent: "SSH-1.5-old\r\n", answer: differ},
		{name: "1.0", sent: "SSH-1.0\r\n", answer: differ},
		{name: "3.0", sent: "SSH-3.0-new\r\n", answer: differ},
		{name: "2.0 without a dash", sent: "SSH-2.0\r\n", answer: differ},
		{name: "2.01", sent: "SSH-2.01-x\r\n", answer: differ},
		{name: "null byte", sent: "SSH-2.0-x\x00y\r\n", answer: invalid},
		{name: "HTTP", sent: "GET / HTTP/1.1\r\nHost: x\r\n\r\n", answer: invalid},
		{name: "TLS", sent: "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", answer: invalid},
		{name: "null bytes", sent: strings.Repeat("\x00", 300), answer: invalid},
		{name: "lower case", sent: "ssh-2.0-x\r\n", answer: invalid},
		{name: "empty line", sent: "\r\n", answer: invalid},
		{name: "nothing", sent: ""},
		{name: "half", sent: "SSH-2.0-x"},
		{name: "less than half", sent: "SS"},
		{name: "line before", sent: "hello\r\nSSH-2.0-x\r\n", version: "SSH-2.0-x", clientOnly: true, answer: invalid},
		{name: "empty lines before", sent: "\n\r\n\nSSH-2.0-x\r\n", version: "SSH-2.0-x", clientOnly: true, answer: invalid},
		{name: "many lines before", sent: strings.Repeat("welcome\r\n", maxGreetingLines) + "SSH-2.0-x\r\n", version: "SSH-2.0-x", clientOnly: true, answer: invalid},
		{name: "too many lines before", sent: strings.Repeat("welcome\r\n", maxGreetingLines+1) + "SSH-2.0-x\r\n", answer: invalid},
		{name: "long line before", sent: strings.Repeat("w", maxGreetingLine-1) + "\nSSH-2.0-x\r\n", version: "SSH-2.0-x", clientOnly: true, answer: invalid},
		{name: "too long a line before", sent: strings.Repeat("w", maxGreetingLine) + "\nSSH-2.0-x\r\n", answer: invalid},
		{name: "endless line before", sent: strings.Repeat("w", 3*maxGreetingLine), answer: invalid},
		{name: "SSH within a line before", sent: "no SSH-2.0-x\r\nSSH-2.0-y\r\n", version: "SSH-2.0-y", clientOnly: true, answer: invalid},
	}
	forRoles(t, func(t *testing.T, role kex.Role) {
		for _, tt := range tests {
			for name, slowly := range map[string]bool{"at once": false, "byte by byte": true} {
				if slowly && len(tt.sent) > 1000 {
					continue
				}
				t.Run(tt.name+" "+name, func(t *testing.T) {
					noLeaks(t)
					c, p := begin(t, role, Config{})
					pieces := []string{tt.sent}
					if slowly {
						pieces = strings.Split(tt.sent, "")
					}
					ours := make([]byte, len("SSH-2.0-"+DefaultSoftwareVersion+"\r\n"))
					_, err := io.ReadFull(p.nc, ours)
					require.NoError(t, err)
					require.Equal(t, "SSH-2.0-"+DefaultSoftwareVersion+"\r\n", string(ours))
					if role == kex.Client {
						// Its KEXINIT does not wait for the server's identification.
						var head [6]byte
						_, err := io.ReadFull(p.nc, head[:])
						require.NoError(t, err)
						require.EqualValues(t, wire.MsgKexInit, head[5])
						_, err = io.CopyN(io.Discard, p.nc, int64(binary.BigEndian.Uint32(head[:]))-2)
						require.NoError(t, err)
					}
					for _, piece := range pieces {
						if _, err := io.WriteString(p.nc, piece); err != nil {
							break // refused already
						}
					}
					version := tt.version
					if role == kex.Server && tt.clientOnly {
						version = ""
					}
					if role == kex.Server && version != "" { // what follows is KEXINIT
						_, err := io.ReadFull(p.nc, ours[:6])
						require.NoError(t, err)
						require.EqualValues(t, wire.MsgKexInit, ours[5])
					}
					p.nc.(*net.UnixConn).CloseWrite()
					b, _ := io.ReadAll(p.nc)
					said := string(b)
					p.nc.Close()
					<-c.done
					require.Error(t, c.err)
					if version != "" {
						require.ErrorIs(t, c.err, io.ErrUnexpectedEOF)
						return
					}
					if tt.sent == "" || tt.name == "half" || tt.name == "less than half" {
						require.ErrorIs(t, c.err, io.ErrUnexpectedEOF)
						require.Empty(t, said)
						return
					}
					var ve *VersionError
					if role == kex.Client && !errorsAsVersion(c.err) {
						// Lines that may precede the identification, and then the end.
						require.ErrorIs(t, c.err, io.ErrUnexpectedEOF)
						require.NotContains(t, tt.sent, "SSH-")
						return
					}
					require.ErrorAs(t, c.err, &ve)
					require.LessOrEqual(t, len(ve.Line), 3*maxVersionLen)
					require.NotContains(t, c.err.Error(), "\x00")
					require.NotContains(t, c.err.Error(), "\r")
					if role == kex.Server {
						require.Equal(t, tt.answer, said)
					} else {
						require.Empty(t, said)
					}
				})
			}
		}
	})
}

func errorsAsVersion(err error) bool { _, ok := err.(*VersionError); return ok }

// TestIdentificationAndKexInitTogether: bytes that come with the
// identification are not lost.
func TestIdentificationAndKexInitTogether(t *testing.T) {
	forRoles(t, func(t *testing.T, role kex.Role) {
		c, p := begin(t, role, Config{})
		p.ours = p.settings.proposal(true)
		p.oursPayload = p.ours.marshal(nil)
		p.sendBytes(append([]byte("SSH-2.0-eager\n"), p.sealed(p.oursPayload)...))
		theirs, err := p.readVersion()
		require.NoError(t, err)
		p.clientVersion, p.serverVersion = "SSH-2.0-eager", theirs
		if p.role == kex.Server {
			p.clientVersion, p.serverVersion = theirs, "SSH-2.0-eager"
		}
		p.expectKexInit()
		p.finishKex()
		<-c.done
		require.NoError(t, c.err)
		require.Contains(t, []string{c.State().ClientVersion, c.State().ServerVersion}, "SSH-2.0-eager")
		p.expect(wire.MsgExtInfo)
	})
}

func TestOwnSoftwareVersion(t *testing.T) {
	for v, ok := range map[string]bool{
		"x": true, "Fairlead_0.1 comment": true, strings.Repeat("x", 245): true, strings.Repeat("x", 246): false,
		" x": false, "a\rb": false, "a\x00": false, "ä": false, "a\x7f": false,
	} {
		require.Equal(t, ok, checkSoftwareVersion(v) == nil, "%q", v)
	}
	c, p := begin(t, kex.Server, Config{SoftwareVersion: "Mine_1 here"})
	p.identify()
	require.Equal(t, "SSH-2.0-Mine_1 here", p.serverVersion)
	p.nc.Close()
	<-c.done
}
