package keys

import (
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"

	"github.com/fairlead-go/ssh/wire"
)

// Critical options of user certificates. One that is not known makes a
// certificate useless; host certificates have none.
const (
	ForceCommandOption   = "force-command"   // its value runs instead of all else
	SourceAddressOption  = "source-address"  // networks, with commas between, that logins may come from
	VerifyRequiredOption = "verify-required" // a security key must have verified its user
)

// Extensions of user certificates. Each permits something, and has no value.
// One that is not known means nothing.
const (
	NoTouchRequired       = "no-touch-required" // a security key need not have been touched
	PermitAgentForwarding = "permit-agent-forwarding"
	PermitPortForwarding  = "permit-port-forwarding"
	PermitPTY             = "permit-pty"
	PermitUserRC          = "permit-user-rc"
	PermitX11Forwarding   = "permit-X11-forwarding"
)

// StandardExtensions returns the extensions that ssh-keygen gives a user
// certificate unless told otherwise: all but [NoTouchRequired].
func StandardExtensions() map[string]string {
	return map[string]string{
		PermitAgentForwarding: "", PermitPortForwarding: "", PermitPTY: "", PermitUserRC: "", PermitX11Forwarding: "",
	}
}

// CertificateOptions is what the critical options and extensions of a user
// certificate say. The zero value permits nothing.
type CertificateOptions struct {
	// ForceCommand is to be run whatever the client asks for, where
	// HasForceCommand is set; it may be empty.
	ForceCommand    string
	HasForceCommand bool
	// SourceAddresses are the networks that the client must be in. Nil lets
	// all in.
	SourceAddresses []netip.Prefix
	VerifyRequired  bool

	NoTouchRequired       bool
	PermitAgentForwarding bool
	PermitPortForwarding  bool
	PermitPTY             bool
	PermitUserRC          bool
	PermitX11Forwarding   bool
}

// An OptionError is a critical option that is not known, or an option whose
// value is malformed.
type OptionError struct {
	Name string // as the certificate has it, not escaped
	Err  error
}

func (e *OptionError) Error() string {
	return "keys: certificate option " + quote(e.Name) + ": " + e.Err.Error()
}
func (e *OptionError) Unwrap() error { return e.Err }

var (
	// ErrUnknownOption: a certificate has a critical option that is not known.
	ErrUnknownOption = errors.New("critical option is not known")

	errFlagValue  = errors.New("has a value, and should have none")
	errNetworks   = errors.New("not a list of addresses and networks")
	errOptionText = errors.New("value is not one string")
)

// criticalOptions are those known. text is set for those with a value.
var criticalOptions = map[string]struct {
	text bool
	set  func(o *CertificateOptions, value string) error
}{
	ForceCommandOption: {true, func(o *CertificateOptions, value string) error {
		o.ForceCommand, o.HasForceCommand = value, true
		return nil
	}},
	SourceAddressOption: {true, func(o *CertificateOptions, value string) (err error) {
		o.SourceAddresses, err = parseNetworks(value)
		return err
	}},
	VerifyRequiredOption: {false, func(o *CertificateOptions, _ string) error {
		o.VerifyRequired = true
		return nil
	}},
}

var knownExtensions = map[string]func(o *CertificateOptions) *bool{
	NoTouchRequired:       func(o *CertificateOptions) *bool { return &o.NoTouchRequired },
	PermitAgentForwarding: func(o *CertificateOptions) *bool { return &o.PermitAgentForwarding },
	PermitPortForwarding:  func(o *CertificateOptions) *bool { return &o.PermitPortForwarding },
	PermitPTY:             func(o *CertificateOptions) *bool { return &o.PermitPTY },
	PermitUserRC:          func(o *CertificateOptions) *bool { return &o.PermitUserRC },
	PermitX11Forwarding:   func(o *CertificateOptions) *bool { return &o.PermitX11Forwarding },
}

// Options returns what a user certificate's critical options and extensions
// say. The error is an [*OptionError]: [ErrUnknownOption] for a critical option
// that is not known, which every one of a host certificate is, or why a value
// cannot be understood.
func (c *Certificate) Options() (*CertificateOptions, error) {
	o := new(CertificateOptions)
	for _, option := range c.critical {
		known, ok := criticalOptions[option.name]
		if !ok || c.certType != UserCertificate {
			return nil, &OptionError{Name: option.name, Err: ErrUnknownOption}
		}
		value, err := optionValue(option.data, known.text)
		if err == nil {
			err = known.set(o, value)
		}
		if err != nil {
			return nil, &OptionError{Name: option.name, Err: err}
		}
	}
	for _, option := range c.extensions {
		known, ok := knownExtensions[option.name]
		if !ok || c.certType != UserCertificate {
			continue
		}
		if len(option.data) > 0 {
			return nil, &OptionError{Name: option.name, Err: errFlagValue}
		}
		*known(o) = true
	}
	return o, nil
}

// optionValue returns the string that the data of an option with a value is.
func optionValue(data []byte, text bool) (string, error) {
	if !text {
		if len(data) > 0 {
			return "", errFlagValue
		}
		return "", nil
	}
	r := wire.NewReader(data)
	value := r.Text()
	if r.End() != nil {
		return "", errOptionText
	}
	if hasZero(value) {
		return "", errZeroByte
	}
	return value, nil
}

// appendOption appends an option with its value. One that has none, or an
// empty value and a name that is not known, has empty data.
func appendOption(b []byte, name, value string) []byte {
	b = wire.AppendString(b, name)
	if value == "" && !criticalOptions[name].text {
		return wire.AppendString(b, "")
	}
	return wire.AppendString(b, wire.AppendString(nil, value))
}

// optionMap returns the options with the strings that their data are; data of
// another form stand as they are.
func optionMap(options []certificateOption) map[string]string {
	m := make(map[string]string, len(options))
	for _, o := range options {
		m[o.name] = string(o.data)
		if value, err := optionValue(o.data, true); err == nil {
			m[o.name] = value
		}
	}
	return m
}

// parseNetworks parses source-address: addresses, and networks without host
// bits, as addr/bits.
func parseNetworks(s string) ([]netip.Prefix, error) {
	networks := []netip.Prefix{}
	for entry := range strings.SplitSeq(s, ",") {
		if addr, err := netip.ParseAddr(entry); err == nil && addr.Zone() == "" {
			addr = addr.Unmap()
			networks = append(networks, netip.PrefixFrom(addr, addr.BitLen()))
			continue
		}
		network, err := netip.ParsePrefix(entry)
		if err != nil || network.Masked() != network {
			return nil, fmt.Errorf("%w: %s", errNetworks, quote(entry))
		}
		if network.Addr().Is4In6() && network.Bits() >= 96 {
			network = netip.PrefixFrom(network.Addr().Unmap(), network.Bits()-96)
		}
		networks = append(networks, network)
	}
	return networks, nil
}

// AllowsAddress reports whether a client at addr may log in: it must be in one
// of SourceAddresses where that is not nil. An addr that is not valid is in
// none. An IPv4 address mapped to IPv6 counts as IPv4.
func (o *CertificateOptions) AllowsAddress(addr netip.Addr) bool {
	if o.SourceAddresses == nil {
		return true
	}
	addr = addr.Unmap().WithZone("")
	return slices.ContainsFunc(o.SourceAddresses, func(p netip.Prefix) bool { return p.Contains(addr) })
}

// sortedOptions returns the wire form of options in the order of their names,
// which the format asks for.
func sortedOptions(m map[string]string) []byte {
	var b []byte
	for _, name := range slices.Sorted(maps.Keys(m)) {
		b = appendOption(b, name, m[name])
	}
	return b
}
