package keys

import (
	"crypto/ecdsa"
	"crypto/md5"
	"crypto/rsa"
	"crypto/sha256"
	"strconv"
	"strings"
)

// ShortName returns the name of the key's type as people know it and OpenSSH
// shows it: "ED25519", "ECDSA", "RSA", with "-SK" after it for a security key
// and "-CERT" for a certificate.
func ShortName(k PublicKey) string {
	name := strings.TrimSuffix(PlainKey(k).Type(), openSSHDomain)
	name, sk := strings.CutPrefix(name, "sk-")
	name, _, _ = strings.Cut(strings.TrimPrefix(name, "ssh-"), "-sha2-")
	name = strings.ToUpper(name)
	if sk {
		name += "-SK"
	}
	if PlainKey(k) != k {
		name += "-CERT"
	}
	return name
}

// Bits returns the size of the key, in bits, as OpenSSH counts it: that of the
// modulus of an RSA key, of the curve's field, and 256 for every other key.
func Bits(k PublicKey) int {
	if c, ok := PlainKey(k).(CryptoPublicKey); ok {
		switch key := c.CryptoPublicKey().(type) {
		case *rsa.PublicKey:
			return key.N.BitLen()
		case *ecdsa.PublicKey:
			return key.Curve.Params().BitSize
		}
	}
	return 256
}

const (
	artWidth  = 17
	artHeight = 9
	// artShades are how a field looks that was visited so many times, the last
	// of them however often after that.
	artShades = " .o+=*BOX@%&#/^"
	// artTitle is how long a title can be, and artLongTitle how long it can
	// be without losing its number. OpenSSH cuts what is between.
	artTitle     = 16
	artLongTitle = 17
)

// RandomArtSHA256 returns a picture of the key's [FingerprintSHA256], as
// ssh-keygen -lv and ssh with VisualHostKey show it: eleven lines with a newline
// between each two. A person who has seen a key's picture often notices another
// one.
func RandomArtSHA256(k PublicKey) string {
	sum := sha256.Sum256(PlainKey(k).Marshal())
	return randomArt(k, sum[:], "SHA256")
}

// RandomArtMD5 returns a picture of the key's [FingerprintMD5], and is for
// comparison with old ones.
func RandomArtMD5(k PublicKey) string {
	sum := md5.Sum(PlainKey(k).Marshal())
	return randomArt(k, sum[:], "MD5")
}

// randomArt draws the trace of a walk in diagonal steps ("The drunken bishop: An analysis
// of the OpenSSH fingerprint visualization algorithm", Loss, Limmer, von
// Gernler, 2009).
func randomArt(k PublicKey, sum []byte, hash string) string {
	var field [artHeight][artWidth]int
	const startX, startY = artWidth / 2, artHeight / 2
	x, y := startX, startY
	for _, b := range sum {
		for range 4 {
			x = min(max(x+2*int(b&1)-1, 0), artWidth-1)
			y = min(max(y+int(b&2)-1, 0), artHeight-1)
			field[y][x]++
			b >>= 2
		}
	}

	title := "[" + ShortName(k) + " " + strconv.Itoa(Bits(k)) + "]"
	if len(title) > artLongTitle {
		title = "[" + ShortName(k) + "]"
	}
	var out strings.Builder
	artBorder(&out, title[:min(len(title), artTitle)])
	out.WriteByte('\n')
	for row := range artHeight {
		out.WriteByte('|')
		for column, visits := range field[row] {
			c := artShades[min(visits, len(artShades)-1)]
			switch {
			case row == y && column == x:
				c = 'E'
			case row == startY && column == startX:
				c = 'S'
			}
			out.WriteByte(c)
		}
		out.WriteString("|\n")
	}
	artBorder(&out, "["+hash+"]")
	return out.String()
}

// artBorder writes text in the middle of a line, or one to the left of it.
func artBorder(out *strings.Builder, text string) {
	left := (artWidth - len(text)) / 2
	out.WriteByte('+')
	out.WriteString(strings.Repeat("-", left))
	out.WriteString(text)
	out.WriteString(strings.Repeat("-", artWidth-left-len(text)))
	out.WriteByte('+')
}
