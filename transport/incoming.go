package transport

import (
	"errors"
	"io"
	"net"
	"os"
	"runtime"
	"time"

	"github.com/fairlead-go/ssh/internal/backoff"
	"github.com/fairlead-go/ssh/transport/internal/inflate"
	"github.com/fairlead-go/ssh/wire"
)

// The incoming half, in execution order; all of it belongs to the goroutine
// that calls ReadPacket, and has no lock:
//
//  1. fill reads as much as the connection underneath gives, into one buffer.
//     Before that it tells beforeRead, who may have put work off until there
//     is no packet left, and asks how it is to wait.
//  2. next finds the packet's length, waits for all of it, verifies and
//     decrypts it in place, and returns its payload as an alias. Where it was
//     compressed, that is an alias of another buffer, held until the next call.
//  3. dispatch (dispatch.go) answers what belongs to this layer.
//
// Buffers are shared by all connections. A socket is waited for without one
// (socket_read.go); anything else with a small one, which is exchanged for a
// large one once it does not serve.

// maxPacketLength is the largest packet_length taken, as OpenSSH has it. RFC
// 4253 section 6.1 asks for at least 35000.
const maxPacketLength = 256 << 10

// maxPacketsPerKey keeps the sequence number, and with it what ciphers and MACs
// are made unique by, from coming around (RFC 4344 section 3.1).
const maxPacketsPerKey = 1<<32 - 1

type incoming struct {
	cipher packetCipher
	geo    geometry
	seq    uint32 // sequence number of the next packet
	usage  usage

	compression string           // as agreed on
	inflate     *inflate.Decoder // nil while the peer does not compress
	inflated    uint64           // bytes that it made in all
	plain       []byte           // what the last payload was decompressed into

	socket     *socketReader // nil: rwc is read as any io.Reader
	beforeRead func()
	how        func() wire.Wait // nil, or of the ReadPacketUntil under way
	within     time.Duration    // the same
	deadline   time.Time        // the read deadline that is set
	yields     backoff.Backoff  // of yield
	beforeWait func()           // called where a read may have to wait; nil but during the handshake

	buf    []byte // from one of the pools; may be nil while it holds nothing
	r, w   int    // buf[r:w] is read and not yet used
	length uint32 // packet_length of the packet at r, 0 when not yet known
}

// next returns the payload of the next packet, valid until the next call.
func (c *Conn) next() ([]byte, error) {
	in := &c.in
	in.dropPlain()
	if in.usage.packets >= maxPacketsPerKey {
		return nil, protocolErrorf("too many packets under the same keys")
	}
	if in.length == 0 {
		if err := c.fill(in.geo.headSize); err != nil {
			return nil, err
		}
		length := in.cipher.openLength(in.seq, in.buf[in.r:in.r+in.geo.headSize])
		if !in.geo.valid(length, maxPacketLength) {
			if in.geo.conceal {
				return nil, c.conceal(in.geo.headSize)
			}
			return nil, protocolErrorf("packet length %d is not allowed", length)
		}
		in.length = length
	}
	size := lengthSize + int(in.length)
	total := size + in.geo.tagSize
	if err := c.fill(total); err != nil {
		return nil, err
	}
	packet := in.buf[in.r : in.r+total]
	if p, ok := in.cipher.(*pairedCipher); ok {
		p.lookAhead(in.seq, packet, in.buf[in.r+total:in.w])
	}
	if !in.cipher.open(in.seq, packet) {
		if in.geo.conceal {
			return nil, c.conceal(total)
		}
		return nil, ErrIntegrity
	}
	in.r += total
	in.length = 0
	in.seq++
	in.usage.bytes += uint64(total)
	in.usage.packets++
	c.received.bytes.Add(uint64(total))
	c.received.packets.Add(1)

	pad := int(packet[lengthSize])
	if pad < minPadding || headerSize+1+pad > size {
		return nil, protocolErrorf("padding length %d is not allowed", pad)
	}
	payload := packet[headerSize : size-pad : size-pad]
	if in.inflate == nil {
		return payload, nil
	}
	payload, err := in.decompress(payload)
	in.inflated += uint64(len(payload))
	return payload, err
}

// conceal fails, after as many bytes and with as much work as the longest
// packet takes, of which done bytes have been read and worked on. With
// encrypt-and-MAC the length is believed before it is verified, and with CBC an
// attacker chooses a block that is decrypted as one: where reading stops would
// tell what that block says (CVE-2008-5161).
func (c *Conn) conceal(done int) error {
	in := &c.in
	in.how = nil
	in.r += done
	for left := lengthSize + maxPacketLength + in.geo.tagSize - done; left > 0; {
		if err := c.fill(1); err != nil {
			return err
		}
		n := min(left, in.w-in.r)
		in.cipher.(*macCipher).spend(in.buf[in.r : in.r+n])
		in.r += n
		left -= n
	}
	return ErrIntegrity
}

// fill makes sure that n bytes can be used, reading as much as there is.
func (c *Conn) fill(n int) error {
	in := &c.in
	for in.w-in.r < n {
		if in.beforeRead != nil {
			in.beforeRead()
		}
		how := wire.Sleep
		if in.how != nil {
			how = in.how()
		}
		if how == wire.PutOff {
			return wire.ErrPutOff
		}
		if how == wire.YieldAndSleep || how == wire.YieldAndWatch {
			in.yield()
		}
		if err := c.limitWait(); err != nil {
			return &ConnectionError{Op: "read", Err: err}
		}
		m, err := in.read(c.rwc, n, how)
		in.w += m
		if m > 0 {
			continue // an error, if there is one, will be there again
		}
		if in.within > 0 && errors.Is(err, os.ErrDeadlineExceeded) {
			return wire.ErrPutOff
		}
		if err == io.EOF {
			err = io.ErrUnexpectedEOF
		}
		if err != nil {
			return &ConnectionError{Op: "read", Err: err}
		}
	}
	return nil
}

// awayTime is how long who reads may be without a processor that it gave up before
// it stops doing so for a while: others want it more than we and the peer.
const awayTime = time.Millisecond

// yield lets the goroutines that are ready run, unless they lately took long.
func (in *incoming) yield() {
	if !in.yields.Try() {
		return
	}
	start := time.Now()
	runtime.Gosched()
	in.yields.Note(time.Since(start) <= awayTime)
}

// limitWait sets the read deadline that in.within asks for, or none. The time
// may be half as long: setting a deadline costs more than looking at the clock.
func (c *Conn) limitWait() error {
	in := &c.in
	deadline := time.Time{}
	if in.within > 0 {
		now := time.Now()
		if in.deadline.Sub(now) >= in.within/2 {
			return nil
		}
		deadline = now.Add(in.within)
	} else if in.deadline.IsZero() {
		return nil
	}
	in.deadline = deadline
	return c.rwc.(net.Conn).SetReadDeadline(deadline)
}

// read reads once, on the way to n bytes in buf[r:w].
func (in *incoming) read(rwc io.Reader, n int, how wire.Wait) (int, error) {
	if in.socket != nil {
		return in.socket.read(in, n, how)
	}
	in.shrink(n) // the read may last
	if in.buf == nil {
		in.move(getSmallBuffer())
	}
	in.makeRoom(n)
	if in.beforeWait != nil {
		in.beforeWait()
	}
	m, err := rwc.Read(in.buf[in.w:])
	if m < 0 || m > len(in.buf)-in.w {
		m = 0
	}
	return m, err
}

// makeRoom prepares the buffer for a read that must bring buf[r:w] to n bytes.
func (in *incoming) makeRoom(n int) {
	full := in.w == len(in.buf)
	switch {
	case in.r == in.w && n <= len(in.buf):
		in.r, in.w = 0, 0
	case n > len(in.buf), full && len(in.buf) == smallBuffer:
		// More is coming than a small buffer serves.
		in.move(getBigBuffer())
	case in.r+n > len(in.buf) || in.r > len(in.buf)/2:
		in.w = copy(in.buf, in.buf[in.r:in.w])
		in.r = 0
	}
}

// shrink gives a buffer back that is larger than a wait for n bytes in
// buf[r:w] needs: the connection may go idle now.
func (in *incoming) shrink(n int) {
	switch have := in.w - in.r; {
	case have == 0:
		putBuffer(in.buf)
		in.buf, in.r, in.w = nil, 0, 0
	case len(in.buf) > smallBuffer && max(have, n) <= smallBuffer:
		in.move(getSmallBuffer())
	}
}

// move changes the buffer.
func (in *incoming) move(to []byte) {
	in.w = copy(to, in.buf[in.r:in.w])
	in.r = 0
	putBuffer(in.buf)
	in.buf = to
}

// readVersion reads the peer's identification.
func (c *Conn) readVersion() (string, error) {
	reader := versionReader{fromServer: c.settings.client != nil}
	in := &c.in
	for {
		n, line, err := reader.next(in.buf[in.r:in.w])
		if err != nil {
			return "", err
		}
		if line != nil {
			version := string(line)
			in.r += n
			return version, nil
		}
		in.r += n
		if n == 0 {
			if err := c.fill(in.w - in.r + 1); err != nil {
				return "", err
			}
		}
	}
}

// ReadPacket returns the next payload that belongs to a higher layer, as
// wire.PacketConn says. Every failure ends the connection.
func (c *Conn) ReadPacket() ([]byte, error) {
	for {
		select {
		case <-c.dead:
			putBuffer(c.in.buf)
			c.in.buf = nil
			c.in.dropPlain()
			if c.in.socket != nil {
				c.in.socket.release() // finish may be waiting for it
			}
			return nil, c.Err()
		default:
		}
		if c.in.within > 0 && !c.TakesTurns() {
			return nil, wire.ErrPutOff
		}
		payload, err := c.next()
		if err == wire.ErrPutOff {
			return nil, err
		}
		if err != nil {
			c.Fail(err)
			continue
		}
		deliver, err := c.dispatch(payload)
		if err != nil {
			c.Fail(err)
			continue
		}
		if deliver {
			return payload, nil
		}
	}
}

// ReadPacketUntil is ReadPacket, until how says that it is not to wait, or for
// about the time within, as wire.TurnReader says.
func (c *Conn) ReadPacketUntil(how func() wire.Wait, within time.Duration) ([]byte, error) {
	c.in.how, c.in.within = how, within
	p, err := c.ReadPacket()
	c.in.how, c.in.within = nil, 0
	return p, err
}

// TakesTurns reports whether the time within can be had: over a socket, and
// unless the cipher is one whose failures must take their time. It is for who
// reads.
func (c *Conn) TakesTurns() bool { return c.in.socket != nil && !c.in.geo.conceal }

// BeforeRead has ReadPacket call f each time before it reads from the
// connection underneath, where it may wait; nil ends that. f must not wait itself.
// It is for who reads. It implements wire.BatchReader.
func (c *Conn) BeforeRead(f func()) { c.in.beforeRead = f }

var (
	_ wire.PacketConn = (*Conn)(nil)
	_ wire.TurnReader = (*Conn)(nil)
)
