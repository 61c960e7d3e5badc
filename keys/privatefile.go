package keys

// MarshalOptions says how a private key is written.
type MarshalOptions struct {
	// Passphrase encrypts the key if it is not empty.
	Passphrase []byte
	// Rounds is the work factor of the passphrase, 1 to [MaxRounds]; 0 means
	// 24, as OpenSSH has it.
	Rounds int
}

// MaxRounds is the greatest bcrypt work factor that is read or written.
const MaxRounds = 1024

// ParsePrivateKey opens a private key file of any supported format.
func ParsePrivateKey(data, passphrase []byte) (*PrivateKey, error) {
	return nil, ErrUnknownFormat
}

// MarshalOpenSSH returns the key as a PEM file in OpenSSH's format.
func (k *PrivateKey) MarshalOpenSSH(o MarshalOptions) ([]byte, error) {
	return nil, errOpaque
}
