package transport

import (
	"compress/flate"
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/fairlead-go/ssh/transport/internal/inflate"
	"github.com/fairlead-go/ssh/wire"
)

// Compression (RFC 4253 section 6.2). Each direction is one zlib stream from
// one NEWKEYS to the next: it begins anew with new keys, and is flushed at the
// end of each packet. With zlib it begins with the first packet under the
// keys, with zlib@openssh.com not before the user has logged in, so that no
// stranger's bytes reach a decompressor.
//
// A compressor is large, some 0.8 MB. It can be dropped after any packet: what
// follows then refers to nothing that came before, and the peer need not know.
// So a connection has one while it sends, and a second later no more. A
// decompressor has to keep what the peer may refer to: up to 32 KiB.

const (
	compressionNone    = "none"
	compressionZlib    = "zlib"
	compressionDelayed = "zlib@openssh.com"
)

// compressions are all that this package knows, in the order in which a client
// would rather have them.
var compressions = []string{compressionNone, compressionDelayed, compressionZlib}

// Compressions returns the names that Config.Compression can have.
func Compressions() []string { return slices.Clone(compressions) }

const (
	// maxInflated is how long a payload may become: as long as one that was
	// not compressed.
	maxInflated = maxPacketLength
	// maxExpansion is how much longer a payload becomes at most when it is
	// compressed: 5 bytes for each 16 KiB that do not compress, and those of
	// a flush and of the stream's head.
	maxExpansion = 5*(maxPacketLength/(16<<10)+2) + 2
	// compressorIdle is how long a connection keeps its compressor after the
	// last packet.
	compressorIdle = time.Second
	// noCompressor is the size up to which a payload is no reason to get a
	// compressor: what connections say when nothing else happens.
	noCompressor = 128
)

var (
	// ErrCompression: a payload does not decompress.
	ErrCompression error = wire.ProtocolErrorf(wire.DisconnectCompressionError, "compressed payload is corrupt")
	// ErrDecompressedSize: a payload is longer than 256 KiB when it is
	// decompressed. No more than that was.
	ErrDecompressedSize error = wire.ProtocolErrorf(wire.DisconnectCompressionError, "decompressed payload is too long")
)

// compresses reports whether a direction is compressed now.
func compresses(name string, authenticated bool) bool {
	return name == compressionZlib || name == compressionDelayed && authenticated
}

// A compressor is what costs memory in a deflater. It belongs to one at a
// time.
type compressor struct {
	w   *flate.Writer
	out []byte // of the call under way
}

func (c *compressor) Write(b []byte) (int, error) {
	c.out = append(c.out, b...)
	return len(b), nil
}

// compressors has those that no connection uses.
var compressors = sync.Pool{New: func() any {
	c := new(compressor)
	c.w, _ = flate.NewWriter(c, flate.DefaultCompression) // no error: the level exists
	return c
}}

// A deflater compresses the payloads of one direction. Conn.mu protects it.
type deflater struct {
	c       *compressor // nil while there is little to send
	begun   bool        // the head of RFC 1950 is out
	used    bool        // since the timer began
	release *time.Timer // runs while c is there
}

// append appends head‖body, compressed, to dst.
func (d *deflater) append(c *Conn, dst, head, body []byte) []byte {
	if !d.begun {
		d.begun = true
		dst = append(dst, 0x78, 0x9c) // deflate, a window of 32 KiB, its check
	}
	size := len(head) + len(body)
	if d.c == nil && size <= noCompressor {
		// A stored block (RFC 1951 section 3.2.4). The last flush ended with
		// a whole byte.
		dst = append(dst, 0, byte(size), byte(size>>8), byte(^size), byte(^size>>8))
		return append(append(dst, head...), body...)
	}
	if d.c == nil {
		d.c = compressors.Get().(*compressor)
		d.c.w.Reset(d.c)
		d.await(c)
	}
	d.used = true
	d.c.out = dst
	// These fail only if compressor.Write does.
	d.c.w.Write(head)
	d.c.w.Write(body)
	d.c.w.Flush()
	dst, d.c.out = d.c.out, nil
	return dst
}

// await drops the compressor once it has not been used for a while.
func (d *deflater) await(c *Conn) {
	if d.release != nil {
		d.release.Reset(compressorIdle)
		return
	}
	d.release = time.AfterFunc(compressorIdle, func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		if d.used && d.c != nil {
			d.used = false
			d.release.Reset(compressorIdle)
			return
		}
		d.drop()
	})
}

// drop gives the compressor back. A nil deflater has none.
func (d *deflater) drop() {
	if d == nil || d.c == nil {
		return
	}
	d.release.Stop()
	compressors.Put(d.c)
	d.c = nil
}

// deflateLocked begins or ends compression of what we send. mu is held.
func (c *Conn) deflateLocked(on bool) {
	c.out.deflate.drop()
	c.out.deflate = nil
	if on {
		c.out.deflate = new(deflater)
	}
}

// decompress returns the payload that was compressed to b. It is valid until
// the next call of next.
func (in *incoming) decompress(b []byte) ([]byte, error) {
	in.plain = getBigBuffer()
	n, err := in.inflate.Decode(in.plain[:maxInflated], b)
	switch {
	case errors.Is(err, inflate.ErrTooLong):
		return nil, ErrDecompressedSize
	case err != nil, n == 0:
		return nil, ErrCompression
	}
	return in.plain[:n:n], nil
}

// dropPlain gives the last decompressed payload's buffer back.
func (in *incoming) dropPlain() {
	if in.plain != nil {
		putBuffer(in.plain)
		in.plain = nil
	}
}
