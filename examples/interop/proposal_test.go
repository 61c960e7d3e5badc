//go:build interop

package interop

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fairlead-go/ssh/transport"
	"github.com/fairlead-go/ssh/wire"
)

// A proposal is what a program offers in its KEXINIT.
type proposal struct {
	kex, hostKey, cipher, mac, compression []string
}

// readProposal meets a program, of either role, up to its KEXINIT.
func readProposal(t testing.TB, conn net.Conn) proposal {
	t.Helper()
	defer conn.Close()
	require.NoError(t, conn.SetDeadline(time.Now().Add(patience)))
	_, err := io.WriteString(conn, "SSH-2.0-Probe\r\n")
	require.NoError(t, err)
	r := bufio.NewReader(conn)
	for line := ""; !strings.HasPrefix(line, "SSH-"); {
		line, err = r.ReadString('\n')
		require.NoError(t, err)
	}
	var head [5]byte
	_, err = io.ReadFull(r, head[:])
	require.NoError(t, err)
	payload := make([]byte, int(binary.BigEndian.Uint32(head[:]))-1-int(head[4]))
	_, err = io.ReadFull(r, payload)
	require.NoError(t, err)
	require.Greater(t, len(payload), 17)
	require.EqualValues(t, wire.MsgKexInit, payload[0])
	m := wire.NewReader(payload[17:]) // after the cookie
	p := proposal{kex: m.NameList(), hostKey: m.NameList(), cipher: m.NameList()}
	require.ElementsMatch(t, p.cipher, m.NameList(), "one list of ciphers for both directions")
	p.mac = m.NameList()
	m.NameList()
	p.compression = m.NameList()
	require.NoError(t, m.Err())
	return p
}

// serverProposal asks a server.
func serverProposal(t testing.TB, address string) proposal {
	t.Helper()
	conn, err := net.Dial("tcp", address)
	require.NoError(t, err)
	return readProposal(t, conn)
}

// clientProposal lets a client connect.
func clientProposal(t testing.TB, c client) proposal {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer l.Close()
	s := &server{port: l.Addr().(*net.TCPAddr).Port, user: login(t)}
	background(t, c.command(t, s, options{settings: everything(t)}, "true"))
	conn, err := l.Accept()
	require.NoError(t, err)
	return readProposal(t, conn)
}

// everything makes OpenSSH offer also what it does not by default.
func everything(t testing.TB) (lines []string) {
	t.Helper()
	for keyword, query := range map[string]string{
		"KexAlgorithms": "kex", "HostKeyAlgorithms": "HostKeyAlgorithms", "Ciphers": "cipher", "MACs": "mac",
	} {
		all := strings.Fields(succeeds(t, exec.Command(peer(t, "ssh"), "-Q", query)).stdout)
		lines = append(lines, keyword+" "+strings.Join(all, ","))
	}
	return lines
}

// A combination is one algorithm of each kind, mac "" where the cipher
// authenticates, and who asks for new keys.
type combination struct {
	kex, hostKey, cipher, mac, compression string
	peerRekeys                             bool
}

func (c combination) String() string {
	who := "we rekey"
	if c.peerRekeys {
		who = "the peer rekeys"
	}
	return strings.Join([]string{c.kex, c.hostKey, c.cipher, c.mac, c.compression, who}, " ")
}

// aead are the ciphers for which the MAC's name means nothing.
var aead = []string{"chacha20-poly1305@openssh.com", "aes128-gcm@openssh.com", "aes256-gcm@openssh.com"}

// common returns combinations of what p and this library both have, legacy
// included, in which each two that can stand together do: every cipher with every
// MAC, every key exchange with every host key algorithm, and so on.
func (p proposal) common(t testing.TB, rekeys bool) (all []combination) {
	old := transport.LegacyAlgorithms()
	kex := both(append(transport.SupportedKeyExchanges(), old.KeyExchanges...), p.kex)
	hostKeys := append(both(signedWith(t, transport.HostKeyAlgorithms()), p.hostKey), both(old.Signatures, p.hostKey)...)
	ciphers := both(append(transport.Ciphers(), old.Ciphers...), p.cipher)
	macs := append([]string{""}, both(append(transport.MACs(), old.MACs...), p.mac)...)
	compression := both(transport.Compressions(), p.compression)
	who := []bool{false}
	if rekeys {
		who = append(who, true)
	}
	const cipher, mac = 2, 3
	compatible := func(i, a, j, b int) bool {
		return i != cipher || j != mac || slices.Contains(aead, ciphers[a]) == (macs[b] == "")
	}
	for _, r := range pairwise([]int{len(kex), len(hostKeys), len(ciphers), len(macs), len(compression), len(who)}, compatible) {
		all = append(all, combination{kex[r[0]], hostKeys[r[1]], ciphers[r[2]], macs[r[3]], compression[r[4]], who[r[5]]})
	}
	return all
}

// signedWith returns those of names that one of the hosts' keys signs with.
func signedWith(t testing.TB, names []string) (out []string) {
	for _, name := range names {
		if slices.ContainsFunc(hostKeys(t), func(k keyPair) bool { return slices.Contains(k.key.Algorithms(), name) }) {
			out = append(out, name)
		}
	}
	return out
}

func both(ours, theirs []string) (out []string) {
	for _, name := range ours {
		if slices.Contains(theirs, name) {
			out = append(out, name)
		}
	}
	return out
}

// table counts combinations that worked, by cipher and MAC.
func table(all []combination, failed map[combination]error) string {
	type row struct{ ok, all int }
	rows := make(map[string]*row)
	var order, kexes, hostKeys []string
	add := func(list *[]string, name string) {
		if !slices.Contains(*list, name) {
			*list = append(*list, name)
		}
	}
	for _, c := range all {
		name := strings.TrimSpace(c.cipher + " " + c.mac)
		add(&order, name)
		add(&kexes, c.kex)
		add(&hostKeys, c.hostKey)
		if rows[name] == nil {
			rows[name] = new(row)
		}
		rows[name].all++
		if failed[c] == nil {
			rows[name].ok++
		}
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%d combinations, %d failed\nkex:      %s\nhost key: %s\n",
		len(all), len(failed), strings.Join(kexes, " "), strings.Join(hostKeys, " "))
	for _, name := range order {
		fmt.Fprintf(&b, "%-60s %3d of %3d\n", name, rows[name].ok, rows[name].all)
	}
	return b.String()
}
