package keys

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"math/big"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/crypto/cryptobyte"
	"golang.org/x/crypto/cryptobyte/asn1"

	"github.com/fairlead-go/ssh/wire"
)

func marshalPrivate(t *testing.T, k *PrivateKey, o MarshalOptions) []byte {
	t.Helper()
	b, err := k.MarshalOpenSSH(o)
	require.NoError(t, err)
	return b
}

func requireSamePrivate(t *testing.T, want, got *PrivateKey) {
	t.Helper()
	require.True(t, Equal(want.PublicKey(), got.PublicKey()))
	require.True(t, want.Crypto().(interface{ Equal(crypto.PrivateKey) bool }).Equal(got.Crypto()))
	require.Equal(t, want.Comment, got.Comment)
	signAndVerify(t, got, want.PublicKey())
}

func TestPrivateKeyRoundTrip(t *testing.T) {
	forEachType(t, func(t *testing.T, k *PrivateKey) {
		plain := marshalPrivate(t, k, MarshalOptions{})
		got, err := ParsePrivateKey(plain, nil)
		require.NoError(t, err)
		requireSamePrivate(t, k, got)
		got, err = ParsePrivateKey(plain, []byte("not needed"))
		require.NoError(t, err)
		requireSamePrivate(t, k, got)

		secret := marshalPrivate(t, k, MarshalOptions{Passphrase: []byte("open\x00sesame"), Rounds: 1})
		got, err = ParsePrivateKey(secret, []byte("open\x00sesame"))
		require.NoError(t, err)
		requireSamePrivate(t, k, got)

		for _, none := range [][]byte{nil, {}} {
			_, err = ParsePrivateKey(secret, none)
			var needed *PassphraseNeededError
			require.ErrorAs(t, err, &needed)
			require.True(t, Equal(k.PublicKey(), needed.PublicKey))
			require.Contains(t, err.Error(), FingerprintSHA256(k.PublicKey()))
		}
		wrong := []string{"open", "open\x00sesam", "open\x00sesame\x00", "open\x00sesame\n"}
		if k.PublicKey().Type() != KeyEd25519 {
			wrong = wrong[:1] // each takes a while
		}
		for _, passphrase := range wrong {
			_, err = ParsePrivateKey(secret, []byte(passphrase))
			require.ErrorIs(t, err, ErrWrongPassphrase)
		}
		require.NotEqual(t, secret, marshalPrivate(t, k, MarshalOptions{Passphrase: []byte("open\x00sesame"), Rounds: 1}))
	})
}

func TestPrivateKeyComments(t *testing.T) {
	// Every length of padding, and comments that are odd but legal.
	comments := []string{"", "a\nb", "\x00\xff", strings.Repeat("c", 5000)}
	for n := range 17 {
		comments = append(comments, strings.Repeat("x", n))
	}
	for _, comment := range comments {
		k := &PrivateKey{Comment: comment, signer: generated()[KeyEd25519].signer}
		got, err := ParsePrivateKey(marshalPrivate(t, k, MarshalOptions{}), nil)
		require.NoError(t, err)
		require.Equal(t, comment, got.Comment)
		// The longer padding of a cipher, without the time that encryption takes.
		section, err := k.appendSection(nil, defaultCipher.block)
		require.NoError(t, err)
		require.Zero(t, len(section)%16)
		f := opensshFile{cipher: defaultCipher}
		got, err = f.parseSection(section, k.PublicKey())
		require.NoError(t, err)
		require.Equal(t, comment, got.Comment)
	}
}

// Until its last line is whole, no part of a file is a key, whether it is cut
// in its text or in the bytes that the text encodes.
func TestPrivateKeyTruncated(t *testing.T) {
	forEachType(t, func(t *testing.T, k *PrivateKey) {
		file := marshalPrivate(t, k, MarshalOptions{})
		for n := range len(bytes.TrimSpace(file)) {
			_, err := ParsePrivateKey(file[:n], nil)
			require.Error(t, err, "%d bytes of text", n)
		}
		_, err := ParsePrivateKey(bytes.TrimSpace(file), nil)
		require.NoError(t, err)

		block, _ := pem.Decode(file)
		for n := range block.Bytes {
			_, err := parseOpenSSH(block.Bytes[:n], nil)
			require.Error(t, err, "%d bytes", n)
		}
		encrypted, _ := pem.Decode(marshalPrivate(t, k, MarshalOptions{Passphrase: []byte("p"), Rounds: 1}))
		for n := range encrypted.Bytes {
			_, err := parseOpenSSH(encrypted.Bytes[:n], nil)
			var needed *PassphraseNeededError
			require.False(t, err == nil || errors.As(err, &needed), "%d bytes", n)
		}
	})
}

func TestPrivateKeyTrailingGarbage(t *testing.T) {
	forEachType(t, func(t *testing.T, k *PrivateKey) {
		file := marshalPrivate(t, k, MarshalOptions{})
		for _, tail := range []string{"x", "\n\n#", "\x00", string(file)} {
			_, err := ParsePrivateKey(append(bytes.Clone(file), tail...), nil)
			require.ErrorIs(t, err, wire.ErrTrailing, "%q", tail)
		}
		for _, space := range []string{"\n", "\r\n", " \t\n\n"} {
			_, err := ParsePrivateKey(append(bytes.Clone(file), space...), nil)
			require.NoError(t, err, "%q", space)
		}
		_, err := ParsePrivateKey(bytes.ReplaceAll(file, []byte("\n"), []byte("\r\n")), nil)
		require.NoError(t, err)
		_, err = ParsePrivateKey(append([]byte("A note.\n"), file...), nil)
		require.NoError(t, err)

		block, _ := pem.Decode(file)
		_, err = parseOpenSSH(append(block.Bytes, 0), nil)
		require.ErrorIs(t, err, wire.ErrTrailing)
	})
}

// openSSHParts are the fields of an openssh-key-v1 file, to be changed by a
// test.
type openSSHParts struct {
	magic, cipher, kdf string
	options            []byte
	count              uint32
	public, section    []byte
}

func (p openSSHParts) file() []byte {
	b := []byte(p.magic)
	b = wire.AppendString(b, p.cipher)
	b = wire.AppendString(b, p.kdf)
	b = wire.AppendString(b, p.options)
	b = wire.AppendUint32(b, p.count)
	b = wire.AppendString(b, p.public)
	b = wire.AppendString(b, p.section)
	return pem.EncodeToMemory(&pem.Block{Type: opensshPEMType, Bytes: b})
}

func partsOf(t *testing.T, k *PrivateKey) openSSHParts {
	t.Helper()
	section, err := k.appendSection(nil, plainCipher.block)
	require.NoError(t, err)
	return openSSHParts{opensshMagic, "none", "none", nil, 1, k.PublicKey().Marshal(), section}
}

func TestPrivateKeyMalformed(t *testing.T) {
	key := generated()[KeyEd25519]
	other, err := otherKey(KeyEd25519)
	require.NoError(t, err)
	// The section ends in padding; without a comment it is 8 + 15 + 36 + 68 + 4
	// = 131 bytes, then 1 2 3 4 5.
	bare := &PrivateKey{signer: key.signer}
	for name, c := range map[string]struct {
		change func(p *openSSHParts)
		is     error
	}{
		"intact":              {func(p *openSSHParts) {}, nil},
		"more padding":        {func(p *openSSHParts) { p.section = append(p.section, 6, 7, 8, 9, 10, 11, 12, 13) }, nil},
		"magic":               {func(p *openSSHParts) { p.magic = "openssh-key-v2\x00" }, errMagic},
		"no keys":             {func(p *openSSHParts) { p.count = 0 }, errOneKey},
		"two keys":            {func(p *openSSHParts) { p.count = 2 }, errOneKey},
		"kdf options":         {func(p *openSSHParts) { p.options = []byte{0} }, wire.ErrTrailing},
		"kdf without cipher":  {func(p *openSSHParts) { p.kdf = "bcrypt"; p.options = kdfOptions(16, 1) }, errKDF},
		"cipher without kdf":  {func(p *openSSHParts) { p.cipher = "aes256-ctr" }, errKDF},
		"section length":      {func(p *openSSHParts) { p.section = append(p.section, 6) }, errBlockSize},
		"section empty":       {func(p *openSSHParts) { p.section = nil }, errBlockSize},
		"check numbers":       {func(p *openSSHParts) { p.section[0] ^= 1 }, errCheck},
		"padding":             {func(p *openSSHParts) { p.section[len(p.section)-1] ^= 1 }, errPadding},
		"padding starts":      {func(p *openSSHParts) { p.section[131] = 0 }, errPadding},
		"endless padding":     {func(p *openSSHParts) { p.section = endlessPadding(p.section) }, errPadding},
		"public half":         {func(p *openSSHParts) { p.public = other.PublicKey().Marshal() }, ErrKeyMismatch},
		"public type":         {func(p *openSSHParts) { p.public = generated()[KeyECDSA256].PublicKey().Marshal() }, ErrKeyMismatch},
		"inner public":        {func(p *openSSHParts) { p.section[8+15+4] ^= 1 }, ErrKeyMismatch},
		"inner seed":          {func(p *openSSHParts) { p.section[8+15+36+4] ^= 1 }, ErrKeyMismatch},
		"inner seed's public": {func(p *openSSHParts) { p.section[8+15+36+4+32] ^= 1 }, ErrKeyMismatch},
	} {
		t.Run(name, func(t *testing.T) {
			p := partsOf(t, bare)
			require.Len(t, p.section, 136)
			c.change(&p)
			k, err := ParsePrivateKey(p.file(), []byte("p"))
			if c.is == nil {
				require.NoError(t, err)
				return
			}
			require.Nil(t, k)
			require.ErrorIs(t, err, c.is)
			var malformed *MalformedError
			require.ErrorAs(t, err, &malformed)
		})
	}
}

func endlessPadding(section []byte) []byte {
	for i := 6; len(section) < 512; i++ {
		section = append(section, byte(i))
	}
	return section
}

func kdfOptions(salt int, rounds uint32) []byte {
	return wire.AppendUint32(wire.AppendString(nil, make([]byte, salt)), rounds)
}

// Each byte of the private section that is changed makes the file unreadable,
// or changes the comment and nothing else.
func TestPrivateKeyEveryByteChanged(t *testing.T) {
	forEachType(t, func(t *testing.T, k *PrivateKey) {
		section := partsOf(t, k).section
		comment := bytes.Index(section, []byte(k.Comment))
		for i := range section {
			p := partsOf(t, k)
			p.section[i] ^= 0x10
			got, err := ParsePrivateKey(p.file(), nil)
			if i >= comment && i < comment+len(k.Comment) {
				require.NoError(t, err)
				require.NotEqual(t, k.Comment, got.Comment)
				continue
			}
			require.Error(t, err, "byte %d of %d", i, len(section))
		}
	})
}

func TestPrivateKeyUnsupported(t *testing.T) {
	var unsupported *UnsupportedError
	p := partsOf(t, generated()[KeyEd25519])
	p.cipher, p.kdf, p.options = "rot13\x1b", "bcrypt", kdfOptions(16, 1)
	_, err := ParsePrivateKey(p.file(), []byte("p"))
	require.ErrorAs(t, err, &unsupported)
	require.Equal(t, `keys: unsupported cipher of a private key: "rot13\x1b"`, err.Error())

	p.cipher, p.kdf = "aes256-ctr", "scrypt"
	_, err = ParsePrivateKey(p.file(), []byte("p"))
	require.ErrorAs(t, err, &unsupported)
	require.Equal(t, "scrypt", unsupported.Name)

	p = partsOf(t, generated()[KeyEd25519])
	p.public = joinStrings([]byte("ssh-dss"))
	_, err = ParsePrivateKey(p.file(), nil)
	var unknown *UnknownTypeError
	require.ErrorAs(t, err, &unknown)
}

// A file may ask for no more work than a person waits for.
func TestDefect_CostlyPrivateKeys(t *testing.T) {
	start := time.Now()
	p := partsOf(t, generated()[KeyEd25519])
	p.cipher, p.kdf = "aes256-ctr", "bcrypt"
	p.section = make([]byte, 160)
	var limit *LimitError
	for _, rounds := range []uint32{0, MaxRounds + 1, 1 << 31, 1<<32 - 1} {
		p.options = kdfOptions(16, rounds)
		for _, passphrase := range []string{"", "p"} {
			_, err := ParsePrivateKey(p.file(), []byte(passphrase))
			require.ErrorAs(t, err, &limit)
			require.Equal(t, uint64(rounds), limit.Value)
		}
	}
	p.options = kdfOptions(1<<16, 1)
	_, err := ParsePrivateKey(p.file(), []byte("p"))
	require.ErrorAs(t, err, &limit)
	p.options = kdfOptions(0, 1)
	_, err = ParsePrivateKey(p.file(), []byte("p"))
	require.ErrorIs(t, err, errKDF)
	p.options = nil
	_, err = ParsePrivateKey(p.file(), []byte("p"))
	require.ErrorIs(t, err, wire.ErrTruncated)

	_, err = ParsePrivateKey(make([]byte, 1<<20+1), nil)
	require.ErrorAs(t, err, &limit)

	// RSA numbers out of bounds, in the public half and in the private one.
	f4 := big.NewInt(65537)
	section := wire.AppendString(make([]byte, 8), KeyRSA)
	for _, v := range []*big.Int{oddOfBits(1 << 20), f4, f4, f4, f4, f4} {
		section = wire.AppendBigInt(section, v)
	}
	section = wire.AppendString(section, "")
	for i := byte(1); len(section)%8 != 0; i++ {
		section = append(section, i)
	}
	p = openSSHParts{opensshMagic, "none", "none", nil, 1, rsaBlob(f4, oddOfBits(MaxRSABits+1)), section}
	_, err = ParsePrivateKey(p.file(), nil)
	require.ErrorAs(t, err, &limit)
	p.public = rsaBlob(f4, oddOfBits(2048))
	_, err = ParsePrivateKey(p.file(), nil)
	require.ErrorAs(t, err, &limit)

	// DER of any size, with a modulus or a prime as large as fits.
	three := big.NewInt(3)
	for _, numbers := range [][2]*big.Int{
		{oddOfBits(MaxRSABits + 8), three},
		{oddOfBits(60000), three},
		{oddOfBits(1 << 20), three},
		{oddOfBits(2048), oddOfBits(60000)},
	} {
		n, p := numbers[0], numbers[1]
		pkcs1 := derSequence(t, big.NewInt(0), n, f4, three, p, three, three, three, three)
		_, err = ParsePrivateKey(encodePEM("RSA PRIVATE KEY", pkcs1), nil)
		require.ErrorAs(t, err, &limit)
		var b cryptobyte.Builder
		b.AddASN1(asn1.SEQUENCE, func(b *cryptobyte.Builder) {
			b.AddASN1Int64(0)
			b.AddASN1(asn1.SEQUENCE, func(b *cryptobyte.Builder) {
				b.AddASN1ObjectIdentifier([]int{1, 2, 840, 113549, 1, 1, 1})
				b.AddASN1NULL()
			})
			b.AddASN1OctetString(pkcs1)
		})
		_, err = ParsePrivateKey(encodePEM("PRIVATE KEY", b.BytesOrPanic()), nil)
		require.ErrorAs(t, err, &limit)
	}
	require.Less(t, time.Since(start), 20*time.Second)
}

func derSequence(t *testing.T, numbers ...*big.Int) []byte {
	t.Helper()
	var b cryptobyte.Builder
	b.AddASN1(asn1.SEQUENCE, func(b *cryptobyte.Builder) {
		for _, n := range numbers {
			b.AddASN1BigInt(n)
		}
	})
	der, err := b.Bytes()
	require.NoError(t, err)
	return der
}

// The dearest key that is taken still verifies soon.
func TestDefect_CostlyPublicKeys(t *testing.T) {
	k, err := ParsePublicKey(rsaBlob(big.NewInt(1<<31-1), new(big.Int).Sub(new(big.Int).Lsh(big.NewInt(1), MaxRSABits), big.NewInt(1))))
	require.NoError(t, err)
	start := time.Now()
	require.ErrorIs(t, k.Verify([]byte("data"), &Signature{Format: RSASHA512, Blob: bytes.Repeat([]byte{0x7f}, MaxRSABits/8)}), ErrBadSignature)
	require.Less(t, time.Since(start), 10*time.Second)
}

func TestParsePrivateKeyUnknownFormat(t *testing.T) {
	for _, data := range []string{
		"",
		"garbage",
		string(MarshalAuthorizedKey(generated()[KeyEd25519].PublicKey(), "a .pub file")),
		"SSH PRIVATE KEY FILE FORMAT 1.1\n",
		"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
		"-----BEGIN EC PARAMETERS-----\nAAAA\n-----END EC PARAMETERS-----\n",
	} {
		_, err := ParsePrivateKey([]byte(data), nil)
		require.ErrorIs(t, err, ErrUnknownFormat, "%q", data)
	}
}

func encodePEM(typ string, der []byte) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: typ, Bytes: der})
}

func TestParsePEM(t *testing.T) {
	files := map[string][]byte{}
	for _, typ := range allTypes {
		der, err := x509.MarshalPKCS8PrivateKey(generated()[typ].Crypto())
		require.NoError(t, err)
		files["PKCS #8 "+typ] = encodePEM("PRIVATE KEY", der)
		switch k := generated()[typ].Crypto().(type) {
		case *rsa.PrivateKey:
			files["PKCS #1 "+typ] = encodePEM("RSA PRIVATE KEY", x509.MarshalPKCS1PrivateKey(k))
		case *ecdsa.PrivateKey:
			der, err := x509.MarshalECPrivateKey(k)
			require.NoError(t, err)
			files["SEC 1 "+typ] = encodePEM("EC PRIVATE KEY", der)
			files["parameters, SEC 1 "+typ] = append(encodePEM("EC PARAMETERS", []byte{6, 1, 1}), files["SEC 1 "+typ]...)
		}
	}
	require.Len(t, files, 5+1+3+3)
	for name, file := range files {
		t.Run(name, func(t *testing.T) {
			typ := name[strings.LastIndex(name, " ")+1:]
			got, err := ParsePrivateKey(file, []byte("not needed"))
			require.NoError(t, err)
			require.Empty(t, got.Comment)
			require.True(t, Equal(generated()[typ].PublicKey(), got.PublicKey()))
			signAndVerify(t, got, generated()[typ].PublicKey())
			for n := range len(bytes.TrimSpace(file)) {
				_, err := ParsePrivateKey(file[:n], nil)
				require.Error(t, err)
			}
			last := file
			if i := bytes.LastIndex(file, []byte("-----BEGIN")); i > 0 {
				last = file[i:]
			}
			block, _ := pem.Decode(last)
			for n := range block.Bytes {
				_, err := ParsePrivateKey(encodePEM(block.Type, block.Bytes[:n]), nil)
				require.Error(t, err)
			}
			_, err = ParsePrivateKey(encodePEM(block.Type, append(block.Bytes, 0)), nil)
			require.ErrorIs(t, err, wire.ErrTrailing)
		})
	}
}

func TestParsePEMRefused(t *testing.T) {
	// The public half of one key with the private half of another.
	a, b := generated()[KeyECDSA256].Crypto().(*ecdsa.PrivateKey), &ecdsa.PrivateKey{}
	stranger, err := otherKey(KeyECDSA256)
	require.NoError(t, err)
	*b = *stranger.Crypto().(*ecdsa.PrivateKey)
	der, err := x509.MarshalECPrivateKey(b)
	require.NoError(t, err)
	point, err := b.PublicKey.Bytes()
	require.NoError(t, err)
	foreign, err := a.PublicKey.Bytes()
	require.NoError(t, err)
	require.Equal(t, 1, bytes.Count(der, point))
	_, err = ParsePrivateKey(encodePEM("EC PRIVATE KEY", bytes.Replace(der, point, foreign, 1)), nil)
	require.ErrorIs(t, err, ErrKeyMismatch)
	der, err = x509.MarshalPKCS8PrivateKey(b)
	require.NoError(t, err)
	_, err = ParsePrivateKey(encodePEM("PRIVATE KEY", bytes.Replace(der, point, foreign, 1)), nil)
	require.ErrorIs(t, err, ErrKeyMismatch)

	p224, err := ecdsa.GenerateKey(elliptic.P224(), rand.Reader)
	require.NoError(t, err)
	der, err = x509.MarshalECPrivateKey(p224)
	require.NoError(t, err)
	var unknown *UnknownTypeError
	_, err = ParsePrivateKey(encodePEM("EC PRIVATE KEY", der), nil)
	require.ErrorAs(t, err, &unknown)
}

func TestMarshalOpenSSHRefuses(t *testing.T) {
	var limit *LimitError
	for _, rounds := range []int{-1, MaxRounds + 1} {
		_, err := generated()[KeyEd25519].MarshalOpenSSH(MarshalOptions{Passphrase: []byte("p"), Rounds: rounds})
		require.ErrorAs(t, err, &limit)
	}
}

func TestZeroPrivateKey(t *testing.T) {
	var k PrivateKey
	require.Nil(t, k.PublicKey())
	require.Nil(t, k.Algorithms())
	require.Nil(t, k.Crypto())
	_, err := k.Sign(t.Context(), KeyEd25519, nil)
	require.Error(t, err)
	_, err = k.MarshalOpenSSH(MarshalOptions{})
	require.Error(t, err)
}

func TestGenerateKey(t *testing.T) {
	for _, typ := range allTypes[:4] {
		_, err := GenerateKey(typ, 256)
		require.ErrorIs(t, err, errFixedSize)
	}
	var limit *LimitError
	for _, bits := range []int{-1, 1, 1024, 2047, MaxRSABits + 1} {
		_, err := GenerateKey(KeyRSA, bits)
		require.ErrorAs(t, err, &limit, bits)
	}
	k, err := GenerateKey(KeyRSA, 0)
	require.NoError(t, err)
	require.Equal(t, 3072, k.Crypto().(*rsa.PrivateKey).N.BitLen())
	var unknown *UnknownTypeError
	_, err = GenerateKey(RSASHA512, 0)
	require.ErrorAs(t, err, &unknown)
	a, err := GenerateKey(KeyEd25519, 0)
	require.NoError(t, err)
	require.False(t, Equal(a.PublicKey(), generated()[KeyEd25519].PublicKey()))
	require.IsType(t, ed25519.PrivateKey{}, a.Crypto())
}
