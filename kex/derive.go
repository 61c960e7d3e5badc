package kex

// DeriveKey returns n bytes of key material by RFC 4253 section 7.2. The tags
// are 'A' and 'B' for the initial IVs, 'C' and 'D' for the encryption keys,
// 'E' and 'F' for the integrity keys, each pair client to server first. The
// session identifier is the H of the connection's first exchange.
func (r *Result) DeriveKey(tag byte, sessionID []byte, n int) []byte {
	if n <= 0 {
		return nil
	}
	size := r.Hash.Size()
	key := make([]byte, 0, (n+size-1)/size*size)
	h := r.Hash.New()
	h.Write(r.K)
	h.Write(r.H)
	h.Write([]byte{tag})
	h.Write(sessionID)
	key = h.Sum(key)
	for len(key) < n {
		h.Reset()
		h.Write(r.K)
		h.Write(r.H)
		h.Write(key)
		key = h.Sum(key)
	}
	clear(key[n:])
	return key[:n:n]
}
