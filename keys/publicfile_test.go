package keys

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/crypto/cryptobyte"
	"golang.org/x/crypto/cryptobyte/asn1"

	"github.com/fairlead-go/ssh/wire"
)

func TestPublicKeyFileVectors(t *testing.T) {
	var want PublicKey
	formats := map[string]int{}
	for _, v := range readVectors(t, "testdata/public.txt") {
		t.Run(v.command, func(t *testing.T) {
			formats[v.command]++
			key, comment, err := ParsePublicKeyFile(v.file)
			require.NoError(t, err)
			if strings.HasSuffix(v.command, "public-openssh") {
				want = key
			}
			require.True(t, Equal(want, key))
			switch {
			case bytes.HasPrefix(v.file, []byte("-----BEGIN")):
				require.Empty(t, comment)
			case v.command == "ssh-keygen -e":
				require.Contains(t, comment, "converted by user@host from OpenSSH")
			default:
				require.Equal(t, "a comment", comment)
			}
			if strings.HasSuffix(v.command, "public-openssh") || strings.HasSuffix(v.command, "private") {
				return // whose ends may be missing
			}
			text := bytes.TrimSpace(v.file)
			for n := range text {
				require.Error(t, third(ParsePublicKeyFile(text[:n])), "%d bytes", n)
			}
			require.NoError(t, third(ParsePublicKeyFile(text)))
			require.Error(t, third(ParsePublicKeyFile(append(text, "\nx"...))))
		})
	}
	require.Len(t, formats, 7)
}

func third[A, B any](_ A, _ B, err error) error { return err }

func TestPublicKeyFileLines(t *testing.T) {
	k := generated()[KeyEd25519].PublicKey()
	line := string(MarshalAuthorizedKey(k, "a comment"))
	for _, file := range []string{line, strings.TrimSpace(line), "\n# a note\n\n  # another\n" + line + "\n#\n", strings.ReplaceAll("# a note\n"+line, "\n", "\r\n")} {
		key, comment, err := ParsePublicKeyFile([]byte(file))
		require.NoError(t, err, "%q", file)
		require.True(t, Equal(k, key))
		require.Equal(t, "a comment", comment)
	}
	for _, file := range []string{line + line, line + "x"} {
		require.ErrorIs(t, third(ParsePublicKeyFile([]byte(file))), wire.ErrTrailing)
	}
	for _, file := range []string{"", "\n", "#", "# " + line, "garbage", "no-pty", "\x00"} {
		require.ErrorIs(t, third(ParsePublicKeyFile([]byte(file))), ErrUnknownFormat, "%q", file)
	}
	require.ErrorAs(t, third(ParsePublicKeyFile([]byte("no-pty "+line))), new(*UnknownTypeError))
	require.ErrorAs(t, third(ParsePublicKeyFile(make([]byte, maxPrivateFile+1))), new(*LimitError))
}

// Certificates are not taken for keys, but a key in PuTTY's format may have
// one.
func TestPublicKeyFileCertificates(t *testing.T) {
	c := issue(t, userClaims())
	for _, file := range [][]byte{MarshalAuthorizedKey(c, ""), MarshalRFC4716(c, "")} {
		require.ErrorAs(t, third(ParsePublicKeyFile(file)), new(*UnknownTypeError))
	}
	p := puttyParts(t, subject())
	p.typ, p.public = c.Type(), c.Marshal()
	key, _, err := ParsePublicKeyFile(p.file())
	require.NoError(t, err)
	require.True(t, Equal(subject().PublicKey(), key))
}

// The public half can be read where the private one cannot.
func TestPublicKeyFileOfUnsupportedPrivate(t *testing.T) {
	key, _, err := ParsePublicKeyFile(readVectors(t, "testdata/putty-unsupported.txt")[0].file)
	require.NoError(t, err)
	require.Equal(t, KeyEd25519, key.Type())
}

func TestPublicPEMRoundTrip(t *testing.T) {
	forEachType(t, func(t *testing.T, k *PrivateKey) {
		files := [][]byte{}
		file, err := MarshalPKIX(k.PublicKey())
		require.NoError(t, err)
		files = append(files, file)
		file, err = MarshalPKCS1(k.PublicKey())
		if k.PublicKey().Type() == KeyRSA {
			require.NoError(t, err)
			files = append(files, file)
		} else {
			require.ErrorAs(t, err, new(*UnknownTypeError))
		}
		for _, file := range files {
			key, comment, err := ParsePublicKeyFile(file)
			require.NoError(t, err)
			require.True(t, Equal(k.PublicKey(), key))
			require.Empty(t, comment)
			block, _ := pem.Decode(file)
			for n := range block.Bytes {
				require.Error(t, third(ParsePublicKeyFile(encodePEM(block.Type, block.Bytes[:n]))), "%d bytes", n)
			}
			require.ErrorIs(t, third(ParsePublicKeyFile(encodePEM(block.Type, append(bytes.Clone(block.Bytes), 0)))), wire.ErrTrailing)
			block.Headers = map[string]string{"X": "y"}
			require.ErrorIs(t, third(ParsePublicKeyFile(pem.EncodeToMemory(block))), errHeaders)
		}
	})
}

func TestMarshalPublicPEMRefuses(t *testing.T) {
	sk, err := ParsePublicKey(joinStrings([]byte(KeySKEd25519), make([]byte, 32), []byte("ssh:")))
	require.NoError(t, err)
	for _, k := range []PublicKey{nil, sk, issue(t, userClaims())} {
		require.ErrorAs(t, second(MarshalPKIX(k)), new(*UnknownTypeError))
		require.ErrorAs(t, second(MarshalPKCS1(k)), new(*UnknownTypeError))
	}
}

func TestPublicPEMRefused(t *testing.T) {
	p224, err := ecdsa.GenerateKey(elliptic.P224(), rand.Reader)
	require.NoError(t, err)
	der, err := x509.MarshalPKIXPublicKey(p224.Public())
	require.NoError(t, err)
	require.ErrorAs(t, third(ParsePublicKeyFile(encodePEM(pkixPEMType, der))), new(*UnknownTypeError))

	var b cryptobyte.Builder
	b.AddASN1(asn1.SEQUENCE, func(b *cryptobyte.Builder) {
		addAlgorithm(b, []int{1, 3, 101, 113}, func(*cryptobyte.Builder) {}) // Ed448
		b.AddASN1BitString(make([]byte, 57))
	})
	unsupported, ok := errors.AsType[*UnsupportedError](third(ParsePublicKeyFile(encodePEM(pkixPEMType, b.BytesOrPanic()))))
	require.True(t, ok)
	require.Equal(t, "1.3.101.113", unsupported.Name)

	require.ErrorAs(t, third(ParsePublicKeyFile(encodePEM(pkixPEMType, make([]byte, maxDER+1)))), new(*LimitError))
	require.ErrorAs(t, third(ParsePublicKeyFile(encodePEM(pkcs1PEMType, derSequence(t, oddOfBits(MaxRSABits+1), oddOfBits(17))))), new(*LimitError))
	require.ErrorAs(t, third(ParsePublicKeyFile(encodePEM(pkcs1PEMType, derSequence(t, oddOfBits(512), oddOfBits(17))))), new(*LimitError))
	require.ErrorIs(t, third(ParsePublicKeyFile(encodePEM("CERTIFICATE", nil))), ErrUnknownFormat)
	require.ErrorIs(t, third(ParsePublicKeyFile(encodePEM("PRIVATE KEY", nil))), ErrUnknownFormat)
}

// RFC 8410 section 10.1.
func TestPKIXEd25519(t *testing.T) {
	file := []byte("-----BEGIN PUBLIC KEY-----\nMCowBQYDK2VwAyEAGb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE=\n-----END PUBLIC KEY-----\n")
	key, _, err := ParsePublicKeyFile(file)
	require.NoError(t, err)
	require.Equal(t, unhex(t, "19bf44096984cdfe8541bac167dc3b96c85086aa30b6b6cb0c5c38ad703166e1"), fields(t, key.Marshal())[1])
	again, err := MarshalPKIX(key)
	require.NoError(t, err)
	require.Equal(t, file, again)
}

func TestKeygenPublicFormats(t *testing.T) {
	forEachType(t, func(t *testing.T, k *PrivateKey) {
		public := k.PublicKey()
		line := string(MarshalAuthorizedKey(public, ""))
		path := writeFile(t, "key.pub", MarshalAuthorizedKey(public, k.Comment))
		for _, comment := range []string{"", "a comment", strings.Repeat("long ", 200), `"q" \`, strings.Repeat(`\`, 200)} {
			ours := writeFile(t, "key.pub", MarshalRFC4716(public, comment))
			require.Equal(t, line, sshKeygen(t, nil, "-i", "-f", ours))
		}
		key, comment, err := ParsePublicKeyFile([]byte(sshKeygen(t, nil, "-e", "-f", path)))
		require.NoError(t, err)
		require.True(t, Equal(public, key))
		require.Contains(t, comment, ShortName(public))

		if public.Type() == KeyEd25519 {
			return // for which ssh-keygen has no other form
		}
		pkix, err := MarshalPKIX(public)
		require.NoError(t, err)
		require.Equal(t, string(pkix), sshKeygen(t, nil, "-e", "-m", "PKCS8", "-f", path))
		require.Equal(t, line, sshKeygen(t, nil, "-i", "-m", "PKCS8", "-f", writeFile(t, "key.pub", pkix)))
		if public.Type() != KeyRSA {
			return
		}
		pkcs1, err := MarshalPKCS1(public)
		require.NoError(t, err)
		require.Equal(t, string(pkcs1), sshKeygen(t, nil, "-e", "-m", "PEM", "-f", path))
		require.Equal(t, line, sshKeygen(t, nil, "-i", "-m", "PEM", "-f", writeFile(t, "key.pub", pkcs1)))
	})
}

func FuzzParsePublicKeyFile(f *testing.F) {
	for _, v := range readVectors(f, "testdata/public.txt") {
		f.Add(v.file)
	}
	f.Add(rfc4716Example)
	f.Fuzz(func(t *testing.T, data []byte) {
		defer watch(t)()
		k, comment, err := ParsePublicKeyFile(data)
		if err != nil {
			if k != nil {
				t.Fatal("both a key and an error")
			}
			_ = err.Error()
			return
		}
		exercise(t, k)
		file := MarshalRFC4716(k, comment)
		again, _, err := ParsePublicKeyFile(file)
		if err != nil || !Equal(k, again) {
			t.Fatalf("%q does not survive a round trip: %v", file, err)
		}
		if bytes.ContainsFunc(file, func(r rune) bool { return r < ' ' && r != '\n' }) {
			t.Fatalf("%q has control characters", file)
		}
		for line := range bytes.Lines(file) {
			if len(bytes.TrimSuffix(line, []byte("\n"))) > rfc4716Line {
				t.Fatalf("line of %d bytes", len(line))
			}
		}
		if file, err := MarshalPKIX(k); err == nil {
			if again, _, err := ParsePublicKeyFile(file); err != nil || !Equal(k, again) {
				t.Fatalf("%q does not survive a round trip: %v", file, err)
			}
		}
	})
}
