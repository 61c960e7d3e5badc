package main

import (
	"context"
	"crypto/rsa"
	"fmt"
	"slices"
	"strings"

	"github.com/fairlead-go/ssh/auth"
	"github.com/fairlead-go/ssh/examples/internal/account"
	"github.com/fairlead-go/ssh/examples/internal/config"
	"github.com/fairlead-go/ssh/examples/internal/serverconfig"
	"github.com/fairlead-go/ssh/keys"
	"github.com/fairlead-go/ssh/keys/authorizedkeys"
)

// anywhere permits every address. The library forwards nothing for a login
// with a forced command unless that is granted; OpenSSH does unless it is
// taken away.
var anywhere = []string{"*:*"}

// grant returns what the user may do who has proven a method: what the
// configuration says, less what the key's line takes away.
func (c *connection) grant(ctx context.Context, key *authorizedkeys.Options) (*auth.Permissions, error) {
	if err := account.CheckExpiry(ctx, c.account.Name); err != nil {
		c.log.infof("User %s account check failed: %v", c.account.Name, err)
		return nil, err
	}
	o := c.opts
	p := &auth.Permissions{
		ForceCommand:      o.ForceCommand,
		NoPTY:             !o.PermitTTY,
		NoPortForwarding:  o.DisableForwarding,
		NoAgentForwarding: o.DisableForwarding || !o.AllowAgentForwarding,
		NoX11Forwarding:   o.DisableForwarding || !o.X11Forwarding,
		NoUserRC:          !o.PermitUserRC,
		VerifyRequired:    o.VerifyRequired,
		PermitOpen:        anywhere, // those of the configuration are PermitDial's
		PermitListen:      anywhere,
	}
	if key == nil {
		return p, nil
	}
	if key.HasCommand && o.ForceCommand == "" {
		if p.ForceCommand = key.Command; key.Command == "" {
			p.ForceCommand = auth.EmptyCommand
		}
	}
	for _, e := range key.Environment {
		if name, _, _ := strings.Cut(e, "="); c.permitsUserEnv(name) {
			p.Environment = append(p.Environment, e)
		}
	}
	p.NoPTY = p.NoPTY || key.NoPTY
	p.NoPortForwarding = p.NoPortForwarding || key.NoPortForwarding
	p.NoAgentForwarding = p.NoAgentForwarding || key.NoAgentForwarding
	p.NoX11Forwarding = p.NoX11Forwarding || key.NoX11Forwarding
	p.NoUserRC = p.NoUserRC || key.NoUserRC
	p.VerifyRequired = p.VerifyRequired || key.VerifyRequired
	p.NoTouchRequired = key.NoTouchRequired && !o.TouchRequired
	if key.PermitOpen != nil {
		p.PermitOpen = key.PermitOpen
	}
	if key.PermitListen != nil {
		p.PermitListen = key.PermitListen
	}
	return p, nil
}

// permitsUserEnv says whether the user's files may set a variable.
func (c *connection) permitsUserEnv(name string) bool {
	switch v := c.opts.PermitUserEnvironment; strings.ToLower(v) {
	case serverconfig.No, "false":
		return false
	case serverconfig.Yes, "true":
		return true
	default:
		return config.MatchList(name, v) > 0
	}
}

// acceptable refuses an RSA key that is shorter than RequiredRSASize, and
// algorithms that PubkeyAcceptedAlgorithms and CASignatureAlgorithms have for
// others, but not for this user.
func (c *connection) acceptable(algorithm string, key keys.PublicKey) error {
	a, _, err := chooseAlgorithms(c.opts)
	if err != nil {
		return err
	}
	if !slices.Contains(a.publicKey, algorithm) {
		return fmt.Errorf("signature algorithm %s is not in PubkeyAcceptedAlgorithms", algorithm)
	}
	if cert, ok := key.(*keys.Certificate); ok && !slices.Contains(a.authority, cert.SignatureAlgorithm()) {
		return fmt.Errorf("authority's signature algorithm %s is not in CASignatureAlgorithms", cert.SignatureAlgorithm())
	}
	k, ok := keys.PlainKey(key).(keys.CryptoPublicKey)
	if !ok {
		return nil
	}
	if r, ok := k.CryptoPublicKey().(*rsa.PublicKey); ok && r.N.BitLen() < c.opts.RequiredRSASize {
		return fmt.Errorf("RSA key of %d bits is shorter than RequiredRSASize", r.N.BitLen())
	}
	return nil
}
