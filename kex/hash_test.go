package kex

import (
	"crypto"
	"crypto/ecdh"
	"crypto/ed25519"
	"crypto/mlkem"
	"crypto/rand"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"math/big"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/fairlead-go/ssh/kex/internal/sntrup761"
	"github.com/fairlead-go/ssh/wire"
)

// The functions below compute by hand what the package computes, from the
// texts of the RFCs, without the package's or wire's encoders.

func handString(s []byte) []byte {
	return append(binary.BigEndian.AppendUint32(nil, uint32(len(s))), s...)
}

func handMpint(secret []byte) []byte {
	n := new(big.Int).SetBytes(secret)
	b := make([]byte, n.BitLen()/8+1)
	if n.Sign() == 0 {
		b = nil
	}
	return handString(n.FillBytes(b))
}

func handHash(t *testing.T, method string, parts ...[]byte) []byte {
	var buffer []byte
	for _, s := range [][]byte{testTranscript.ClientVersion, testTranscript.ServerVersion,
		testTranscript.ClientKexInit, testTranscript.ServerKexInit} {
		buffer = append(buffer, handString(s)...)
	}
	for _, s := range parts {
		buffer = append(buffer, s...)
	}
	h := lookup(method).hash.New()
	h.Write(buffer)
	return h.Sum(nil)
}

func handCurve(method string) ecdh.Curve {
	switch {
	case strings.Contains(method, "nistp256"):
		return ecdh.P256()
	case strings.Contains(method, "nistp384"):
		return ecdh.P384()
	case strings.Contains(method, "nistp521"):
		return ecdh.P521()
	}
	return ecdh.X25519()
}

func handECDH(t *testing.T, key *ecdh.PrivateKey, peer []byte) []byte {
	public, err := key.Curve().NewPublicKey(peer)
	require.NoError(t, err)
	secret, err := key.ECDH(public)
	require.NoError(t, err)
	return secret
}

// handKEM is one of the two sizes of ML-KEM, with the lengths of FIPS 203
// table 3, or sntrup761, with those of RFC 9941 section 3.
type handKEM struct {
	public, ciphertext int
	generate           func() (crypto.Decapsulator, error)
	parse              func([]byte) (crypto.Encapsulator, error)
	hash               func([]byte) []byte
}

func handKEMOf(method string) *handKEM {
	switch {
	case strings.HasPrefix(method, "mlkem768"):
		return &handKEM{1184, 1088,
			func() (crypto.Decapsulator, error) { return mlkem.GenerateKey768() },
			func(b []byte) (crypto.Encapsulator, error) { return mlkem.NewEncapsulationKey768(b) },
			func(b []byte) []byte { h := sha256.Sum256(b); return h[:] }}
	case strings.HasPrefix(method, "sntrup761"):
		return &handKEM{1158, 1039,
			func() (crypto.Decapsulator, error) { return sntrup761.GenerateKey(), nil },
			func(b []byte) (crypto.Encapsulator, error) { return sntrup761.NewEncapsulationKey(b) },
			func(b []byte) []byte { h := sha512.Sum512(b); return h[:] }}
	case strings.HasPrefix(method, "mlkem1024"):
		return &handKEM{1568, 1568,
			func() (crypto.Decapsulator, error) { return mlkem.GenerateKey1024() },
			func(b []byte) (crypto.Encapsulator, error) { return mlkem.NewEncapsulationKey1024(b) },
			func(b []byte) []byte { h := sha512.Sum384(b); return h[:] }}
	}
	return nil
}

// handPrime is the prime of RFC 3526 by its formula there:
// 2^n - 2^(n-64) - 1 + 2^64 * ( [2^(n-130) pi] + k ).
func handPrime(n uint, k int64) *big.Int {
	one := big.NewInt(1)
	shifted := func(by uint) *big.Int { return new(big.Int).Lsh(one, by) }
	// Machin: pi/4 = 4 arctan(1/5) - arctan(1/239), with bits to spare.
	unit := shifted(n - 130 + 64)
	arctan := func(inverse int64) *big.Int {
		term := new(big.Int).Quo(unit, big.NewInt(inverse))
		sum := new(big.Int).Set(term)
		for i := int64(3); term.Sign() != 0; i += 2 {
			term.Quo(term, big.NewInt(-inverse*inverse))
			sum.Add(sum, new(big.Int).Quo(term, big.NewInt(i)))
		}
		return sum
	}
	pi := arctan(5)
	pi.Lsh(pi, 2).Sub(pi, arctan(239)).Lsh(pi, 2).Rsh(pi, 64)
	p := pi.Add(pi, big.NewInt(k))
	p.Lsh(p, 64).Add(p, shifted(n)).Sub(p, shifted(n-64))
	return p.Sub(p, one)
}

func handGroup(method string) *big.Int {
	switch method {
	case "diffie-hellman-group1-sha1":
		return handPrime(1024, 129093)
	case "diffie-hellman-group14-sha256", "diffie-hellman-group14-sha1":
		return handPrime(2048, 124476)
	case "diffie-hellman-group16-sha512":
		return handPrime(4096, 240904)
	case "diffie-hellman-group18-sha512":
		return handPrime(8192, 4743158)
	}
	return nil
}

func TestBuiltinGroups(t *testing.T) {
	ks := map[int]int64{2048: 124476, 3072: 1690314, 4096: 240904, 6144: 929484, 8192: 4743158}
	require.Len(t, builtin, len(ks))
	for _, m := range builtin {
		n := m().p.BitLen()
		require.Zero(t, m().p.Cmp(handPrime(uint(n), ks[n])), n)
		require.Zero(t, m().g.Cmp(big.NewInt(2)), n)
	}
}

// handHalf is one side by hand: what to send, and what K is for what the other
// sends.
func handHalf(t *testing.T, method string) (ours []byte, k func(theirs []byte) []byte) {
	if p := handGroup(method); p != nil {
		x, err := rand.Int(rand.Reader, p)
		require.NoError(t, err)
		ours := handMpint(new(big.Int).Exp(big.NewInt(2), x, p).Bytes())[4:]
		return ours, func(theirs []byte) []byte {
			f := new(big.Int).SetBytes(theirs)
			return handMpint(f.Exp(f, x, p).Bytes())
		}
	}
	key, err := handCurve(method).GenerateKey(nil)
	require.NoError(t, err)
	return key.PublicKey().Bytes(), func(theirs []byte) []byte { return handMpint(handECDH(t, key, theirs)) }
}

// TestClientAgainstHand plays the server by hand.
func TestClientAgainstHand(t *testing.T) {
	forEachMethod(t, func(t *testing.T, method string) {
		client, init := begin(t, method)
		require.Equal(t, handString(init[5:]), init[1:])
		theirs := init[5:]

		var ours, k []byte
		if kem := handKEMOf(method); kem != nil {
			public, err := kem.parse(theirs[:kem.public])
			require.NoError(t, err)
			key, err := handCurve(method).GenerateKey(nil)
			require.NoError(t, err)
			kPQ, ciphertext := public.Encapsulate()
			require.Len(t, ciphertext, kem.ciphertext)
			k = handString(kem.hash(append(kPQ, handECDH(t, key, theirs[kem.public:])...)))
			ours = append(ciphertext, key.PublicKey().Bytes()...)
		} else {
			var agree func([]byte) []byte
			ours, agree = handHalf(t, method)
			k = agree(theirs)
		}

		reply := []byte{31}
		for _, s := range [][]byte{[]byte("host key"), ours, []byte("signature")} {
			reply = append(reply, handString(s)...)
		}
		_, done, err := client.Step(reply)
		require.NoError(t, err)
		require.True(t, done)
		r := client.Result()
		require.Equal(t, k, r.K)
		require.Equal(t, handHash(t, method, handString([]byte("host key")), handString(theirs), handString(ours), k), r.H)
		require.Equal(t, "host key", string(r.HostKey))
		require.Equal(t, "signature", string(r.Signature))
	})
}

// TestServerAgainstHand plays the client by hand.
func TestServerAgainstHand(t *testing.T) {
	forEachMethod(t, func(t *testing.T, method string) {
		var ours []byte
		var agree func([]byte) []byte
		if kem := handKEMOf(method); kem != nil {
			kemKey, err := kem.generate()
			require.NoError(t, err)
			key, err := handCurve(method).GenerateKey(nil)
			require.NoError(t, err)
			ours = append(kemKey.Encapsulator().Bytes(), key.PublicKey().Bytes()...)
			agree = func(theirs []byte) []byte {
				kPQ, err := kemKey.Decapsulate(theirs[:kem.ciphertext])
				require.NoError(t, err)
				return handString(kem.hash(append(kPQ, handECDH(t, key, theirs[kem.ciphertext:])...)))
			}
		} else {
			ours, agree = handHalf(t, method)
		}
		server, reply := answer(t, method, append([]byte{30}, handString(ours)...))

		hostKey := handString(testPublic)
		require.Equal(t, hostKey, reply[1:1+len(hostKey)])
		rest := reply[1+len(hostKey):]
		n := binary.BigEndian.Uint32(rest)
		theirs := rest[4 : 4+n]
		require.Equal(t, handString(server.Result().Signature), rest[4+n:])

		k := agree(theirs)
		require.Equal(t, k, server.Result().K)
		require.Equal(t, handHash(t, method, hostKey, handString(ours), handString(theirs), k), server.Result().H)
	})
}

// TestRecordedTranscripts replays exchanges with other implementations'
// servers, recorded with the client's ephemeral keys. The server's signature
// verifies only over the exchange hash that the server computed.
func TestRecordedTranscripts(t *testing.T) {
	data, err := os.ReadFile("testdata/transcripts.json")
	require.NoError(t, err)
	var recorded []struct {
		Peer, Method, ClientVersion, ServerVersion                    string
		ClientKexInit, ServerKexInit, MLKEMSeed, ECDHKey, Init, Reply string
		SNTRUPKey                                                     string // the private key
	}
	require.NoError(t, json.Unmarshal(data, &recorded))
	seen := map[string]bool{}
	for _, rec := range recorded {
		t.Run(rec.Method, func(t *testing.T) {
			seen[rec.Method] = true
			unhex := func(s string) []byte {
				b, err := hex.DecodeString(s)
				require.NoError(t, err)
				return b
			}
			key, err := handCurve(rec.Method).NewPrivateKey(unhex(rec.ECDHKey))
			require.NoError(t, err)
			c := curve{key.Curve(), len(key.PublicKey().Bytes()), false}
			agreeCurve := func(peer []byte) ([]byte, error) { return c.agree(key, peer) }
			fixed := fixedOffer{value: key.PublicKey().Bytes(), agree: agreeCurve}
			if rec.MLKEMSeed != "" {
				kemKey, err := mlkem.NewDecapsulationKey768(unhex(rec.MLKEMSeed))
				require.NoError(t, err)
				y := hybrid{mlkem768, x25519, lookup(rec.Method).hash}
				fixed.value = append(kemKey.EncapsulationKey().Bytes(), fixed.value...)
				fixed.agree = func(peer []byte) ([]byte, error) { return y.agree(kemKey, agreeCurve, peer) }
			}

			if rec.SNTRUPKey != "" {
				kemKey, err := sntrup761.NewDecapsulationKey(unhex(rec.SNTRUPKey))
				require.NoError(t, err)
				y := hybrid{sntrup, x25519, lookup(rec.Method).hash}
				fixed.value = append(kemKey.EncapsulationKey().Bytes(), fixed.value...)
				fixed.agree = func(peer []byte) ([]byte, error) { return y.agree(kemKey, agreeCurve, peer) }
			}

			x, err := New(rec.Method, Config{Role: Client, Transcript: Transcript{
				ClientVersion: []byte(rec.ClientVersion),
				ServerVersion: []byte(rec.ServerVersion),
				ClientKexInit: unhex(rec.ClientKexInit),
				ServerKexInit: unhex(rec.ServerKexInit),
			}})
			require.NoError(t, err)
			require.NoError(t, ecdhShaped(x.(*machine), fixed, false))
			out, _, err := x.Step(nil)
			require.NoError(t, err)
			require.Equal(t, unhex(rec.Init), out[0])
			_, done, err := x.Step(unhex(rec.Reply))
			require.NoError(t, err)
			require.True(t, done)

			public := wire.NewReader(x.Result().HostKey)
			require.Equal(t, "ssh-ed25519", public.Text())
			signature := wire.NewReader(x.Result().Signature)
			require.Equal(t, "ssh-ed25519", signature.Text())
			require.True(t, ed25519.Verify(public.Bytes(), x.Result().H, signature.Bytes()))
		})
	}
	for _, method := range []string{
		"mlkem768x25519-sha256", "sntrup761x25519-sha512@openssh.com", "curve25519-sha256", "curve25519-sha256@libssh.org",
		"ecdh-sha2-nistp256", "ecdh-sha2-nistp384", "ecdh-sha2-nistp521",
	} {
		require.True(t, seen[method], method)
	}
}
