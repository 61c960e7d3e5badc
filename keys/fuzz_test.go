package keys

import (
	"bytes"
	"crypto/x509"
	"encoding/pem"
	"math/big"
	"testing"
	"time"
)

// budget is far over what any input should take, and far under what one would
// that asks for unbounded work.
const budget = 10 * time.Second

func watch(t *testing.T) func() {
	start := time.Now()
	return func() {
		if d := time.Since(start); d > budget {
			t.Errorf("took %v", d)
		}
	}
}

// exercise does with a key from a peer all that is done with one.
func exercise(t *testing.T, k PublicKey) {
	again, err := ParsePublicKey(k.Marshal())
	if err != nil || !Equal(k, again) {
		t.Fatalf("%x does not survive a round trip: %v", k.Marshal(), err)
	}
	FingerprintSHA256(k)
	FingerprintMD5(k)
	for _, algorithm := range k.Algorithms() {
		for _, blob := range [][]byte{nil, make([]byte, 64), bytes.Repeat([]byte{0x5a}, 128), {0, 0, 0, 1, 1, 0, 0, 0, 1, 1}} {
			sig := &Signature{Format: algorithm, Blob: blob}
			// An ed25519 key of small order verifies the zero signature of
			// some messages; the point here is that it returns.
			_ = Verify(k, algorithm, []byte("data"), sig.Marshal())
		}
	}
}

func FuzzParsePublicKey(f *testing.F) {
	for _, typ := range allTypes {
		f.Add(generated()[typ].PublicKey().Marshal())
	}
	for _, typ := range skTypes {
		f.Add(newDevice(f, typ, 0).private.PublicKey().Marshal())
	}
	f.Add(newComposite(f).PublicKey().Marshal())
	f.Add(rsaBlob(big.NewInt(1<<31-1), oddOfBits(MaxRSABits)))
	f.Add(rsaBlob(big.NewInt(4), oddOfBits(MaxRSABits+1)))
	f.Fuzz(func(t *testing.T, blob []byte) {
		defer watch(t)()
		k, err := ParsePublicKey(blob)
		if err != nil {
			if k != nil {
				t.Fatal("both a key and an error")
			}
			_ = err.Error()
			return
		}
		if !bytes.Equal(k.Marshal(), blob) {
			t.Fatalf("%x marshals to %x", blob, k.Marshal())
		}
		exercise(t, k)
	})
}

func FuzzParseSignature(f *testing.F) {
	for _, typ := range allTypes {
		sig, err := generated()[typ].Sign(f.Context(), generated()[typ].Algorithms()[0], []byte("data"))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(sig.Marshal())
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		defer watch(t)()
		sig, err := ParseSignature(b)
		if err != nil {
			_ = err.Error()
			return
		}
		if !bytes.Equal(sig.Marshal(), b) {
			t.Fatalf("%x marshals to %x", b, sig.Marshal())
		}
		for _, typ := range allTypes {
			k := generated()[typ].PublicKey()
			if err := Verify(k, sig.Format, []byte("other data"), b); err == nil {
				t.Fatalf("forged signature %x", b)
			}
		}
	})
}

func FuzzParsePrivateKey(f *testing.F) {
	for _, typ := range allTypes {
		k := generated()[typ]
		for _, o := range []MarshalOptions{{}, {Passphrase: []byte("p"), Rounds: 1}} {
			file, err := k.MarshalOpenSSH(o)
			if err != nil {
				f.Fatal(err)
			}
			block, _ := pem.Decode(file)
			f.Add(block.Type, block.Bytes)
		}
		der, err := x509.MarshalPKCS8PrivateKey(k.Crypto())
		if err != nil {
			f.Fatal(err)
		}
		f.Add("PRIVATE KEY", der)
		f.Add("EC PRIVATE KEY", der)
		f.Add("RSA PRIVATE KEY", der)
	}
	for _, k := range []*PrivateKey{newComposite(f), newDevice(f, KeySKEd25519, 1).private, newDevice(f, KeySKECDSA256, 1).private} {
		file, err := k.MarshalOpenSSH(MarshalOptions{})
		if err != nil {
			f.Fatal(err)
		}
		block, _ := pem.Decode(file)
		f.Add(block.Type, block.Bytes)
	}
	f.Fuzz(func(t *testing.T, pemType string, b []byte) {
		defer watch(t)()
		file := pem.EncodeToMemory(&pem.Block{Type: pemType, Bytes: b})
		if file == nil {
			file = b
		}
		// What does not fit in PEM is tried as a file in itself.
		k, err := ParsePrivateKey(file, nil)
		if f, e := parseOpenSSHFile(b); e == nil && f.rounds > 0 && f.rounds <= 2 {
			k, err = ParsePrivateKey(file, []byte("p"))
		}
		if err != nil {
			if k != nil {
				t.Fatal("both a key and an error")
			}
			_ = err.Error()
			return
		}
		exercise(t, k.PublicKey())
		for _, algorithm := range k.Algorithms() { // none if it is a security key's
			sig, err := k.Sign(t.Context(), algorithm, []byte("data"))
			if err == nil && k.PublicKey().Verify([]byte("data"), sig) != nil {
				t.Fatal("key signs what it does not verify")
			}
		}
		again, err := k.MarshalOpenSSH(MarshalOptions{})
		if err != nil {
			t.Fatal(err)
		}
		got, err := ParsePrivateKey(again, nil)
		if err != nil || !Equal(k.PublicKey(), got.PublicKey()) || got.Comment != k.Comment {
			t.Fatalf("does not survive a round trip: %v", err)
		}
	})
}

func FuzzParsePublicKeyLine(f *testing.F) {
	for _, typ := range allTypes {
		f.Add(MarshalAuthorizedKey(generated()[typ].PublicKey(), "a comment"))
	}
	f.Add([]byte("ssh-ed25519 AAAA"))
	f.Add([]byte("# comment"))
	f.Fuzz(func(t *testing.T, line []byte) {
		defer watch(t)()
		k, comment, err := ParsePublicKeyLine(line)
		if err != nil {
			if k != nil {
				t.Fatal("both a key and an error")
			}
			_ = err.Error()
			return
		}
		again, _, err := ParsePublicKeyLine(MarshalAuthorizedKey(k, comment))
		if err != nil || !Equal(k, again) {
			t.Fatalf("%q does not survive a round trip: %v", line, err)
		}
	})
}

// Keys one byte away from good ones are refused, or are other keys that can be
// worked with.
func TestDefect_MalformedPublicKeys(t *testing.T) {
	forEachType(t, func(t *testing.T, k *PrivateKey) {
		sig, err := k.Sign(t.Context(), k.Algorithms()[0], []byte("data"))
		if err != nil {
			t.Fatal(err)
		}
		for i := range k.PublicKey().Marshal() {
			for _, flip := range []byte{0x01, 0x80, 0xff} {
				blob := bytes.Clone(k.PublicKey().Marshal())
				blob[i] ^= flip
				done := watch(t) // each key has the budget to itself
				other, err := ParsePublicKey(blob)
				if err != nil {
					done()
					continue
				}
				if !bytes.Equal(other.Marshal(), blob) {
					t.Fatalf("%x marshals to %x", blob, other.Marshal())
				}
				if other.Verify([]byte("data"), sig) == nil {
					t.Fatalf("%x verifies a signature of another key", blob)
				}
				exercise(t, other)
				done()
			}
		}
	})
}
