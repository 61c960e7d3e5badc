package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"
	"strings"
	"syscall"

	"github.com/fairlead-go/ssh/examples/internal/clientconfig"
	"github.com/fairlead-go/ssh/examples/internal/skhelper"
	"github.com/fairlead-go/ssh/keys"
	"github.com/fairlead-go/ssh/keys/agent"
)

// identities are the keys to log in with: certificates of CertificateFile, the
// agent's keys that the configuration names, the agent's others, and those that
// are only in files.
type identities struct {
	*connection
	agent *agent.Client
}

func (ids *identities) close() {
	if ids.agent != nil {
		ids.agent.Close()
	}
}

// signers implements auth.PublicKeysFunc.
func (ids *identities) signers(ctx context.Context) ([]keys.Signer, error) {
	ids.log.debugf("Next authentication method: publickey")
	fromAgent := ids.fromAgent(ctx)
	list := ids.certificates()
	var files []*identity
	for _, path := range ids.o.KeyFiles() {
		for _, id := range []*identity{ids.load(ctx, path), ids.loadCertificate(path+"-cert.pub", ids.explicit())} {
			if id == nil {
				continue
			}
			i := slices.IndexFunc(fromAgent, func(a *identity) bool { return keys.Equal(a.public, id.public) })
			_, certified := id.public.(*keys.Certificate)
			switch {
			case i >= 0:
				fromAgent[i].path, fromAgent[i].origin = id.path, id.origin+" agent"
				list = append(list, fromAgent[i])
				fromAgent = slices.Delete(fromAgent, i, i+1)
			case id.open != nil || certified:
				files = append(files, id)
			}
		}
	}
	if !ids.o.IdentitiesOnly {
		list = append(list, fromAgent...)
	}
	list = ids.pair(append(list, files...))
	signers := make([]keys.Signer, len(list))
	for i, id := range list {
		ids.log.debugf("Will attempt key: %s", id)
		signers[i] = id
	}
	return signers, nil
}

func (ids *identities) fromAgent(ctx context.Context) []*identity {
	socket := agentSocket(ids.o.IdentityAgent)
	if socket == "" {
		return nil
	}
	var err error
	if ids.agent, err = agent.Dial(ctx, socket); err != nil {
		ids.log.debugf("get_agent_identities: %v", err)
		return nil
	}
	held, err := ids.agent.List(ctx)
	if err != nil {
		ids.log.debugf("get_agent_identities: %v", err)
		return nil
	}
	var out []*identity
	for _, k := range held {
		if id := ids.forUser(&identity{ids: ids, path: k.Comment, origin: " agent", public: k.PublicKey(), signer: k}); id != nil {
			out = append(out, id)
		}
	}
	return out
}

// agentSocket is the socket that IdentityAgent or ForwardAgent names.
func agentSocket(value string) string {
	switch {
	case value == clientconfig.None:
		return ""
	case value == "", value == clientconfig.Yes, value == "SSH_AUTH_SOCK":
		return os.Getenv("SSH_AUTH_SOCK")
	case strings.HasPrefix(value, "$"):
		return os.Getenv(value[1:])
	}
	return value
}

// An identity is a key to log in with. It is a keys.Signer that opens its file
// only when the server has said that the key would do.
type identity struct {
	ids    *identities
	path   string
	origin string // " explicit", " agent" or both
	public keys.PublicKey
	signer keys.Signer // nil until opened
	open   func(ctx context.Context) (keys.Signer, error)
	ctx    context.Context // of the login, to open a file with that does not show its public key

	private *identity // of a certificate in a file: the key that signs for it
}

func (id *identity) String() string {
	if id.public == nil {
		return id.path + id.origin
	}
	return fmt.Sprintf("%s %s %s%s", id.path, keys.ShortName(id.public), keys.FingerprintSHA256(id.public), id.origin)
}

// PublicKey is first asked for when the key's turn has come. It opens the file
// if that is the only way to tell.
func (id *identity) PublicKey() keys.PublicKey {
	if id.public == nil && id.open != nil {
		signer, err := id.open(id.ctx)
		id.open = nil
		if err != nil {
			id.ids.log.debugf("Load key \"%s\": %v", id.path, err)
			return nil
		}
		id.signer, id.public = signer, signer.PublicKey()
	}
	return id.public
}

// Algorithms is asked for when the key's turn has come.
func (id *identity) Algorithms() []string {
	names := id.public.Algorithms()
	if id.signer != nil {
		names = id.signer.Algorithms()
	}
	if p := id.private; p != nil && p.signer != nil {
		names = slices.DeleteFunc(names, func(name string) bool {
			return !slices.Contains(p.signer.Algorithms(), keys.SignatureFormat(name))
		})
	}
	names = slices.DeleteFunc(names, func(name string) bool { return !slices.Contains(id.ids.algorithms.publicKeys, name) })
	if len(names)+len(id.LegacyAlgorithms()) == 0 {
		id.ids.log.debugf("Skipping %s key %s - corresponding algorithm not in PubkeyAcceptedAlgorithms", id.public.Type(), id.path)
	} else {
		id.ids.log.debugf("Offering public key: %s", id)
	}
	return names
}

// LegacyAlgorithms are those that the user has named.
func (id *identity) LegacyAlgorithms() []string {
	return slices.DeleteFunc(keys.LegacyAlgorithmsOf(id.public), func(name string) bool {
		return !slices.Contains(id.ids.algorithms.publicKeys, name)
	})
}

// SignLegacy is Sign with one of LegacyAlgorithms.
func (id *identity) SignLegacy(ctx context.Context, algorithm string, data []byte) (*keys.Signature, error) {
	signer, err := id.accepted(ctx)
	if err != nil {
		return nil, err
	}
	old, ok := signer.(keys.LegacySigner)
	if !ok {
		return nil, &keys.AlgorithmError{KeyType: id.public.Type(), Algorithm: algorithm}
	}
	return old.SignLegacy(ctx, algorithm, data)
}

// Sign is called when the server would take the key.
func (id *identity) Sign(ctx context.Context, algorithm string, data []byte) (*keys.Signature, error) {
	signer, err := id.accepted(ctx)
	if err != nil {
		return nil, err
	}
	return signer.Sign(ctx, algorithm, data)
}

func (id *identity) accepted(ctx context.Context) (keys.Signer, error) {
	id.ids.log.debugf("Server accepts key: %s", id)
	return id.unlocked(ctx)
}

// unlocked returns what signs, after opening the file if it has not been yet.
func (id *identity) unlocked(ctx context.Context) (_ keys.Signer, err error) {
	switch {
	case id.signer != nil:
	case id.private != nil:
		var key keys.Signer
		if key, err = id.private.unlocked(ctx); err == nil {
			id.signer, err = keys.NewCertificateSigner(id.public.(*keys.Certificate), key)
		}
	default:
		id.signer, err = id.open(ctx)
	}
	return id.signer, err
}

// explicit is the origin of a key that the user has named.
func (ids *identities) explicit() string {
	if ids.o.IdentityFileGiven {
		return " explicit"
	}
	return ""
}

// maxKeyFile bounds what is read of a key file, in bytes.
const maxKeyFile = 1 << 20

// load returns the key of a file, which may be encrypted, or be only the
// public half of one that an agent holds; nil where there is none.
func (ids *identities) load(ctx context.Context, path string) *identity {
	id := &identity{ids: ids, path: path, origin: ids.explicit(), ctx: ctx}
	defer func() {
		if id.public == nil {
			ids.log.debugf("identity file %s type -1", path)
		} else {
			ids.log.debugf("identity file %s type %s", path, id.public.Type())
		}
	}()
	data, err := readKey(path)
	if err != nil {
		return id.orPublic(path)
	}
	key, err := keys.ParsePrivateKey(data, nil)
	if errors.Is(err, keys.ErrUnknownFormat) {
		if id.public = parsePublic(data); id.public != nil {
			return id
		}
	}
	if ids.protected(path) != nil {
		return id.orPublic(path)
	}
	if locked, ok := errors.AsType[*keys.PassphraseNeededError](err); ok {
		id.open = func(ctx context.Context) (keys.Signer, error) { return ids.unlock(ctx, path, data) }
		if id.public = locked.PublicKey; id.public == nil {
			id.orPublic(path)
		}
		return ids.besides(id)
	}
	if err != nil {
		ids.log.errorf("Load key \"%s\": %v", path, err)
		return id.orPublic(path)
	}
	id.public, id.signer = key.PublicKey(), ids.reach(key, path)
	id.open = func(context.Context) (keys.Signer, error) { return id.signer, nil }
	return ids.besides(id)
}

// reach returns what signs with the key of a file: the key itself, or OpenSSH's
// helper if it is a security key's.
func (ids *identities) reach(key *keys.PrivateKey, path string) keys.Signer {
	signer, err := skhelper.New(key, ids.o.SecurityKeyProvider, func(ctx context.Context) (string, error) {
		if ids.o.BatchMode {
			return "", skhelper.ErrPIN
		}
		return ids.prompt.Ask(ctx, fmt.Sprintf("Enter PIN for %s key %s: ", key.PublicKey().Type(), path), false)
	})
	if err != nil {
		return key
	}
	return signer
}

// orPublic falls back on the public key beside a file.
func (id *identity) orPublic(path string) *identity {
	data, err := readKey(path + ".pub")
	if err != nil {
		return nil
	}
	if id.public = parsePublic(data); id.public == nil {
		return nil
	}
	return id
}

// parsePublic returns the key of a public key file, or of its first line, which
// may be a certificate.
func parsePublic(data []byte) keys.PublicKey {
	if key, _, err := keys.ParsePublicKeyLine(firstLine(data)); err == nil {
		return key
	}
	if key, _, err := keys.ParsePublicKeyFile(data); err == nil {
		return key
	}
	if c, _, err := keys.ParseCertificateLine(firstLine(data)); err == nil {
		return c
	}
	return nil
}

func readKey(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(io.LimitReader(f, maxKeyFile))
}

func firstLine(data []byte) []byte {
	line, _, _ := strings.Cut(string(data), "\n")
	return []byte(strings.TrimRight(line, "\r"))
}

// protected refuses a private key that others than its owner can read.
func (ids *identities) protected(path string) error {
	info, err := os.Stat(path)
	if err != nil {
		return err
	}
	if !ours(info) || info.Mode().Perm()&0o077 == 0 {
		return nil
	}
	for _, line := range []string{
		rule,
		"@         WARNING: UNPROTECTED PRIVATE KEY FILE!          @",
		rule,
		fmt.Sprintf("Permissions %#o for '%s' are too open.", info.Mode().Perm(), path),
		"It is required that your private key files are NOT accessible by others.",
		"This private key will be ignored.",
		fmt.Sprintf("Load key \"%s\": bad permissions", path),
	} {
		ids.log.errorf("%s", line)
	}
	return os.ErrPermission
}

// ours says that the file belongs to who runs the program: the permissions of
// others' files are their own affair.
func ours(info fs.FileInfo) bool {
	s, ok := info.Sys().(*syscall.Stat_t)
	return !ok || int(s.Uid) == os.Getuid()
}

// unlock asks for the passphrase of a key file until it is right, the user
// types nothing, or the prompts are used up.
func (ids *identities) unlock(ctx context.Context, path string, data []byte) (keys.Signer, error) {
	if ids.o.BatchMode {
		return nil, errors.New("no passphrase in batch mode")
	}
	for range ids.o.NumberOfPasswordPrompts {
		passphrase, err := ids.prompt.Ask(ctx, fmt.Sprintf("Enter passphrase for key '%s': ", path), false)
		if err != nil {
			return nil, err
		}
		if passphrase == "" {
			ids.log.debug2f("no passphrase given, try next key")
			break
		}
		key, err := keys.ParsePrivateKey(data, []byte(passphrase))
		if err == nil {
			return ids.reach(key, path), nil
		}
		if !errors.Is(err, keys.ErrWrongPassphrase) {
			return nil, err
		}
		ids.log.debug2f("bad passphrase given, try again...")
	}
	return nil, keys.ErrWrongPassphrase
}
