package krl

import (
	"bytes"
	"crypto/ed25519"
	"crypto/sha1"
	"crypto/sha256"
	"errors"
	"io/fs"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fairlead-go/ssh/keys"
	"github.com/fairlead-go/ssh/keys/internal/textfile"
	"github.com/fairlead-go/ssh/wire"
)

// ed returns an ed25519 key, the same for the same number.
func ed(t testing.TB, n int) *keys.PrivateKey {
	t.Helper()
	seed := sha256.Sum256([]byte{byte(n), byte(n >> 8)})
	k, err := keys.NewPrivateKey(ed25519.NewKeyFromSeed(seed[:]))
	require.NoError(t, err)
	return k
}

func public(t testing.TB, n int) keys.PublicKey { return ed(t, n).PublicKey() }

// certify returns a certificate for one of ed's keys by another.
func certify(t testing.TB, key, authority int, serial uint64, keyID string) *keys.Certificate {
	t.Helper()
	claims := &keys.CertificateClaims{
		Type: keys.UserCertificate, Key: public(t, key), Serial: serial, KeyID: keyID,
		Principals: []string{"x"}, ValidBefore: keys.Forever,
	}
	c, err := claims.Issue(t.Context(), ed(t, authority))
	require.NoError(t, err)
	return c
}

// requireRevoked requires that err names k and what is on the list of it.
func requireRevoked(t *testing.T, err error, k keys.PublicKey, by By) {
	t.Helper()
	require.ErrorIs(t, err, ErrRevoked)
	var revoked *RevokedError
	require.ErrorAs(t, err, &revoked)
	require.Equal(t, by, revoked.By)
	require.True(t, keys.Equal(k, revoked.Key))
}

// full returns a list with something of each kind: keys 1 to 3, and
// certificates of keys 10 and 11 and of any authority.
func full(t testing.TB) *List {
	l := &List{Version: 7, Generated: time.Unix(1_700_000_000, 0), Comment: "for the test"}
	l.RevokeKey(public(t, 1))
	l.RevokeSHA1(sha1.Sum(public(t, 2).Marshal()))
	l.RevokeSHA256(sha256.Sum256(public(t, 3).Marshal()))
	require.NoError(t, l.RevokeSerials(public(t, 10), Range{5, 5}, Range{7, 7}, Range{1000, 1_000_000}, Range{math.MaxUint64, math.MaxUint64}))
	l.RevokeKeyID(public(t, 10), "bob")
	l.RevokeKeyID(public(t, 11), "carol")
	l.RevokeKeyID(nil, "mallory")
	require.NoError(t, l.RevokeSerials(nil, Range{42, 42}))
	return l
}

func TestCheck(t *testing.T) {
	made := full(t)
	parsed, err := Parse(made.Marshal())
	require.NoError(t, err)
	require.Equal(t, made, parsed)
	for name, l := range map[string]*List{"made": made, "parsed": parsed} {
		t.Run(name, func(t *testing.T) {
			require.NoError(t, l.Check(public(t, 0)))
			requireRevoked(t, l.Check(public(t, 1)), public(t, 1), ByKey)
			requireRevoked(t, l.Check(public(t, 2)), public(t, 2), BySHA1)
			requireRevoked(t, l.Check(public(t, 3)), public(t, 3), BySHA256)
			require.NoError(t, l.Check(public(t, 10)), "an authority of revoked certificates is no revoked key")

			for _, c := range []struct {
				key, authority int
				serial         uint64
				keyID          string
				by             By // empty: not revoked
			}{
				{0, 10, 4, "alice", ""},
				{0, 10, 5, "alice", BySerial},
				{0, 10, 6, "alice", ""},
				{0, 10, 7, "alice", BySerial},
				{0, 10, 999, "alice", ""},
				{0, 10, 1000, "alice", BySerial},
				{0, 10, 500_000, "alice", BySerial},
				{0, 10, 1_000_000, "alice", BySerial},
				{0, 10, 1_000_001, "alice", ""},
				{0, 10, math.MaxUint64 - 1, "alice", ""},
				{0, 10, math.MaxUint64, "alice", BySerial},
				{0, 10, 0, "alice", ""},
				{0, 10, 0, "bob", ByKeyID},
				{0, 10, 0, "Bob", ""},
				{0, 10, 0, "bob ", ""},
				{0, 11, 5, "bob", ""},
				{0, 11, 5, "carol", ByKeyID},
				{0, 12, 5, "bob", ""},
				{0, 12, 42, "alice", BySerial},
				{0, 10, 42, "alice", BySerial},
				{0, 12, 0, "mallory", ByKeyID},
				{1, 12, 0, "alice", ByKey},
				{2, 12, 0, "alice", BySHA1},
				{3, 12, 0, "alice", BySHA256},
				{0, 1, 0, "alice", ByAuthority},
				{0, 2, 0, "alice", ByAuthority},
				{0, 3, 0, "alice", ByAuthority},
			} {
				certificate := certify(t, c.key, c.authority, c.serial, c.keyID)
				err := l.Check(certificate)
				if c.by == "" {
					require.NoError(t, err, "%+v", c)
					continue
				}
				of := public(t, c.key)
				switch c.by {
				case ByAuthority:
					of = public(t, c.authority)
				case BySerial, ByKeyID:
					of = certificate
				}
				requireRevoked(t, err, of, c.by)
			}
		})
	}
}

// What cannot be looked for, or looked in, is not accepted.
func TestDefect_NoListIsNoConsent(t *testing.T) {
	var none *List
	require.Error(t, none.Check(public(t, 0)))
	require.Error(t, new(List).Check(nil))
	require.Error(t, new(List).Check((*keys.Certificate)(nil)))
	require.NoError(t, new(List).Check(public(t, 0)))
}

func TestRevokeSerialsRefuses(t *testing.T) {
	l := new(List)
	require.NoError(t, l.RevokeSerials(nil, Range{9, 9}))
	for _, r := range []Range{{}, {0, 5}, {6, 5}, {math.MaxUint64, 1}} {
		require.ErrorIs(t, l.RevokeSerials(nil, Range{1, 2}, r), ErrSerial)
		require.Equal(t, []Range{{9, 9}}, l.certs[""].serials)
	}
}

func TestNormalize(t *testing.T) {
	const last = math.MaxUint64
	for _, c := range []struct{ in, want []Range }{
		{nil, nil},
		{[]Range{{1, 1}}, []Range{{1, 1}}},
		{[]Range{{2, 2}, {1, 1}}, []Range{{1, 2}}},
		{[]Range{{3, 3}, {1, 1}}, []Range{{1, 1}, {3, 3}}},
		{[]Range{{1, 9}, {2, 3}, {10, 11}, {4, 5}}, []Range{{1, 11}}},
		{[]Range{{1, 9}, {2, 3}, {11, 11}}, []Range{{1, 9}, {11, 11}}},
		{[]Range{{last, last}, {1, last - 1}}, []Range{{1, last}}},
		{[]Range{{1, last}, {5, 6}, {last, last}}, []Range{{1, last}}},
		{[]Range{{last - 1, last}, {1, last - 3}}, []Range{{1, last - 3}, {last - 1, last}}},
	} {
		in := append([]Range(nil), c.in...)
		require.Equal(t, c.want, append([]Range(nil), normalize(in)...))
	}
	require.False(t, contains(nil, 1))
}

// section appends a section of a list.
func section(b []byte, kind byte, content []byte) []byte {
	return wire.AppendString(append(b, kind), content)
}

func header() []byte {
	b := wire.AppendUint32(append([]byte(nil), magic...), formatVersion)
	b = wire.AppendUint64(b, 1)
	b = wire.AppendUint64(b, 2)
	b = wire.AppendUint64(b, 0)
	b = wire.AppendString(b, "reserved")
	return wire.AppendString(b, "")
}

func u64(values ...uint64) (b []byte) {
	for _, v := range values {
		b = wire.AppendUint64(b, v)
	}
	return b
}

// ofAuthority returns a list with one section for the certificates of any.
func ofAuthority(authority []byte, sections ...[]byte) []byte {
	b := wire.AppendString(nil, authority)
	b = wire.AppendString(b, "reserved")
	for _, s := range sections {
		b = append(b, s...)
	}
	return section(header(), sectionCertificates, b)
}

func extensionOf(name string, critical bool) []byte {
	b := wire.AppendBool(wire.AppendString(nil, name), critical)
	return wire.AppendString(b, "content")
}

func mpint(b ...byte) []byte { return wire.AppendMpint(nil, b) }

func TestParseAccepts(t *testing.T) {
	for name, c := range map[string]struct {
		data []byte
		want []Range
	}{
		"nothing":                      {header(), nil},
		"no certificates":              {ofAuthority(nil), nil},
		"list":                         {ofAuthority(nil, section(nil, certSerialList, u64(9, 1, 2))), []Range{{1, 2}, {9, 9}}},
		"ranges":                       {ofAuthority(nil, section(nil, certSerialRange, u64(1, 5)), section(nil, certSerialRange, u64(3, 9))), []Range{{1, 9}}},
		"everything":                   {ofAuthority(nil, section(nil, certSerialRange, u64(1, math.MaxUint64))), []Range{{1, math.MaxUint64}}},
		"bitmap":                       {ofAuthority(nil, section(nil, certSerialBitmap, append(u64(10), mpint(0x81, 0x05)...))), []Range{{10, 10}, {12, 12}, {18, 18}, {25, 25}}},
		"bitmap with runs":             {ofAuthority(nil, section(nil, certSerialBitmap, append(u64(10), mpint(0x0f, 0xf0)...))), []Range{{14, 21}}},
		"bitmap of none":               {ofAuthority(nil, section(nil, certSerialBitmap, append(u64(10), mpint()...))), nil},
		"bitmap from 0 without 0":      {ofAuthority(nil, section(nil, certSerialBitmap, append(u64(0), mpint(2)...))), []Range{{1, 1}}},
		"bitmap to the end":            {ofAuthority(nil, section(nil, certSerialBitmap, append(u64(math.MaxUint64-7), mpint(0x80)...))), []Range{{math.MaxUint64, math.MaxUint64}}},
		"two sections of an authority": {append(ofAuthority(nil, section(nil, certSerialList, u64(1))), ofAuthority(nil, section(nil, certSerialList, u64(2)))[len(header()):]...), []Range{{1, 2}}},
		"extension":                    {section(header(), sectionExtension, extensionOf("x@y", false)), nil},
		"certificates' extension":      {ofAuthority(nil, section(nil, certExtension, extensionOf("x@y", false)), section(nil, certSerialList, u64(1))), []Range{{1, 1}}},
	} {
		t.Run(name, func(t *testing.T) {
			l, err := Parse(c.data)
			require.NoError(t, err)
			var got []Range
			if certs := l.certs[""]; certs != nil {
				got = certs.serials
			}
			require.Equal(t, c.want, got)
		})
	}
	l, err := Parse(ofAuthority(wire.AppendString(nil, "ssh-dss"), section(nil, certSerialList, u64(1))))
	require.NoError(t, err, "an authority that is not supported can certify nothing")
	require.NoError(t, l.Check(public(t, 0)))
}

func TestParseRefuses(t *testing.T) {
	version2 := header()
	version2[len(magic)+3] = 2
	signature := wire.AppendString(section(header(), sectionSignature, public(t, 0).Marshal()), "signature")
	hash := func(size int) []byte { return wire.AppendString(nil, make([]byte, size)) }
	for name, c := range map[string]struct {
		data []byte
		want error
	}{
		"nothing":                     {nil, ErrFormat},
		"something else":              {[]byte("ssh-ed25519 AAAA"), ErrFormat},
		"a later version":             {version2, ErrUnsupported},
		"unknown section":             {section(header(), 6, nil), ErrUnsupported},
		"signature":                   {signature, ErrUnsupported},
		"critical extension":          {section(header(), sectionExtension, extensionOf("x@y", true)), ErrUnsupported},
		"extension, trailing":         {section(header(), sectionExtension, append(extensionOf("x@y", false), 0)), ErrFormat},
		"extension, short":            {section(header(), sectionExtension, extensionOf("x@y", true)[:8]), ErrFormat},
		"unknown certificate section": {ofAuthority(nil, section(nil, 0x24, nil)), ErrUnsupported},
		"certificates, critical":      {ofAuthority(nil, section(nil, certExtension, extensionOf("x@y", true))), ErrUnsupported},
		"certificates without head":   {section(header(), sectionCertificates, []byte{0, 0, 0, 1}), ErrFormat},
		"authority that is no key":    {ofAuthority([]byte("key")), ErrFormat},
		"authority, short":            {ofAuthority(public(t, 0).Marshal()[:40]), ErrFormat},
		"authority, trailing":         {ofAuthority(append(bytes.Clone(public(t, 0).Marshal()), 0)), ErrFormat},
		"serial 0":                    {ofAuthority(nil, section(nil, certSerialList, u64(1, 0))), ErrSerial},
		"half a serial":               {ofAuthority(nil, section(nil, certSerialList, u64(1, 2)[:12])), ErrFormat},
		"range backwards":             {ofAuthority(nil, section(nil, certSerialRange, u64(2, 1))), ErrSerial},
		"range from 0":                {ofAuthority(nil, section(nil, certSerialRange, u64(0, 1))), ErrSerial},
		"range, trailing":             {ofAuthority(nil, section(nil, certSerialRange, u64(1, 2, 3, 4))), ErrFormat},
		"bitmap with 0":               {ofAuthority(nil, section(nil, certSerialBitmap, append(u64(0), mpint(1)...))), ErrSerial},
		"bitmap past the end":         {ofAuthority(nil, section(nil, certSerialBitmap, append(u64(math.MaxUint64), mpint(2)...))), ErrSerial},
		"bitmap, negative":            {ofAuthority(nil, section(nil, certSerialBitmap, append(u64(1), 0, 0, 0, 1, 0x80))), ErrFormat},
		"bitmap, trailing":            {ofAuthority(nil, section(nil, certSerialBitmap, append(append(u64(1), mpint(1)...), 0))), ErrFormat},
		"key ID, short":               {ofAuthority(nil, section(nil, certKeyID, []byte{0, 0, 0, 2, 'a'})), ErrFormat},
		"key, short":                  {section(header(), sectionKey, []byte{0, 0, 0, 2, 'a'}), ErrFormat},
		"SHA-1 too long":              {section(header(), sectionSHA1, hash(21)), ErrFormat},
		"SHA-1 empty":                 {section(header(), sectionSHA1, hash(0)), ErrFormat},
		"SHA-256 too short":           {section(header(), sectionSHA256, hash(31)), ErrFormat},
		"more than a file may have":   {make([]byte, MaxSize+1), ErrTooLarge},
	} {
		t.Run(name, func(t *testing.T) {
			l, err := Parse(c.data)
			require.ErrorIs(t, err, c.want)
			require.Nil(t, l)
		})
	}
}

// What a list without its end says is not what the list says: only where a
// section ends can a shorter one be whole.
func TestParsePrefixes(t *testing.T) {
	data := full(t).Marshal()
	ends := map[int]bool{}
	r := wire.NewReader(data[len(header())-len("reserved")+len("for the test"):])
	for r.Len() > 0 {
		ends[len(data)-r.Len()] = true
		r.Byte()
		r.Bytes()
	}
	require.NoError(t, r.End())
	require.Len(t, ends, 3+3)
	for n := range data {
		l, err := Parse(data[:n])
		if ends[n] {
			require.NoError(t, err, "%d bytes", n)
			continue
		}
		require.Error(t, err, "%d bytes", n)
		require.Nil(t, l)
	}
}

// A file of some bytes must not become a list that fills the memory.
func TestDefect_RangesAreBounded(t *testing.T) {
	// One bit in two: a range for each two bits.
	dense := wire.AppendMpint(u64(1), bytes.Repeat([]byte{0x55}, MaxRanges/4+1))
	_, err := Parse(ofAuthority(nil, section(nil, certSerialBitmap, dense)))
	require.ErrorIs(t, err, ErrTooLarge)

	// A bitmap with all bits set is one range.
	full := wire.AppendMpint(u64(1), bytes.Repeat([]byte{0xff}, 1<<20))
	l, err := Parse(ofAuthority(nil, section(nil, certSerialBitmap, full)))
	require.NoError(t, err)
	require.Equal(t, []Range{{1, 8 << 20}}, l.certs[""].serials)
	require.Less(t, len(l.Marshal()), 200)

	l = new(List)
	require.NoError(t, l.RevokeSerials(nil, Range{1, math.MaxUint64}), "the whole of the numbers costs nothing")
	require.Less(t, len(l.Marshal()), 200)
}

// An authority whose key is of a type that nobody knows may be as long as the
// list, and must not be gone through for each of its certificates.
func TestDefect_LongAuthority(t *testing.T) {
	const serials = 1000
	authority := wire.AppendString(nil, "unknown@example.com")
	authority = append(authority, make([]byte, 1<<20)...)
	var list []byte
	for serial := range uint64(serials) {
		list = wire.AppendUint64(list, 1+2*serial)
	}
	data := ofAuthority(authority, section(nil, certSerialList, list))

	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	l, err := Parse(data)
	runtime.ReadMemStats(&after)
	require.NoError(t, err)
	require.Len(t, l.certs[string(authority)].serials, serials)
	require.Less(t, after.TotalAlloc-before.TotalAlloc, uint64(16<<20))
}

func TestMarshalIsCompact(t *testing.T) {
	sizes := func(ranges ...Range) (n int) {
		for _, s := range plan(normalize(ranges)) {
			if !s.goOn {
				n++
			}
		}
		return n
	}
	require.Equal(t, 1, sizes(Range{1, 1}))
	require.Equal(t, 1, sizes(Range{1, 1}, Range{1 << 40, 1 << 40}), "a list of two")
	require.Equal(t, 1, sizes(Range{1, 1}, Range{3, 3}, Range{5, 9}, Range{100, 100}), "a bitmap")
	require.Equal(t, 2, sizes(Range{1, 1}, Range{1000, 1_000_000}))
	require.Nil(t, plan(nil))

	random := rand.New(rand.NewPCG(1, 2))
	for range 50 {
		l := new(List)
		var next uint64
		var ranges []Range
		for range random.IntN(200) {
			first := next + 2 + uint64(random.ExpFloat64()*math.Exp2(float64(random.IntN(30))))
			next = first + uint64(random.ExpFloat64()*math.Exp2(float64(random.IntN(16))))
			ranges = append(ranges, Range{first, next})
		}
		want := append([]Range(nil), ranges...)
		random.Shuffle(len(ranges), func(i, j int) { ranges[i], ranges[j] = ranges[j], ranges[i] })
		require.NoError(t, l.RevokeSerials(nil, ranges...))
		got, err := Parse(l.Marshal())
		require.NoError(t, err)
		require.Equal(t, want, append([]Range(nil), got.certs[""].serials...))
	}
}

func TestRevokeCertificate(t *testing.T) {
	l := new(List)
	numbered, named := certify(t, 0, 10, 5, "alice"), certify(t, 0, 10, 0, "bob")
	require.NoError(t, l.RevokeCertificate(numbered))
	require.NoError(t, l.RevokeCertificate(named))
	requireRevoked(t, l.Check(numbered), numbered, BySerial)
	requireRevoked(t, l.Check(named), named, ByKeyID)
	require.NoError(t, l.Check(certify(t, 0, 10, 6, "alice")))
	require.NoError(t, l.Check(certify(t, 0, 11, 5, "bob")))
	require.NoError(t, l.Check(public(t, 0)))

	l.RevokeKey(numbered)
	requireRevoked(t, l.Check(public(t, 0)), public(t, 0), ByKey)
	requireRevoked(t, l.Check(named), public(t, 0), ByKey)
}

func line(t testing.TB, n int) string { return string(keys.MarshalAuthorizedKey(public(t, n), "")) }

func TestRead(t *testing.T) {
	dsa := "ssh-dss AAAAB3NzaC1kc3M= old\n"
	l, err := Read(iotest.OneByteReader(strings.NewReader("# revoked\n\n \t" + line(t, 1) + dsa + "\r\n" + strings.TrimSpace(line(t, 2)) + " lost in a train")))
	require.NoError(t, err)
	requireRevoked(t, l.Check(public(t, 1)), public(t, 1), ByKey)
	requireRevoked(t, l.Check(public(t, 2)), public(t, 2), ByKey)
	require.NoError(t, l.Check(public(t, 3)))
	requireRevoked(t, l.Check(certify(t, 2, 10, 0, "")), public(t, 2), ByKey)
	again, err := Parse(l.Marshal())
	require.NoError(t, err)
	require.Equal(t, l.blobs, again.blobs)

	l, err = Read(iotest.OneByteReader(bytes.NewReader(full(t).Marshal())))
	require.NoError(t, err)
	require.Equal(t, full(t), l)

	l, err = Read(bytes.NewReader(keys.MarshalAuthorizedKey(certify(t, 1, 10, 5, "alice"), "")))
	require.NoError(t, err)
	requireRevoked(t, l.Check(public(t, 1)), public(t, 1), ByKey)

	for _, empty := range []string{"", "\n", "#"} {
		l, err = Read(strings.NewReader(empty))
		require.NoError(t, err)
		require.NoError(t, l.Check(public(t, 1)))
	}
}

func TestReadRefuses(t *testing.T) {
	for _, bad := range []string{
		"SSHKRL\n", "SSHKRL\n\x00", "x", "ssh-ed25519", "ssh-ed25519 AAAA", "no-pty " + line(t, 2), "no-pty\t" + line(t, 2),
		"ssh-rsa " + strings.Fields(line(t, 2))[1], "@revoked * " + line(t, 2), "* " + line(t, 2),
		strings.TrimSuffix(strings.TrimSpace(line(t, 2)), "w") + "!", "\x00", strings.Repeat("x", textfile.MaxLine+1),
	} {
		l, err := Read(strings.NewReader(line(t, 1) + bad + "\n" + line(t, 3)))
		require.Nil(t, l, "%q", bad)
		var lineErr *LineError
		require.ErrorAs(t, err, &lineErr, "%q", bad)
		require.Equal(t, 2, lineErr.Line)
		require.ErrorIs(t, err, ErrFormat)
	}
	cause := errors.New("disk on fire")
	for _, before := range []string{"", "SSHK", line(t, 1), string(full(t).Marshal())} {
		l, err := Read(&failing{strings.NewReader(before), cause})
		require.Nil(t, l)
		require.ErrorIs(t, err, cause)
	}
	comments := strings.Repeat("#"+strings.Repeat("x", textfile.MaxLine-1)+"\n", MaxSize/textfile.MaxLine+1)
	_, err := Read(strings.NewReader(comments))
	require.ErrorIs(t, err, ErrTooLarge)
	_, err = Read(strings.NewReader(string(magic) + comments))
	require.ErrorIs(t, err, ErrTooLarge)
}

// failing reads what r has, and fails then.
type failing struct {
	r   *strings.Reader
	err error
}

func (f *failing) Read(p []byte) (int, error) {
	if f.r.Len() == 0 {
		return 0, f.err
	}
	return f.r.Read(p)
}

func TestFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "revoked")
	_, err := Open(path)
	require.ErrorIs(t, err, fs.ErrNotExist)

	require.NoError(t, os.WriteFile(path, []byte(line(t, 1)), 0o600))
	f, err := Open(path)
	require.NoError(t, err)
	requireRevoked(t, f.Check(public(t, 1)), public(t, 1), ByKey)
	require.ErrorContains(t, f.Check(public(t, 1)), path)
	require.NoError(t, f.Check(public(t, 2)))
	require.NoError(t, f.Check(certify(t, 2, 10, 0, "bob")))

	require.NoError(t, os.WriteFile(path, full(t).Marshal(), 0o600))
	requireRevoked(t, f.Check(public(t, 2)), public(t, 2), BySHA1)
	c := certify(t, 20, 10, 0, "bob")
	err = f.Check(c)
	requireRevoked(t, err, c, ByKeyID)
	require.ErrorContains(t, err, path)

	// What cannot be read revokes everything.
	require.NoError(t, os.WriteFile(path, full(t).Marshal()[:60], 0o600))
	require.ErrorIs(t, f.Check(public(t, 20)), ErrFormat)
	require.NoError(t, os.Remove(path))
	require.ErrorIs(t, f.Check(public(t, 20)), fs.ErrNotExist)
	require.NotErrorIs(t, f.Check(public(t, 20)), ErrRevoked)
}
