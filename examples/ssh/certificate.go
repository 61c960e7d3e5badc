package main

import (
	"slices"

	"github.com/fairlead-go/ssh/keys"
)

// loadCertificate returns the certificate of a file, nil where there is none
// for a user.
func (ids *identities) loadCertificate(path, origin string) *identity {
	data, err := readKey(path)
	if err != nil {
		ids.log.debugf("certificate file %s type -1", path)
		return nil
	}
	c, _, err := keys.ParseCertificateLine(firstLine(data))
	if err != nil {
		ids.log.debugf("certificate file %s: %v", path, err)
		return nil
	}
	return ids.forUser(&identity{ids: ids, path: path, origin: origin, public: c})
}

// forUser returns id unless it is a certificate for no user.
func (ids *identities) forUser(id *identity) *identity {
	if c, ok := id.public.(*keys.Certificate); ok && c.CertificateType() != keys.UserCertificate {
		ids.log.debugf("ignoring certificate %s: not a user certificate", id.path)
		return nil
	}
	return id
}

// certificates returns those of CertificateFile.
func (ids *identities) certificates() (list []*identity) {
	for _, path := range ids.o.CertificateFile {
		if id := ids.loadCertificate(path, " explicit"); id != nil {
			list = append(list, id)
		}
	}
	return list
}

// besides returns the certificate in the .pub file of an identity, in place of
// the plain key, which then only signs for it; id where there is none. OpenSSH
// goes by the .pub file before the private one, too.
func (ids *identities) besides(id *identity) *identity {
	data, err := readKey(id.path + ".pub")
	if err != nil {
		return id
	}
	c, _, err := keys.ParseCertificateLine(firstLine(data))
	if err != nil || !keys.Equal(c.Key(), id.public) {
		return id
	}
	certified := ids.forUser(&identity{ids: ids, path: id.path, origin: id.origin, public: c, private: id})
	if certified == nil {
		return id
	}
	return certified
}

// pair gives each certificate of a file the key that signs for it, which is
// another of the list, and leaves out those for which there is none.
func (ids *identities) pair(list []*identity) []*identity {
	return slices.DeleteFunc(list, func(id *identity) bool {
		c, ok := id.public.(*keys.Certificate)
		if !ok || id.signer != nil || id.private != nil {
			return false
		}
		i := slices.IndexFunc(list, func(other *identity) bool {
			return keys.Equal(other.public, c.Key()) && (other.signer != nil || other.open != nil)
		})
		if i < 0 {
			ids.log.debugf("no private key for certificate %s", id)
			return true
		}
		id.private = list[i]
		return false
	})
}
