package keys

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/fairlead-go/ssh/wire"
)

func TestPuttyVectors(t *testing.T) {
	var plain *PrivateKey
	var types []string
	files := 0
	for _, v := range readVectors(t, "testdata/putty.txt") {
		t.Run(v.command, func(t *testing.T) {
			k, err := ParsePrivateKey(v.file, nil)
			if strings.Contains(v.command, "openssh") {
				require.NoError(t, err)
				plain = k
				types = append(types, k.PublicKey().Type())
				return
			}
			files++
			if strings.Contains(v.command, "passphrase") {
				needed, ok := errors.AsType[*PassphraseNeededError](err)
				require.True(t, ok, "%v", err)
				require.True(t, Equal(plain.PublicKey(), needed.PublicKey))
				requireWrongPassphrase(t, v.file)
				k, err = ParsePrivateKey(v.file, correctHorse)
			}
			require.NoError(t, err)
			require.Equal(t, `a comment, "odd" \ 1: 2`, k.Comment)
			requireSamePrivate(t, plain, k)

			text := bytes.TrimSpace(v.file)
			for n := range text {
				k, err := ParsePrivateKey(text[:n], correctHorse)
				require.Nil(t, k)
				require.Error(t, err, "%d bytes", n)
				require.NotErrorIs(t, err, ErrWrongPassphrase)
				require.False(t, isPassphraseNeeded(second(ParsePrivateKey(text[:n], nil))), "%d bytes", n)
			}
			for _, end := range []string{"", "\n", "\r\n", "\n\n"} {
				require.NoError(t, second(ParsePrivateKey(append(bytes.Clone(text), end...), correctHorse)))
			}
			require.ErrorIs(t, second(ParsePrivateKey(append(bytes.Clone(text), "\nx"...), correctHorse)), wire.ErrTrailing)
			require.ErrorIs(t, second(ParsePrivateKey(append(bytes.Clone(v.file), v.file...), correctHorse)), wire.ErrTrailing)
			for _, ending := range []string{"\r\n", "\r"} {
				k, err := ParsePrivateKey(bytes.ReplaceAll(v.file, []byte("\n"), []byte(ending)), correctHorse)
				require.NoError(t, err)
				requireSamePrivate(t, plain, k)
			}
		})
	}
	require.Equal(t, []string{KeyEd25519, KeyECDSA256, KeyECDSA384, KeyECDSA521, KeyRSA}, types)
	require.Equal(t, 5*4+2, files)
}

func TestPuttyUnsupported(t *testing.T) {
	vectors := readVectors(t, "testdata/putty-unsupported.txt")
	require.Len(t, vectors, 3)
	for _, passphrase := range [][]byte{nil, correctHorse} {
		unsupported, ok := errors.AsType[*UnsupportedError](second(ParsePrivateKey(vectors[0].file, passphrase)))
		require.True(t, ok)
		require.Equal(t, "Argon2d", unsupported.Name)
		for _, v := range vectors[1:] {
			require.ErrorAs(t, second(ParsePrivateKey(v.file, passphrase)), new(*UnknownTypeError), v.command)
		}
	}
}

// Whatever character of a file changes, it is not opened, or says the same key
// and comment.
func TestDefect_PuttyMAC(t *testing.T) {
	for _, v := range readVectors(t, "testdata/putty.txt")[1:7] { // the ed25519 keys
		want, err := ParsePrivateKey(v.file, correctHorse)
		require.NoError(t, err, v.command)
		for i := range bytes.TrimSpace(v.file) {
			for _, flip := range []byte{1, 2, 0x20} {
				file := bytes.Clone(v.file)
				file[i] ^= flip
				k, err := ParsePrivateKey(file, correctHorse)
				if err == nil {
					require.Equal(t, want.Comment, k.Comment, "%q", file)
					require.True(t, Equal(want.PublicKey(), k.PublicKey()), "%q", file)
				}
			}
		}
	}
}

// puttyText writes a file of version 3 that is not encrypted, with the MAC
// that belongs to it.
type puttyText struct {
	typ, encryption, comment string
	public, private          []byte
}

func (p puttyText) file() []byte {
	f := puttyFile{version: puttyVersions["3"], typ: p.typ, cipher: p.encryption, comment: []byte(p.comment), public: p.public}
	return fmt.Appendf(nil, "PuTTY-User-Key-File-3: %s\nEncryption: %s\nComment: %s\nPublic-Lines: 1\n%s\nPrivate-Lines: 1\n%s\nPrivate-MAC: %x\n",
		p.typ, p.encryption, p.comment, base64.StdEncoding.EncodeToString(p.public), base64.StdEncoding.EncodeToString(p.private), f.sum(nil, p.private))
}

func puttyParts(t *testing.T, k *PrivateKey) puttyText {
	t.Helper()
	p := puttyText{typ: k.PublicKey().Type(), encryption: "none", comment: "c", public: k.PublicKey().Marshal()}
	b, err := k.signer.typ.appendPrivate(nil, k.Crypto())
	require.NoError(t, err)
	f := fields(t, b)
	switch p.typ {
	case KeyEd25519:
		p.private = joinStrings(f[1][:32])
	case KeyRSA:
		p.private = joinStrings(f[2], f[4], f[5], f[3])
	default:
		p.private = joinStrings(f[2])
	}
	return p
}

// A MAC without a passphrase keeps nobody from writing a file.
func TestPuttyMalformed(t *testing.T) {
	require.ElementsMatch(t, slices.Collect(maps.Keys(puttyLayouts)), []string{KeyEd25519, KeyECDSA256, KeyECDSA384, KeyECDSA521, KeyRSA})
	for typ := range puttyLayouts {
		k := generated()[typ]
		other, err := otherKey(typ)
		require.NoError(t, err)
		for name, c := range map[string]struct {
			change func(p *puttyText)
			is     error
		}{
			"intact":            {func(p *puttyText) {}, nil},
			"trailing":          {func(p *puttyText) { p.private = append(p.private, 0) }, wire.ErrTrailing},
			"truncated":         {func(p *puttyText) { p.private = p.private[:len(p.private)-1] }, wire.ErrTruncated},
			"another's private": {func(p *puttyText) { p.private = puttyParts(t, other).private }, ErrKeyMismatch},
			"another's public":  {func(p *puttyText) { p.public = puttyParts(t, other).public }, ErrKeyMismatch},
			"type":              {func(p *puttyText) { p.typ = "ssh-dss" }, errPuttyType},
			"public, trailing":  {func(p *puttyText) { p.public = append(bytes.Clone(p.public), 0) }, wire.ErrTrailing},
		} {
			p := puttyParts(t, k)
			c.change(&p)
			got, err := ParsePrivateKey(p.file(), nil)
			if c.is == nil {
				require.NoError(t, err, typ)
				require.Equal(t, "c", got.Comment)
				signAndVerify(t, got, k.PublicKey())
				continue
			}
			require.Nil(t, got)
			require.ErrorIs(t, err, c.is, "%s: %s", typ, name)
			require.ErrorAs(t, err, new(*MalformedError))
		}
	}
	p := puttyParts(t, generated()[KeyEd25519])
	p.private = joinStrings(make([]byte, 31))
	require.ErrorAs(t, second(ParsePrivateKey(p.file(), nil)), new(*MalformedError))
}

func TestPuttyLines(t *testing.T) {
	file := string(readVectors(t, "testdata/putty.txt")[4].file)
	require.Contains(t, file, "Argon2id")
	for name, c := range map[string]struct {
		old, new string
		want     any
	}{
		"version 1":           {"File-3", "File-1", new(*UnsupportedError)},
		"version 4":           {"File-3", "File-4", new(*UnsupportedError)},
		"no version":          {"File-3", "File-", new(*UnsupportedError)},
		"version 2 with KDF":  {"File-3", "File-2", new(*MalformedError)},
		"cipher":              {"aes256-cbc", "rot13", new(*UnsupportedError)},
		"no cipher":           {"Encryption: aes256-cbc\n", "", new(*MalformedError)},
		"no comment":          {"Comment: ", "Remark: ", new(*MalformedError)},
		"no space":            {"Encryption: ", "Encryption:", new(*MalformedError)},
		"more lines":          {"Public-Lines: 2", "Public-Lines: 18446744073709551615", new(*MalformedError)},
		"more than that":      {"Public-Lines: 2", "Public-Lines: 18446744073709551616", new(*MalformedError)},
		"fewer lines":         {"Public-Lines: 2", "Public-Lines: 1", new(*MalformedError)},
		"no lines":            {"Public-Lines: 2", "Public-Lines: 0", new(*MalformedError)},
		"signed lines":        {"Public-Lines: 2", "Public-Lines: +2", new(*MalformedError)},
		"derivation":          {"Argon2id", "scrypt", new(*UnsupportedError)},
		"memory":              {"Argon2-Memory: 64", "Argon2-Memory: 262145", new(*LimitError)},
		"much memory":         {"Argon2-Memory: 64", "Argon2-Memory: 18446744073709551615", new(*LimitError)},
		"little memory":       {"Argon2-Memory: 64", "Argon2-Memory: 7", new(*LimitError)},
		"passes":              {"Argon2-Passes: 2", "Argon2-Passes: 1000000000", new(*LimitError)},
		"no passes":           {"Argon2-Passes: 2", "Argon2-Passes: 0", new(*LimitError)},
		"parallelism":         {"Argon2-Parallelism: 1", "Argon2-Parallelism: 256", new(*LimitError)},
		"salt":                {"Argon2-Salt: ", "Argon2-Salt: x", new(*MalformedError)},
		"much salt":           {"Argon2-Salt: ", "Argon2-Salt: " + strings.Repeat("00", maxSalt), new(*LimitError)},
		"another MAC":         {"Private-MAC: ", "Private-MAC: 00", new(*MalformedError)},
		"hash instead of MAC": {"Private-MAC: ", "Private-Hash: ", new(*MalformedError)},
		"not base64":          {"AAAA", "!AAA", new(*MalformedError)},
		"decrypted by hand":   {"Encryption: aes256-cbc", "Encryption: none", new(*MalformedError)},
	} {
		changed := strings.Replace(file, c.old, c.new, 1)
		require.NotEqual(t, file, changed, name)
		for _, passphrase := range [][]byte{nil, correctHorse} {
			require.ErrorAs(t, second(ParsePrivateKey([]byte(changed), passphrase)), c.want, name)
		}
	}
}

// A file whose key has a certificate gives the plain key.
func TestPuttyCertificate(t *testing.T) {
	c := issue(t, userClaims())
	p := puttyParts(t, subject())
	p.typ, p.public = c.Type(), c.Marshal()
	k, err := ParsePrivateKey(p.file(), nil)
	require.NoError(t, err)
	require.True(t, Equal(subject().PublicKey(), k.PublicKey()))
}

func FuzzParsePutty(f *testing.F) {
	for _, path := range []string{"testdata/putty.txt", "testdata/putty-unsupported.txt"} {
		for _, v := range readVectors(f, path) {
			f.Add(v.file)
		}
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		defer watch(t)()
		file, err := parsePuttyFile(data)
		if err != nil {
			_ = err.Error()
			return
		}
		if file.kdf != nil && !cheap(file.kdf) {
			return
		}
		k, err := file.open(correctHorse)
		if err != nil {
			if k != nil {
				t.Fatal("both a key and an error")
			}
			_ = err.Error()
			return
		}
		exercise(t, k.PublicKey())
		if !Equal(k.PublicKey(), PlainKey(file.key)) {
			t.Fatal("opens another key than it shows")
		}
	})
}
