package kex

import (
	"crypto/ecdh"
	"crypto/ed25519"
	"crypto/mlkem"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"math/big"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

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
	case strings.HasSuffix(method, "nistp256"):
		return ecdh.P256()
	case strings.HasSuffix(method, "nistp384"):
		return ecdh.P384()
	case strings.HasSuffix(method, "nistp521"):
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

// TestClientAgainstHand plays the server by hand.
func TestClientAgainstHand(t *testing.T) {
	forEachMethod(t, func(t *testing.T, method string) {
		client, init := begin(t, method)
		require.Equal(t, handString(init[5:]), init[1:])
		theirs := init[5:]

		key, err := handCurve(method).GenerateKey(nil)
		require.NoError(t, err)
		ours := key.PublicKey().Bytes()
		var k []byte
		if PostQuantum(method) {
			require.Len(t, theirs, 1184+32)
			public, err := mlkem.NewEncapsulationKey768(theirs[:1184])
			require.NoError(t, err)
			kPQ, ciphertext := public.Encapsulate()
			sum := sha256.Sum256(append(kPQ, handECDH(t, key, theirs[1184:])...))
			k, ours = handString(sum[:]), append(ciphertext, ours...)
			require.Len(t, ours, 1088+32)
		} else {
			k = handMpint(handECDH(t, key, theirs))
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
		key, err := handCurve(method).GenerateKey(nil)
		require.NoError(t, err)
		ours := key.PublicKey().Bytes()
		kemKey, err := mlkem.GenerateKey768()
		require.NoError(t, err)
		if PostQuantum(method) {
			ours = append(kemKey.EncapsulationKey().Bytes(), ours...)
		}
		server, reply := answer(t, method, append([]byte{30}, handString(ours)...))

		hostKey := handString(testPublic)
		require.Equal(t, hostKey, reply[1:1+len(hostKey)])
		rest := reply[1+len(hostKey):]
		n := binary.BigEndian.Uint32(rest)
		theirs := rest[4 : 4+n]
		require.Equal(t, handString(server.Result().Signature), rest[4+n:])

		var k []byte
		if PostQuantum(method) {
			kPQ, err := kemKey.Decapsulate(theirs[:1088])
			require.NoError(t, err)
			sum := sha256.Sum256(append(kPQ, handECDH(t, key, theirs[1088:])...))
			k = handString(sum[:])
		} else {
			k = handMpint(handECDH(t, key, theirs))
		}
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
			c := curve{key.Curve(), len(key.PublicKey().Bytes())}
			agreeCurve := func(peer []byte) ([]byte, error) { return c.agree(key, peer) }
			fixed := fixedOffer{value: key.PublicKey().Bytes(), agree: agreeCurve}
			if rec.MLKEMSeed != "" {
				kemKey, err := mlkem.NewDecapsulationKey768(unhex(rec.MLKEMSeed))
				require.NoError(t, err)
				y := hybrid{mlkem768, x25519, lookup(rec.Method).hash}
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
			ecdhShaped(fixed)(x.(*machine))
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
	for _, method := range Methods() {
		require.True(t, seen[method], method)
	}
}
