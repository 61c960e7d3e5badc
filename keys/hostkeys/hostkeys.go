package hostkeys

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/fairlead-go/ssh/keys"
)

// kinds are the keys that a server has, in the order in which they are
// returned and preferred.
var kinds = []struct {
	file, keyType string
	bits          int // 0 for types of one size
}{
	{"ssh_host_ed25519_key", keys.KeyEd25519, 0},
	{"ssh_host_ecdsa_key", keys.KeyECDSA256, 0},
	{"ssh_host_rsa_key", keys.KeyRSA, 3072},
}

// maxFile is the size of the largest key file that is read, in bytes; that of
// an RSA key of 16384 bits has some 13000.
const maxFile = 64 << 10

// A Host is one host key.
type Host struct {
	Signer  keys.Signer // a *keys.PrivateKey
	Path    string      // of the private key; the public key is at Path + ".pub"
	Created bool        // the private key was made by this call
}

// Signers returns the keys of hosts, in order.
func Signers(hosts []Host) []keys.Signer {
	signers := make([]keys.Signer, len(hosts))
	for i, h := range hosts {
		signers[i] = h.Signer
	}
	return signers
}

// ErrPublicKeyMismatch: a .pub file has another key than the file beside it.
var ErrPublicKeyMismatch = errors.New("not the public key of the private key beside it")

var (
	errNotRegular = errors.New("not a regular file")
	errTooLarge   = errors.New("too large for a key")
)

// A FileError names the file that could not be used. Err says why; where the
// file cannot be parsed it is an error of the package keys, such as
// [*keys.PassphraseNeededError], for host keys may not be encrypted.
type FileError struct {
	Path string
	Err  error
}

func (e *FileError) Error() string { return "hostkeys: " + e.Path + ": " + e.Err.Error() }
func (e *FileError) Unwrap() error { return e.Err }

// An UnprotectedError is returned for a private key of the running user that
// its group or others may read or write.
type UnprotectedError struct {
	Path string
	Mode fs.FileMode // permission bits
}

func (e *UnprotectedError) Error() string {
	return fmt.Sprintf("hostkeys: %s: unprotected private key file: mode %04o lets others at it; it should be 0600", e.Path, e.Mode)
}

// fileError wraps err, without naming the file twice.
func fileError(path string, err error) error {
	if pathErr, ok := errors.AsType[*fs.PathError](err); ok && pathErr.Path == path {
		err = pathErr.Err
	}
	return &FileError{Path: path, Err: err}
}

// LoadOrCreate returns the host keys in dir: ssh_host_ed25519_key,
// ssh_host_ecdsa_key (P-256) and ssh_host_rsa_key (3072 bits), in this order.
// Those that do not exist are made, with mode 0600, and so are missing .pub
// files, with mode 0644; dir itself must exist. Servers that start at the same
// time end with the same keys.
//
// A file that exists but cannot be read or parsed is a [*FileError], a private
// key that others can read an [*UnprotectedError]. Such a file stays as it is.
func LoadOrCreate(dir string) ([]Host, error) {
	hosts := make([]Host, 0, len(kinds))
	for _, kind := range kinds {
		path := filepath.Join(dir, kind.file)
		h, err := Load(path)
		if errors.Is(err, fs.ErrNotExist) {
			h, err = create(path, kind.keyType, kind.bits)
		}
		if err != nil {
			return nil, err
		}
		if err := ensurePublic(h); err != nil {
			return nil, err
		}
		hosts = append(hosts, h)
	}
	return hosts, nil
}

// Load returns the host key in the file path, in any format that
// [keys.ParsePrivateKey] reads. Its errors are those of [LoadOrCreate], with
// fs.ErrNotExist for a file that is not there.
func Load(path string) (Host, error) {
	f, err := os.Open(path)
	if err != nil {
		return Host{}, fileError(path, err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return Host{}, fileError(path, err)
	}
	if !info.Mode().IsRegular() {
		return Host{}, fileError(path, errNotRegular)
	}
	if unprotected(info) {
		return Host{}, &UnprotectedError{Path: path, Mode: info.Mode().Perm()}
	}
	data, err := readAll(f)
	if err != nil {
		return Host{}, fileError(path, err)
	}
	defer clear(data)
	k, err := keys.ParsePrivateKey(data, nil)
	if err != nil {
		return Host{}, fileError(path, err)
	}
	return Host{Signer: k, Path: path}, nil
}

func readAll(f *os.File) ([]byte, error) {
	data := make([]byte, maxFile+1) // read at once, so that no copies stay behind
	n, err := io.ReadFull(f, data)
	if err == nil {
		return nil, errTooLarge
	}
	if !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
		return nil, err
	}
	return data[:n], nil
}

// create makes a key, unless another process makes it first, whose key it
// then returns.
func create(path, keyType string, bits int) (Host, error) {
	k, err := keys.GenerateKey(keyType, bits)
	if err != nil {
		return Host{}, fileError(path, err)
	}
	k.Comment = comment()
	data, err := k.MarshalOpenSSH(keys.MarshalOptions{})
	if err != nil {
		return Host{}, fileError(path, err)
	}
	defer clear(data)
	err = writeNew(path, data, 0o600)
	if errors.Is(err, fs.ErrExist) {
		return Load(path)
	}
	if err != nil {
		return Host{}, fileError(path, err)
	}
	return Host{Signer: k, Path: path, Created: true}, nil
}

// comment names the machine, as ssh-keygen does it.
func comment() string {
	name, err := os.Hostname()
	if err != nil {
		return ""
	}
	return "root@" + name
}

// ensurePublic writes the .pub file of h if it is missing, and compares it if
// it is not.
func ensurePublic(h Host) error {
	path := h.Path + ".pub"
	same, err := isPublicKey(path, h.Signer.PublicKey())
	if errors.Is(err, fs.ErrNotExist) {
		text := ""
		if k, ok := h.Signer.(*keys.PrivateKey); ok {
			text = k.Comment
		}
		err = writeNew(path, keys.MarshalAuthorizedKey(h.Signer.PublicKey(), text), 0o644)
		if !errors.Is(err, fs.ErrExist) {
			if err != nil {
				return fileError(path, err)
			}
			return nil
		}
		same, err = isPublicKey(path, h.Signer.PublicKey())
	}
	if err != nil {
		return fileError(path, err)
	}
	if !same {
		return &FileError{Path: path, Err: ErrPublicKeyMismatch}
	}
	return nil
}

func isPublicKey(path string, want keys.PublicKey) (bool, error) {
	f, err := os.Open(path)
	if err != nil {
		return false, err
	}
	defer f.Close()
	data, err := readAll(f)
	if err != nil {
		return false, err
	}
	got, _, err := keys.ParsePublicKeyLine(data)
	if err != nil {
		return false, err
	}
	return keys.Equal(got, want), nil
}
