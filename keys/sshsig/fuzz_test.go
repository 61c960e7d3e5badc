package sshsig

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func FuzzParse(f *testing.F) {
	for _, typ := range keyTypes {
		f.Add(sign(f, generated()[typ], "file", message).Marshal())
	}
	_, certified := certify(f, ed(f, 1), 100, nil)
	f.Add(sign(f, certified, "git", message).Marshal())
	f.Fuzz(func(t *testing.T, b []byte) {
		s, err := Parse(b)
		if err != nil {
			require.Nil(t, s)
			_ = err.Error()
			return
		}
		again, err := Parse(s.Marshal()) // without what is reserved
		require.NoError(t, err)
		require.Equal(t, s.Marshal(), again.Marshal())
		armored, err := ParseArmored(s.Armor())
		require.NoError(t, err)
		require.Equal(t, s.Marshal(), armored.Marshal())
		// There are keys of small order that verify a signature of many messages.
		_, _ = s.CheckSignature(s.Namespace, strings.NewReader("another message"))
	})
}

func FuzzParseArmored(f *testing.F) {
	f.Add(sign(f, ed(f, 0), "file", message).Armor())
	f.Add([]byte(header + "\n\n" + footer))
	f.Fuzz(func(t *testing.T, b []byte) {
		s, err := ParseArmored(b)
		if err != nil {
			require.Nil(t, s)
			return
		}
		require.True(t, bytes.HasPrefix(b, []byte(header)))
		_, err = ParseArmored(s.Armor())
		require.NoError(t, err)
	})
}

func FuzzReadAllowedSigners(f *testing.F) {
	fill := strings.NewReplacer("<K>", line(public(f, 0)), "<C>", line(public(f, 100)), "<O>", line(public(f, 9)))
	for _, odd := range allowedLines {
		f.Add([]byte(fill.Replace(odd)))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		allowed, bad, err := ReadAllowedSigners(bytes.NewReader(data))
		require.NoError(t, err)
		require.LessOrEqual(t, len(allowed)+len(bad), bytes.Count(data, []byte("\n"))+1)
		for _, s := range allowed {
			require.NotNil(t, s.Key)
			require.NotEmpty(t, s.Principals)
			err := AllowedSigners{s}.check("alice", "file", s.Key, time.Now())
			if s.CertAuthority {
				require.ErrorIs(t, err, ErrNotAllowed)
			}
		}
		_ = allowed.FindPrincipals(public(t, 0), time.Time{})
		_ = allowed.MatchPrincipals("alice")
		require.Error(t, allowed.check("", "file", public(t, 0), time.Now()))
	})
}
