package inflate

// windowSize is how far back a stream may refer (RFC 1951 section 2).
const windowSize = 32 << 10

// A history is the end of what came out before the current piece. It takes as
// much memory as there is, up to windowSize.
type history struct {
	buf    []byte
	oldest int // its index in buf, once that has windowSize bytes
}

func (h *history) add(b []byte) {
	b = b[max(0, len(b)-windowSize):]
	if grow := min(len(b), windowSize-len(h.buf)); grow > 0 {
		if need := len(h.buf) + grow; need > cap(h.buf) {
			h.buf = append(make([]byte, 0, min(windowSize, max(need, 2*cap(h.buf)))), h.buf...)
		}
		h.buf = append(h.buf, b[:grow]...)
		b = b[grow:]
	}
	n := copy(h.buf[h.oldest:], b)
	copy(h.buf, b[n:])
	h.oldest = (h.oldest + len(b)) % windowSize
}

// copy copies to dst what begins back bytes before the end, and returns how
// much that was.
func (h *history) copy(dst []byte, back int) int {
	older, newer := h.buf[h.oldest:], h.buf[:h.oldest]
	if back <= len(newer) {
		return copy(dst, newer[len(newer)-back:])
	}
	n := copy(dst, older[len(h.buf)-back:])
	return n + copy(dst[n:], newer)
}
