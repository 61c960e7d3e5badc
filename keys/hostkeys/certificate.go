package hostkeys

import (
	"errors"
	"os"

	"github.com/fairlead-go/ssh/keys"
)

// Why a file's certificate cannot be a server's, in a [FileError].
var (
	ErrUserCertificate = errors.New("not a host's certificate")
	ErrNoKey           = errors.New("no host key is the one that the certificate is for")
)

// LoadCertificate reads a certificate for one of the host keys from a -cert.pub
// file, as ssh-keygen -h -s makes it. The Signer that it returns belongs before
// the plain keys, which a server keeps for clients that do not know the
// authority. Its errors are those of [LoadOrCreate], with fs.ErrNotExist for a
// file that is not there.
func LoadCertificate(path string, hostKeys ...keys.Signer) (keys.Signer, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fileError(path, err)
	}
	defer f.Close()
	data, err := readAll(f)
	if err != nil {
		return nil, fileError(path, err)
	}
	c, _, err := keys.ParseCertificateLine(data)
	if err != nil {
		return nil, fileError(path, err)
	}
	if c.CertificateType() != keys.HostCertificate {
		return nil, fileError(path, ErrUserCertificate)
	}
	for _, k := range hostKeys {
		if keys.Equal(k.PublicKey(), c.Key()) {
			return keys.NewCertificateSigner(c, k)
		}
	}
	return nil, fileError(path, ErrNoKey)
}
