package krl

import (
	"bytes"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func FuzzParse(f *testing.F) {
	f.Add(full(f).Marshal())
	f.Add(section(header(), sectionExtension, extensionOf("x@y", false)))
	f.Add(ofAuthority(nil, section(nil, certSerialBitmap, append(u64(10), mpint(0x81, 0x05)...))))
	f.Fuzz(func(t *testing.T, data []byte) {
		l, err := Parse(data)
		if err != nil {
			require.Nil(t, l)
			_ = err.Error()
			return
		}
		again, err := Parse(l.Marshal())
		require.NoError(t, err)
		require.Equal(t, l.Marshal(), again.Marshal())
		require.LessOrEqual(t, l.ranges, 8*len(data))
		for authority, c := range l.certs {
			for _, r := range c.serials {
				require.True(t, contains(again.certs[authority].serials, r.First))
				require.True(t, contains(again.certs[authority].serials, r.Last))
			}
		}
	})
}

func FuzzRead(f *testing.F) {
	f.Add([]byte("# revoked\n" + line(f, 1) + "\n" + strings.TrimSpace(line(f, 2))))
	f.Add([]byte("ssh-dss AAAAB3NzaC1kc3M="))
	f.Add([]byte("SSHKRL\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		l, err := Read(bytes.NewReader(data))
		if err != nil {
			require.Nil(t, l)
			_ = err.Error()
			return
		}
		require.LessOrEqual(t, len(l.blobs), bytes.Count(data, []byte("\n"))+1+len(data)/4)
		_ = l.Check(public(t, 1))
	})
}
