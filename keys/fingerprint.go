package keys

import (
	"crypto/md5"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"strings"
)

// FingerprintSHA256 returns the key's fingerprint as OpenSSH shows it:
// "SHA256:" and 43 characters of unpadded base64. A certificate has that of
// the key which it certifies.
func FingerprintSHA256(k PublicKey) string {
	sum := sha256.Sum256(PlainKey(k).Marshal())
	return "SHA256:" + base64.RawStdEncoding.EncodeToString(sum[:])
}

// FingerprintMD5 returns the fingerprint of RFC 4716 section 4 as OpenSSH
// shows it: "MD5:" and 16 pairs of hexadecimal digits with colons between. It
// is for comparison with old records; MD5 does not withstand an attacker.
func FingerprintMD5(k PublicKey) string {
	sum := md5.Sum(PlainKey(k).Marshal())
	var b strings.Builder
	b.WriteString("MD5")
	for _, c := range sum {
		b.WriteByte(':')
		b.WriteString(hex.EncodeToString([]byte{c}))
	}
	return b.String()
}
