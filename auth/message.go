package auth

import (
	"fmt"

	"github.com/fairlead-go/ssh/wire"
)

// Messages of RFC 4252 that belong to no method. Each has append, which grows
// the caller's slice, and parse, which takes a whole payload, is strict, and
// copies what it keeps unless the field says that it is an alias. The messages
// of a method stand in the method's file.

// expect returns a reader after the message number.
func expect(p []byte, number byte) wire.Reader {
	r := wire.NewReader(p)
	if got := r.Byte(); r.Err() == nil && got != number {
		r.Fail(fmt.Errorf("%w: message %d where %d was due", wire.ErrInvalid, got, number))
	}
	return r
}

func malformed(name string, err error) error {
	return fmt.Errorf("auth: malformed %s: %w", name, err)
}

// serviceMessage is SERVICE_REQUEST or SERVICE_ACCEPT (RFC 4253 section 10).
type serviceMessage struct {
	number  byte
	service string
}

func (m *serviceMessage) append(b []byte) []byte {
	return wire.AppendString(append(b, m.number), m.service)
}

func (m *serviceMessage) parse(p []byte) error {
	r := expect(p, m.number)
	m.service = r.Text()
	if err := r.End(); err != nil {
		return malformed("service message", err)
	}
	return nil
}

// maxName is the longest name of a method, a service or an algorithm (RFC 4250
// section 4.6.1).
const maxName = 64

// readName reads such a name. What it is called ends in logs.
func readName(r *wire.Reader) string {
	b := r.Bytes()
	if len(b) > maxName {
		r.Fail(wire.ErrInvalid)
		return ""
	}
	return string(b)
}

// userauthRequest is USERAUTH_REQUEST (RFC 4252 section 5). fields are those
// of the method, not yet parsed, as an alias.
type userauthRequest struct {
	user, service, method string
	fields                []byte
}

func (m *userauthRequest) append(b []byte) []byte {
	b = append(b, wire.MsgUserauthRequest)
	b = wire.AppendString(b, m.user)
	b = wire.AppendString(b, m.service)
	b = wire.AppendString(b, m.method)
	return append(b, m.fields...)
}

func (m *userauthRequest) parse(p []byte) error {
	r := expect(p, wire.MsgUserauthRequest)
	m.user, m.service, m.method = r.Text(), readName(&r), readName(&r)
	if err := r.Err(); err != nil {
		return malformed("USERAUTH_REQUEST", err)
	}
	m.fields = r.Rest()
	return nil
}

// userauthFailure is USERAUTH_FAILURE (RFC 4252 section 5.1).
type userauthFailure struct {
	methods []string // that can continue
	partial bool
}

func (m *userauthFailure) append(b []byte) []byte {
	b = wire.AppendNameList(append(b, wire.MsgUserauthFailure), m.methods)
	return wire.AppendBool(b, m.partial)
}

func (m *userauthFailure) parse(p []byte) error {
	r := expect(p, wire.MsgUserauthFailure)
	m.methods, m.partial = r.NameList(), r.Bool()
	if err := r.End(); err != nil {
		return malformed("USERAUTH_FAILURE", err)
	}
	return nil
}

// parseSuccess checks a USERAUTH_SUCCESS, which has no fields.
func parseSuccess(p []byte) error {
	r := expect(p, wire.MsgUserauthSuccess)
	if err := r.End(); err != nil {
		return malformed("USERAUTH_SUCCESS", err)
	}
	return nil
}

// userauthBanner is USERAUTH_BANNER (RFC 4252 section 5.4).
type userauthBanner struct {
	message, language string
}

func (m *userauthBanner) append(b []byte) []byte {
	b = wire.AppendString(append(b, wire.MsgUserauthBanner), m.message)
	return wire.AppendString(b, m.language)
}

func (m *userauthBanner) parse(p []byte) error {
	r := expect(p, wire.MsgUserauthBanner)
	m.message, m.language = r.Text(), r.Text()
	if err := r.End(); err != nil {
		return malformed("USERAUTH_BANNER", err)
	}
	return nil
}

// bannerBudget bounds the banners of one connection, sent or received.
type bannerBudget struct{ count, size int }

func (b *bannerBudget) take(message string) bool {
	b.count++
	b.size += len(message)
	return b.count <= maxBanners && b.size <= maxBannerBytes
}
