package keys

import (
	"bytes"
	"crypto/sha256"
	"encoding/pem"
	"errors"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/crypto/cryptobyte"
	"golang.org/x/crypto/cryptobyte/asn1"

	"github.com/fairlead-go/ssh/wire"
)

// A vector is a key file and the command that made it.
type vector struct {
	command string
	file    []byte
}

// readVectors reads a file of them: each begins with a line of "# " and the
// command.
func readVectors(t testing.TB, path string) []vector {
	t.Helper()
	text, err := os.ReadFile(path)
	require.NoError(t, err)
	var out []vector
	for _, part := range strings.Split(string(text), "\n# ")[1:] {
		command, file, ok := strings.Cut(part, "\n")
		require.True(t, ok)
		out = append(out, vector{command, []byte(file)})
	}
	require.NotEmpty(t, out)
	return out
}

var correctHorse = []byte("correct horse")

// requireWrongPassphrase tries passphrases that do not open a file.
func requireWrongPassphrase(t *testing.T, file []byte) {
	t.Helper()
	for _, wrong := range []string{"correct", "correct horse\n", "correct horsf", "a", "b", "c", "d"} {
		k, err := ParsePrivateKey(file, []byte(wrong))
		require.Nil(t, k)
		require.ErrorIs(t, err, ErrWrongPassphrase, "%q", wrong)
	}
}

func TestOpenSSLVectors(t *testing.T) {
	var plain *PrivateKey
	encrypted := 0
	for _, v := range readVectors(t, "testdata/openssl.txt") {
		t.Run(v.command, func(t *testing.T) {
			k, err := ParsePrivateKey(v.file, nil)
			if strings.Contains(v.command, "gen") {
				plain = k
			}
			if bytes.Contains(v.file, []byte("ENCRYPTED")) {
				encrypted++
				needed, ok := errors.AsType[*PassphraseNeededError](err)
				require.True(t, ok, "%v", err)
				require.Nil(t, needed.PublicKey)
				requireWrongPassphrase(t, v.file)
				k, err = ParsePrivateKey(v.file, correctHorse)
			}
			require.NoError(t, err)
			requireSamePrivate(t, plain, k)

			for n := range len(bytes.TrimSpace(v.file)) {
				_, err := ParsePrivateKey(v.file[:n], correctHorse)
				require.Error(t, err, "%d bytes of text", n)
			}
			block, _ := pem.Decode(v.file)
			for n := range block.Bytes {
				b := *block
				b.Bytes = block.Bytes[:n]
				_, err := ParsePrivateKey(pem.EncodeToMemory(&b), correctHorse)
				require.Error(t, err, "%d bytes", n)
				require.False(t, isPassphraseNeeded(second(ParsePrivateKey(pem.EncodeToMemory(&b), nil))) && b.Headers == nil, "%d bytes", n)
			}
			b := *block
			b.Bytes = append(bytes.Clone(block.Bytes), 0)
			require.Error(t, second(ParsePrivateKey(pem.EncodeToMemory(&b), correctHorse)))
		})
	}
	require.Equal(t, 4+4+7+1+1+1+1, encrypted)
}

func isPassphraseNeeded(err error) bool {
	_, ok := errors.AsType[*PassphraseNeededError](err)
	return ok
}

func TestOpenSSLUnsupported(t *testing.T) {
	for _, v := range readVectors(t, "testdata/openssl-unsupported.txt") {
		for _, passphrase := range [][]byte{nil, correctHorse} {
			_, err := ParsePrivateKey(v.file, passphrase)
			unsupported, ok := errors.AsType[*UnsupportedError](err)
			require.True(t, ok, "%s: %v", v.command, err)
			require.NotEmpty(t, unsupported.Name)
		}
	}
}

func TestLegacyPEMHeaders(t *testing.T) {
	file := string(readVectors(t, "testdata/openssl.txt")[1].file)
	iv := file[strings.Index(file, "AES-128-CBC,"):][:len("AES-128-CBC,")+32]
	for name, c := range map[string]struct {
		old, new string
		want     any
	}{
		"version":         {"4,ENCRYPTED", "5,ENCRYPTED", new(*MalformedError)},
		"kind":            {"4,ENCRYPTED", "4,MIC-ONLY", new(*MalformedError)},
		"no Proc-Type":    {"Proc-Type: 4,ENCRYPTED\n", "", new(*MalformedError)},
		"no DEK-Info":     {"DEK-Info: " + iv + "\n", "", new(*UnsupportedError)},
		"no headers":      {"Proc-Type: 4,ENCRYPTED\nDEK-Info: " + iv + "\n\n", "", new(*MalformedError)},
		"another header":  {"DEK-Info", "X-Note: a\nDEK-Info", new(*MalformedError)},
		"cipher":          {"AES-128-CBC", "ROT13", new(*UnsupportedError)},
		"cipher's case":   {"AES-128-CBC", "aes-128-cbc", new(*UnsupportedError)},
		"short vector":    {iv, iv[:len(iv)-2], new(*MalformedError)},
		"odd vector":      {iv, iv[:len(iv)-1], new(*MalformedError)},
		"long vector":     {iv, iv + "00", new(*MalformedError)},
		"no vector":       {iv, "AES-128-CBC", new(*MalformedError)},
		"endless vector":  {iv, iv + strings.Repeat("0", 1000), new(*MalformedError)},
		"another's block": {iv, "DES-EDE3-CBC" + iv[len("AES-128-CBC"):], new(*MalformedError)},
		"another format":  {"EC PRIVATE KEY", "PRIVATE KEY", new(*MalformedError)},
		"OpenSSH's":       {"EC PRIVATE KEY", "OPENSSH PRIVATE KEY", new(*MalformedError)},
	} {
		changed := strings.ReplaceAll(file, c.old, c.new)
		require.NotEqual(t, file, changed, name)
		for _, passphrase := range [][]byte{nil, correctHorse} {
			require.ErrorAs(t, second(ParsePrivateKey([]byte(changed), passphrase)), c.want, name)
		}
	}
}

// pbes2Parts are the fields of an EncryptedPrivateKeyInfo, to be changed by a
// test.
type pbes2Parts struct {
	scheme, kdf, cipher []int
	kdfParameters       func(b *cryptobyte.Builder)
	iv, data            []byte
}

var (
	pbes2OID  = []int{1, 2, 840, 113549, 1, 5, 13}
	pbkdf2OID = []int{1, 2, 840, 113549, 1, 5, 12}
	scryptOID = []int{1, 3, 6, 1, 4, 1, 11591, 4, 11}
	aes128OID = []int{2, 16, 840, 1, 101, 3, 4, 1, 2}
	sha256OID = []int{1, 2, 840, 113549, 2, 9}
)

func (p pbes2Parts) der() []byte {
	var b cryptobyte.Builder
	b.AddASN1(asn1.SEQUENCE, func(b *cryptobyte.Builder) {
		addAlgorithm(b, p.scheme, func(b *cryptobyte.Builder) {
			b.AddASN1(asn1.SEQUENCE, func(b *cryptobyte.Builder) {
				addAlgorithm(b, p.kdf, p.kdfParameters)
				addAlgorithm(b, p.cipher, func(b *cryptobyte.Builder) { b.AddASN1OctetString(p.iv) })
			})
		})
		b.AddASN1OctetString(p.data)
	})
	return b.BytesOrPanic()
}

func addAlgorithm(b *cryptobyte.Builder, oid []int, parameters func(b *cryptobyte.Builder)) {
	b.AddASN1(asn1.SEQUENCE, func(b *cryptobyte.Builder) {
		b.AddASN1ObjectIdentifier(oid)
		parameters(b)
	})
}

// kdfNumbers writes the parameters of PBKDF2 and scrypt: a salt, numbers, and
// perhaps a pseudo-random function.
func kdfNumbers(prf []int, numbers ...uint64) func(b *cryptobyte.Builder) {
	return kdfParameters([]byte("saltsalt"), prf, numbers)
}

func longSalt(numbers ...uint64) func(b *cryptobyte.Builder) {
	return kdfParameters(make([]byte, maxSalt+1), nil, numbers)
}

func kdfParameters(salt []byte, prf []int, numbers []uint64) func(b *cryptobyte.Builder) {
	return func(b *cryptobyte.Builder) {
		b.AddASN1(asn1.SEQUENCE, func(b *cryptobyte.Builder) {
			b.AddASN1OctetString(salt)
			for _, n := range numbers {
				b.AddASN1Uint64(n)
			}
			if prf != nil {
				addAlgorithm(b, prf, func(b *cryptobyte.Builder) { b.AddASN1NULL() })
			}
		})
	}
}

func pbes2File(t testing.TB, change func(p *pbes2Parts)) []byte {
	t.Helper()
	p := pbes2Parts{pbes2OID, pbkdf2OID, aes128OID, kdfNumbers(sha256OID, 1), make([]byte, 16), make([]byte, 32)}
	change(&p)
	return p.der()
}

// No file makes us work before it is known how much, and none for long.
func TestDefect_CostlyKeyDerivation(t *testing.T) {
	start := time.Now()
	for name, change := range map[string]func(p *pbes2Parts){
		"no rounds":        func(p *pbes2Parts) { p.kdfParameters = kdfNumbers(nil, 0) },
		"rounds":           func(p *pbes2Parts) { p.kdfParameters = kdfNumbers(nil, maxPBKDF2Rounds+1) },
		"2^63 rounds":      func(p *pbes2Parts) { p.kdfParameters = kdfNumbers(sha256OID, 1<<63) },
		"scrypt N":         func(p *pbes2Parts) { p.kdf, p.kdfParameters = scryptOID, kdfNumbers(nil, 1<<62, 8, 1) },
		"scrypt r":         func(p *pbes2Parts) { p.kdf, p.kdfParameters = scryptOID, kdfNumbers(nil, 2, 1<<24, 1) },
		"scrypt p":         func(p *pbes2Parts) { p.kdf, p.kdfParameters = scryptOID, kdfNumbers(nil, 2, 1, 1<<24) },
		"scrypt product":   func(p *pbes2Parts) { p.kdf, p.kdfParameters = scryptOID, kdfNumbers(nil, 1<<16, 8, 64) },
		"scrypt overflow":  func(p *pbes2Parts) { p.kdf, p.kdfParameters = scryptOID, kdfNumbers(nil, 1<<32, 1<<32, 1) },
		"scrypt memory":    func(p *pbes2Parts) { p.kdf, p.kdfParameters = scryptOID, kdfNumbers(nil, 1<<18, 8, 1) },
		"scrypt RFC 7914":  func(p *pbes2Parts) { p.kdf, p.kdfParameters = scryptOID, kdfNumbers(nil, 1<<20, 8, 1) },
		"much data":        func(p *pbes2Parts) { p.data = make([]byte, maxDER-256) },
		"much more data":   func(p *pbes2Parts) { p.data = make([]byte, 1<<19) },
		"much salt":        func(p *pbes2Parts) { p.kdfParameters = longSalt(1) },
		"much scrypt salt": func(p *pbes2Parts) { p.kdf, p.kdfParameters = scryptOID, longSalt(2, 1, 1) },
	} {
		file := encodePEM("ENCRYPTED PRIVATE KEY", pbes2File(t, change))
		for _, passphrase := range [][]byte{nil, []byte("p")} {
			_, err := ParsePrivateKey(file, passphrase)
			if name == "much data" {
				// Within bounds, but for the passphrase.
				require.True(t, isPassphraseNeeded(err) || errors.Is(err, ErrWrongPassphrase), name)
				continue
			}
			_, ok := errors.AsType[*LimitError](err)
			require.True(t, ok, "%s: %v", name, err)
		}
	}
	for name, c := range map[string]struct{ memory, passes, lanes uint64 }{
		"no lanes":  {8192, 1, 0},
		"lanes":     {8192, 1, 65},
		"no memory": {7, 1, 1},
		"memory":    {maxKDFMemory>>10 + 1, 1, 1},
		"overflow":  {1 << 63, 2, 1},
		"no passes": {8192, 0, 1},
		"passes":    {8192, 1025, 1},
		"2^64-1":    {8192, 1<<64 - 1, 1},
	} {
		_, err := newArgon2(true, nil, c.memory, c.passes, c.lanes)
		require.ErrorAs(t, err, new(*LimitError), name)
	}
	_, err := newArgon2(true, make([]byte, maxSalt+1), 8192, 1, 1)
	require.ErrorAs(t, err, new(*LimitError))
	require.Less(t, time.Since(start), 5*time.Second)
}

func TestPBES2Refused(t *testing.T) {
	for name, c := range map[string]struct {
		change func(p *pbes2Parts)
		want   any
	}{
		"intact":             {func(p *pbes2Parts) {}, new(*PassphraseNeededError)},
		"PBKDF2 alone":       {func(p *pbes2Parts) { p.kdfParameters = kdfNumbers(nil, 1) }, new(*PassphraseNeededError)},
		"key length":         {func(p *pbes2Parts) { p.kdfParameters = kdfNumbers(sha256OID, 1, 16) }, new(*PassphraseNeededError)},
		"wrong key length":   {func(p *pbes2Parts) { p.kdfParameters = kdfNumbers(sha256OID, 1, 17) }, new(*MalformedError)},
		"two key lengths":    {func(p *pbes2Parts) { p.kdfParameters = kdfNumbers(sha256OID, 1, 16, 16) }, new(*MalformedError)},
		"scrypt":             {func(p *pbes2Parts) { p.kdf, p.kdfParameters = scryptOID, kdfNumbers(nil, 2, 1, 1) }, new(*PassphraseNeededError)},
		"scrypt, length":     {func(p *pbes2Parts) { p.kdf, p.kdfParameters = scryptOID, kdfNumbers(nil, 2, 1, 1, 16) }, new(*PassphraseNeededError)},
		"scrypt, 3":          {func(p *pbes2Parts) { p.kdf, p.kdfParameters = scryptOID, kdfNumbers(nil, 3, 1, 1) }, new(*MalformedError)},
		"scrypt, 1":          {func(p *pbes2Parts) { p.kdf, p.kdfParameters = scryptOID, kdfNumbers(nil, 1, 1, 1) }, new(*MalformedError)},
		"scrypt, r":          {func(p *pbes2Parts) { p.kdf, p.kdfParameters = scryptOID, kdfNumbers(nil, 2, 0, 1) }, new(*MalformedError)},
		"scrypt, p":          {func(p *pbes2Parts) { p.kdf, p.kdfParameters = scryptOID, kdfNumbers(nil, 2, 1, 0) }, new(*MalformedError)},
		"scrypt, two":        {func(p *pbes2Parts) { p.kdf, p.kdfParameters = scryptOID, kdfNumbers(nil, 2, 1) }, new(*MalformedError)},
		"scrypt, trailing":   {func(p *pbes2Parts) { p.kdf, p.kdfParameters = scryptOID, kdfNumbers(sha256OID, 2, 1, 1) }, new(*MalformedError)},
		"scheme":             {func(p *pbes2Parts) { p.scheme = []int{1, 2, 3} }, new(*UnsupportedError)},
		"derivation":         {func(p *pbes2Parts) { p.kdf = []int{1, 2, 3} }, new(*UnsupportedError)},
		"cipher":             {func(p *pbes2Parts) { p.cipher = []int{1, 2, 3} }, new(*UnsupportedError)},
		"function":           {func(p *pbes2Parts) { p.kdfParameters = kdfNumbers([]int{1, 2, 3}, 1) }, new(*UnsupportedError)},
		"no vector":          {func(p *pbes2Parts) { p.iv = nil }, new(*MalformedError)},
		"long vector":        {func(p *pbes2Parts) { p.iv = make([]byte, 17) }, new(*MalformedError)},
		"no data":            {func(p *pbes2Parts) { p.data = nil }, new(*MalformedError)},
		"part of a block":    {func(p *pbes2Parts) { p.data = make([]byte, 17) }, new(*MalformedError)},
		"nothing to derive":  {func(p *pbes2Parts) { p.kdfParameters = func(*cryptobyte.Builder) {} }, new(*MalformedError)},
		"derivation's extra": {func(p *pbes2Parts) { p.kdfParameters = twice(p.kdfParameters) }, new(*MalformedError)},
	} {
		_, err := ParsePrivateKey(encodePEM("ENCRYPTED PRIVATE KEY", pbes2File(t, c.change)), nil)
		require.ErrorAs(t, err, c.want, name)
	}
}

func twice(f func(b *cryptobyte.Builder)) func(b *cryptobyte.Builder) {
	return func(b *cryptobyte.Builder) { f(b); f(b) }
}

// What a passphrase opens but is no key: the passphrase was right.
func TestPBES2Contents(t *testing.T) {
	kdf, err := newPBKDF2([]byte("saltsalt"), 1, sha256.New)
	require.NoError(t, err)
	key, err := kdf.derive([]byte("p"), 16)
	require.NoError(t, err)
	for _, c := range []struct {
		plain []byte
		check func(err error) bool
	}{
		{[]byte{0x30, 0}, func(err error) bool { _, ok := errors.AsType[*MalformedError](err); return ok }},
		{[]byte{0x30, 1}, func(err error) bool { return errors.Is(err, ErrWrongPassphrase) }},
		{[]byte{0x30, 0, 0}, func(err error) bool { return errors.Is(err, ErrWrongPassphrase) }},
		{[]byte{0x31, 0}, func(err error) bool { return errors.Is(err, ErrWrongPassphrase) }},
		{nil, func(err error) bool { return errors.Is(err, ErrWrongPassphrase) }},
	} {
		padding := 16 - len(c.plain)%16
		data, err := aesCBCSeal(key, make([]byte, 16), append(c.plain, bytes.Repeat([]byte{byte(padding)}, padding)...))
		require.NoError(t, err)
		file := encodePEM("ENCRYPTED PRIVATE KEY", pbes2File(t, func(p *pbes2Parts) { p.data = data }))
		require.True(t, c.check(second(ParsePrivateKey(file, []byte("p")))), "%x", c.plain)
	}
}

// The example of RFC 8410 section 10.3, which holds its public key and an
// attribute.
func TestPKCS8WithPublicKey(t *testing.T) {
	file := []byte(`-----BEGIN PRIVATE KEY-----
MHICAQEwBQYDK2VwBCIEINTuctv5E1hK1bbY8fdp+K06/nwoy/HU++CXqI9EdVhC
oB8wHQYKKoZIhvcNAQkJFDEPDA1DdXJkbGUgQ2hhaXJzgSEAGb9ECWmEzf6FQbrB
Z9w7lshQhqowtrbLDFw4rXAxZuE=
-----END PRIVATE KEY-----
`)
	k, err := ParsePrivateKey(file, nil)
	require.NoError(t, err)
	signAndVerify(t, k, k.PublicKey())

	block, _ := pem.Decode(file)
	for n := range block.Bytes {
		require.Error(t, second(ParsePrivateKey(encodePEM("PRIVATE KEY", block.Bytes[:n]), nil)))
	}
	changed := bytes.Clone(block.Bytes)
	changed[len(changed)-1] ^= 1
	require.ErrorIs(t, second(ParsePrivateKey(encodePEM("PRIVATE KEY", changed), nil)), ErrKeyMismatch)
	changed[len(changed)-1] ^= 1
	changed[len(changed)-33] = 1 // unused bits
	require.Error(t, second(ParsePrivateKey(encodePEM("PRIVATE KEY", changed), nil)))
	changed[len(changed)-33] = 0
	require.Equal(t, byte(1), changed[4])
	for _, version := range []byte{0, 2, 0xff} {
		changed[4] = version
		require.Error(t, second(ParsePrivateKey(encodePEM("PRIVATE KEY", changed), nil)), version)
	}
}

// Bytes after the key within its wrapping, which crypto/x509 does not look at.
func TestPKCS8TrailingInside(t *testing.T) {
	var b cryptobyte.Builder
	b.AddASN1(asn1.SEQUENCE, func(b *cryptobyte.Builder) {
		b.AddASN1Int64(0)
		addAlgorithm(b, []int{1, 3, 101, 112}, func(*cryptobyte.Builder) {})
		b.AddASN1(asn1.OCTET_STRING, func(b *cryptobyte.Builder) {
			b.AddASN1OctetString(make([]byte, 32))
			b.AddUint8(0)
		})
	})
	require.ErrorIs(t, second(ParsePrivateKey(encodePEM("PRIVATE KEY", b.BytesOrPanic()), nil)), wire.ErrTrailing)
}

// RFC 7914 section 12.
func TestScryptVector(t *testing.T) {
	s, err := newScrypt([]byte("NaCl"), 1024, 8, 16)
	require.NoError(t, err)
	got, err := s.derive([]byte("password"), 64)
	require.NoError(t, err)
	require.Equal(t, unhex(t, "fdbabe1c9d3472007856e7190d01e9fe7c6ad7cbc8237830e77376634b3731622eaf30d92e22a3886ff109279d9830dac727afb94a83ee6d8360cbdfa2cc0640"), got)
}
