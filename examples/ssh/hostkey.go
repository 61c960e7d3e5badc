package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/netip"
	"os"
	"slices"
	"strconv"

	"github.com/fairlead-go/ssh/examples/internal/clientconfig"
	"github.com/fairlead-go/ssh/keys"
	"github.com/fairlead-go/ssh/keys/knownhosts"
	"github.com/fairlead-go/ssh/keys/krl"
	"github.com/fairlead-go/ssh/transport"
)

// errHostKey refuses a host key whose owner has been told why.
var errHostKey = errors.New("host key is not accepted")

// keyAddress is the "host:port" by which the server's key is known.
func (c *connection) keyAddress() string {
	name, port := c.o.HostKeyName()
	return net.JoinHostPort(name, strconv.Itoa(port))
}

// keyName is the same as known_hosts writes it.
func (c *connection) keyName() string {
	name, port := c.o.HostKeyName()
	if port == 22 {
		return name
	}
	return "[" + name + "]:" + strconv.Itoa(port)
}

// A hostKeys decides on the key of one connection's server.
type hostKeys struct {
	*connection
	db    *knownhosts.DB
	learn bool // the first of db's files is the user's
}

// hostKeys returns what decides on the server's key, and the algorithms to ask
// for: those of known keys first, unless the user has chosen.
func (c *connection) hostKeys() (transport.HostKeyVerifier, []string, error) {
	h := &hostKeys{connection: c, learn: len(c.o.UserKnownHostsFile) > 0}
	algorithms := c.algorithms.hostKeys
	var files []string
	for i, f := range slices.Concat(c.o.UserKnownHostsFile, c.o.GlobalKnownHostsFile) {
		r, err := os.Open(f)
		switch {
		case err == nil:
			r.Close()
		case errors.Is(err, fs.ErrNotExist):
		case i < len(c.o.UserKnownHostsFile):
			return nil, nil, fmt.Errorf("%s: %s", f, reason(err)) // it may know better than to trust the server
		default:
			c.log.debugf("hostkeys_foreach failed for %s: %s", f, reason(err))
			continue
		}
		files = append(files, f)
	}
	if len(files) > 0 {
		var err error
		if h.db, err = knownhosts.Open(files...); err != nil {
			return nil, nil, err
		}
		h.db.CASignatureAlgorithms = c.algorithms.authorities
		if op := c.o.HostKeyAlgorithms.Op; c.o.HostKeyAlgorithms.IsZero() || op == '+' || op == '-' {
			algorithms = h.db.HostKeyAlgorithms(c.keyAddress(), c.remote, algorithms)
		}
	}
	return h.verify, algorithms, nil
}

func (h *hostKeys) verify(ctx context.Context, address string, remote net.Addr, key keys.PublicKey) error {
	o, name := h.o, keys.ShortName(key)
	h.log.debugf("Server host key: %s %s", key.Type(), keys.FingerprintSHA256(key))
	if err := h.revoked(key); err != nil {
		return err
	}
	if o.NoHostAuthForLocal && h.loopback() {
		h.log.debugf("Forcing accepting of host key for loopback/localhost.")
		return nil
	}
	var err error = &knownhosts.KeyError{Address: address, Got: keys.PlainKey(key)} // where there is no file
	if h.db != nil {
		err = h.db.Check(address, remote, key)
	}
	known, isKeyError := errors.AsType[*knownhosts.KeyError](err)
	if isKeyError && known.Certificate != nil && !errors.Is(known.Certificate, keys.ErrUnknownAuthority) {
		h.log.errorf("Certificate invalid: %v", known.Certificate)
	}
	key = keys.PlainKey(key)
	switch {
	case err == nil:
		h.log.debugf("Host '%s' is known and matches the %s host key.", h.keyName(), name)
		if h.o.VisualHostKey {
			h.log.infof("Host key fingerprint is: %s\n%s", h.fingerprint(key), h.picture(key))
		}
		return nil
	case !isKeyError:
		h.log.errorf("%v", err)
		return errHostKey
	case errors.Is(err, knownhosts.ErrRevoked):
		h.warnRevoked(known)
		return errHostKey
	case errors.Is(err, knownhosts.ErrHostKeyChanged):
		return h.changed(known)
	}
	return h.unknown(ctx, address, key)
}

// unknown decides on the key of a host that no file names.
func (h *hostKeys) unknown(ctx context.Context, address string, key keys.PublicKey) error {
	name := keys.ShortName(key)
	switch h.o.StrictHostKeyChecking {
	case clientconfig.Yes:
		h.log.errorf("No %s host key is known for %s and you have requested strict checking.", name, h.keyName())
		return errHostKey
	case clientconfig.Ask:
		ok, err := h.ask(ctx, key)
		if err != nil || !ok {
			return errHostKey
		}
		// Another program may have learned a key while the user was thinking.
		if h.db != nil {
			if again, changed := errors.AsType[*knownhosts.KeyError](h.db.Check(address, nil, key)); changed && !errors.Is(again, knownhosts.ErrUnknownHost) {
				return h.changed(again)
			}
		}
	}
	if !h.learn {
		return nil
	}
	if err := h.db.Add(address, key, knownhosts.AddOptions{Hash: h.o.HashKnownHosts}); err != nil {
		h.log.infof("Failed to add the host to the list of known hosts (%s).", h.o.UserKnownHostsFile[0])
		h.log.debugf("%v", err)
		return nil
	}
	h.log.infof("Warning: Permanently added '%s' (%s) to the list of known hosts.", h.keyName(), name)
	return nil
}

func (h *hostKeys) ask(ctx context.Context, key keys.PublicKey) (bool, error) {
	host := h.keyName()
	if ip, ok := h.remote.(*net.TCPAddr); ok {
		host = fmt.Sprintf("%s (%s)", host, ip.IP)
	} else {
		host += " (<no hostip for proxy command>)"
	}
	picture := ""
	if h.o.VisualHostKey {
		picture = h.picture(key) + "\n"
	}
	question := fmt.Sprintf("The authenticity of host '%s' can't be established.\n%s key fingerprint is %s.\n%s"+
		"Are you sure you want to continue connecting (yes/no/[fingerprint])? ",
		host, keys.ShortName(key), h.fingerprint(key), picture)
	return h.prompt.ConfirmHostKey(ctx, question, h.fingerprint(key))
}

func (h *hostKeys) fingerprint(key keys.PublicKey) string {
	if h.o.FingerprintHash == "md5" {
		return keys.FingerprintMD5(key)
	}
	return keys.FingerprintSHA256(key)
}

func (h *hostKeys) picture(key keys.PublicKey) string {
	if h.o.FingerprintHash == "md5" {
		return keys.RandomArtMD5(key)
	}
	return keys.RandomArtSHA256(key)
}

const rule = "@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@"

// changed decides on a key that is not the known one: it is refused unless
// the user checks nothing, and even then no password goes there.
func (h *hostKeys) changed(e *knownhosts.KeyError) error {
	name, offending := keys.ShortName(e.Got), e.Want[0]
	for _, line := range []string{
		rule,
		"@    WARNING: REMOTE HOST IDENTIFICATION HAS CHANGED!     @",
		rule,
		"IT IS POSSIBLE THAT SOMEONE IS DOING SOMETHING NASTY!",
		"Someone could be eavesdropping on you right now (man-in-the-middle attack)!",
		"It is also possible that a host key has just been changed.",
		fmt.Sprintf("The fingerprint for the %s key sent by the remote host is", name),
		h.fingerprint(e.Got) + ".",
		"Please contact your system administrator.",
		fmt.Sprintf("Add correct host key in %s to get rid of this message.", offending.File),
		fmt.Sprintf("Offending %s key in %s:%d", keys.ShortName(offending.Key), offending.File, offending.Line),
		"  remove with:",
		fmt.Sprintf("  ssh-keygen -f %q -R %q", offending.File, h.keyName()),
	} {
		h.log.errorf("%s", line)
	}
	if h.o.StrictHostKeyChecking != clientconfig.No {
		h.log.errorf("Host key for %s has changed and you have requested strict checking.", h.keyName())
		return errHostKey
	}
	h.untrusted = true
	h.o.ForwardAgent = clientconfig.No
	h.o.LocalForward, h.o.RemoteForward, h.o.DynamicForward = nil, nil, nil
	h.log.errorf("Password authentication is disabled to avoid man-in-the-middle attacks.")
	h.log.errorf("Keyboard-interactive authentication is disabled to avoid man-in-the-middle attacks.")
	h.log.errorf("Agent and port forwarding are disabled to avoid man-in-the-middle attacks.")
	return nil
}

func (h *hostKeys) warnRevoked(e *knownhosts.KeyError) {
	for _, line := range []string{
		rule,
		"@       WARNING: REVOKED HOST KEY DETECTED!               @",
		rule,
		fmt.Sprintf("The %s host key for %s is marked as revoked.", keys.ShortName(e.Got), h.keyName()),
		"This could mean that a stolen key is being used to impersonate this host.",
		fmt.Sprintf("Offending line is %s:%d", e.Revoked.File, e.Revoked.Line),
	} {
		h.log.errorf("%s", line)
	}
}

// revoked holds key against RevokedHostKeys, a key revocation list or
// a file of public keys. One that cannot be read revokes everything.
func (h *hostKeys) revoked(key keys.PublicKey) error {
	if h.o.RevokedHostKeys == "" || h.o.RevokedHostKeys == clientconfig.None {
		return nil
	}
	list, err := krl.Open(h.o.RevokedHostKeys)
	if err == nil {
		err = list.Check(key)
	}
	switch {
	case err == nil:
		return nil
	case errors.Is(err, krl.ErrRevoked):
		h.log.errorf("Host key %s %s revoked by file %s", keys.ShortName(key), keys.FingerprintSHA256(key), h.o.RevokedHostKeys)
	default:
		h.log.errorf("Error checking host key in revoked keys file %s: %s", h.o.RevokedHostKeys, reason(err))
	}
	return errHostKey
}

// loopback says that the server is this machine, as far as is known.
func (c *connection) loopback() bool {
	tcp, ok := c.remote.(*net.TCPAddr)
	if !ok {
		return false
	}
	addr, ok := netip.AddrFromSlice(tcp.IP)
	return ok && addr.Unmap().IsLoopback()
}
