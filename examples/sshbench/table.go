package main

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/fairlead-go/ssh/transport"
)

// A row is one piece of work, done by several who are compared with the first.
type row struct {
	name             string
	goal             string // for the report
	op               string
	cipher, mac, kex string
	size             size
	link             *link // between client and server; nil for the loopback alone
	rounds           int   // 0: as the comparison says
	contenders       []contender
}

// A size says which of a comparison's sizes counts for a row.
type size int

const (
	byBytes size = iota
	byRepetitions
	byConnections
)

// A contender is a client and a server, by the names of implementations.
type contender struct {
	name           string
	client, server string
	n              int    // in place of the row's
	rekey          uint64 // bytes
	guess          bool   // the first message of the key exchange
	part           int64  // it does only one in so many of the bytes; 0: all
}

func both(name, impl string) contender { return contender{name: name, client: impl, server: impl} }

// opensshIn tells whether a row needs OpenSSH.
func (r *row) opensshIn() bool {
	return slices.ContainsFunc(r.contenders, func(c contender) bool { return c.client == "openssh" || c.server == "openssh" })
}

const etm = "hmac-sha2-256-etm@openssh.com"

var (
	ours    = both("fairlead", "fairlead")
	xcrypto = both("x/crypto/ssh", "xcrypto")
	overTLS = both("crypto/tls 1.3", "tls")
	overTCP = both("TCP", "tcp")
)

// farAway is the link that long distances are measured with.
var farAway = link{bytesPerSecond: 125e6, delay: 50 * time.Millisecond}

// table returns all rows.
func table() []row {
	var rows []row
	for _, op := range []string{"down", "up"} {
		rows = append(rows,
			row{name: op + " chacha20-poly1305", op: op, cipher: "chacha20-poly1305@openssh.com",
				goal: "4 × x/crypto/ssh, half its CPU", contenders: []contender{ours, xcrypto}},
			row{name: op + " aes128-gcm", op: op, cipher: "aes128-gcm@openssh.com",
				goal: "2.2 × x/crypto/ssh, half its CPU; 1 × crypto/tls", contenders: []contender{ours, xcrypto, overTLS, overTCP}},
			row{name: op + " aes128-ctr hmac-sha2-256-etm", op: op, cipher: "aes128-ctr", mac: etm,
				goal: "2 × x/crypto/ssh, half its CPU", contenders: []contender{ours, xcrypto}},
		)
	}
	for _, cipher := range transport.Ciphers() {
		for _, op := range []string{"down", "up"} {
			rows = append(rows, besideOpenSSH(op, cipher)...)
		}
	}
	rows = append(rows,
		row{name: "round trip of a byte", op: "rtt", size: byRepetitions,
			goal: "0.6 × x/crypto/ssh, 1.5 × TCP", contenders: []contender{ours, xcrypto, overTLS, overTCP}})
	for _, kex := range []string{"mlkem768x25519-sha256", "curve25519-sha256"} {
		handshake := row{name: "handshake " + kex, op: "handshake", kex: kex, size: byRepetitions,
			goal: "0.6 × x/crypto/ssh", contenders: []contender{ours, xcrypto}}
		guessed := handshake
		guessing := ours
		guessing.guess = true
		guessed.name += ", guessed"
		guessed.contenders = []contender{guessing, xcrypto}
		rows = append(rows, handshake, guessed)
	}
	return append(rows,
		row{name: "session, exec, exit status, close", op: "chan", size: byRepetitions,
			goal: "0.5 × x/crypto/ssh", contenders: []contender{ours, xcrypto}},
		row{name: "idle connection", op: "idle", size: byConnections, rounds: 1,
			goal: "16 KiB of heap and 2 goroutines a side", contenders: []contender{ours, xcrypto}},
		row{name: "down over 1 Gbit/s and 100 ms", op: "down", link: &farAway,
			goal: "100 MB/s", contenders: []contender{ours, partly(xcrypto, 8)}},
		row{name: "100 busy channels", op: "many",
			goal:       "0.9 × one channel, none below half its share",
			contenders: []contender{with(ours, "", 100, 0), with(ours, ", one channel", 1, 0), with(xcrypto, "", 100, 0)}},
		row{name: "10 channels both ways, new keys every MiB", op: "duplex",
			goal: "0.5 × the same without new keys",
			contenders: []contender{with(ours, "", 10, 1<<20), with(ours, ", no new keys", 10, 0),
				with(xcrypto, "", 10, 1<<20), with(xcrypto, ", no new keys", 10, 0)}},
	)
}

// besideOpenSSH has ours on either end in place of OpenSSH's.
func besideOpenSSH(op, cipher string) []row {
	mac := ""
	if strings.HasSuffix(cipher, "-ctr") {
		mac = etm
	}
	plain := contender{name: "ssh with sshd", client: "openssh", server: "openssh"}
	var rows []row
	for _, c := range []contender{
		{name: "fairlead with sshd", client: "fairlead", server: "openssh"},
		{name: "ssh with fairlead", client: "openssh", server: "fairlead"},
	} {
		short, _, _ := strings.Cut(cipher, "@")
		rows = append(rows, row{name: fmt.Sprintf("%s %s, %s", op, short, c.name), op: op, cipher: cipher, mac: mac,
			goal: "faster than ssh with sshd", contenders: []contender{c, plain}})
	}
	return rows
}

func with(c contender, suffix string, n int, rekey uint64) contender {
	c.name += suffix
	c.n, c.rekey = n, rekey
	return c
}

func partly(c contender, part int64) contender {
	c.part = part
	return c
}
