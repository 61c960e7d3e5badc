package keys

import "strings"

// Certificates have names of their own, as key formats and as algorithms:
// those of the plain key with a version inserted before an '@', or appended
// (OpenSSH's PROTOCOL.certkeys).
const certificateVersion = "-cert-v01"
const openSSHDomain = "@openssh.com"

// certificateName returns the name of a certificate's form of a plain key
// format or signature algorithm.
func certificateName(plain string) string {
	return strings.TrimSuffix(plain, openSSHDomain) + certificateVersion + openSSHDomain
}

// CertificateAlgorithm returns the name of a plain key's signature algorithm
// for the key's certificates, which [SignatureFormat] turns back.
func CertificateAlgorithm(algorithm string) string { return certificateName(algorithm) }

// certificateNames returns the names of the certificates' forms of plain.
func certificateNames(plain []string) []string {
	names := make([]string, len(plain))
	for i, name := range plain {
		names[i] = certificateName(name)
	}
	return names
}

// lookupCertificateType returns the type of the keys that certificates of the
// named format are for, nil if there is none.
func lookupCertificateType[T ~string | ~[]byte](name T) *keyType {
	stem, ok := strings.CutSuffix(string(name), certificateVersion+openSSHDomain)
	if !ok {
		return nil
	}
	if t := lookupKeyType(stem); t != nil {
		return t
	}
	return lookupKeyType(stem + openSSHDomain)
}

// SignatureFormat returns the name that signatures made with algorithm carry
// as their format. It is algorithm itself, except that a certificate's key
// signs as the plain key does: rsa-sha2-512 for
// rsa-sha2-512-cert-v01@openssh.com.
func SignatureFormat(algorithm string) string {
	if stem, ok := strings.CutSuffix(algorithm, certificateVersion+openSSHDomain); ok {
		for _, t := range keyTypes {
			for _, plain := range t.algorithms {
				if plain == stem || plain == stem+openSSHDomain {
					return plain
				}
			}
		}
	}
	return algorithm
}

// CertificateAlgorithms returns the algorithms of certificates that clients and
// servers take by default, preferred first: those of [Algorithms].
func CertificateAlgorithms() []string { return certificateNames(Algorithms()) }

// SupportedCertificateAlgorithms returns all algorithms of certificates, those
// of [SupportedAlgorithms].
func SupportedCertificateAlgorithms() []string { return certificateNames(SupportedAlgorithms()) }

// CASignatureAlgorithms returns the algorithms by which authorities may sign
// certificates unless told otherwise, preferred first. They are those of
// [Algorithms].
func CASignatureAlgorithms() []string { return Algorithms() }
