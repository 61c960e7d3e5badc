package kex

import (
	"crypto"
	"crypto/ed25519"
	"crypto/mlkem"
	"encoding/hex"
	"encoding/json"
	"math/big"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/fairlead-go/ssh/wire"
)

// TestRecordedByName is TestRecordedTranscripts for the methods that servers
// have by name only: the secrets of the client, its messages and the server's.
func TestRecordedByName(t *testing.T) {
	data, err := os.ReadFile("testdata/recorded.json")
	require.NoError(t, err)
	var recorded []struct {
		Peer, Method, ClientVersion, ServerVersion, ClientKexInit, ServerKexInit string
		MLKEMSeed, ECDHKey, Exponent, Request, Group, Init, Reply                string
	}
	require.NoError(t, json.Unmarshal(data, &recorded))
	seen := map[string]bool{}
	for _, rec := range recorded {
		t.Run(rec.Method, func(t *testing.T) {
			seen[rec.Method] = true
			unhex := func(s string) []byte {
				b, err := hex.DecodeString(s)
				require.NoError(t, err)
				return b
			}
			x, err := New(rec.Method, Config{Role: Client, GroupBits: 2048, Transcript: Transcript{
				ClientVersion: []byte(rec.ClientVersion),
				ServerVersion: []byte(rec.ServerVersion),
				ClientKexInit: unhex(rec.ClientKexInit),
				ServerKexInit: unhex(rec.ServerKexInit),
			}})
			require.NoError(t, err)
			m := x.(*machine)

			var out [][]byte
			switch {
			case rec.MLKEMSeed != "":
				y := agreements[rec.Method].(hybrid)
				key, err := y.curve.NewPrivateKey(unhex(rec.ECDHKey))
				require.NoError(t, err)
				agreeCurve := func(peer []byte) ([]byte, error) { return y.curve.agree(key, peer) }
				var kemKey crypto.Decapsulator
				if strings.HasPrefix(rec.Method, "mlkem1024") {
					kemKey, err = mlkem.NewDecapsulationKey1024(unhex(rec.MLKEMSeed))
				} else {
					kemKey, err = mlkem.NewDecapsulationKey768(unhex(rec.MLKEMSeed))
				}
				require.NoError(t, err)
				value := append(kemKey.Encapsulator().Bytes(), key.PublicKey().Bytes()...)
				agree := func(peer []byte) ([]byte, error) { return y.agree(kemKey, agreeCurve, peer) }
				require.NoError(t, ecdhShaped(m, fixedOffer{value: value, agree: agree}, false))
				out, _, err = x.Step(nil)
				require.NoError(t, err)
			case rec.Method == gex:
				out, _, err = x.Step(nil)
				require.NoError(t, err)
				require.Equal(t, unhex(rec.Request), out[0])
				r := message(unhex(rec.Group), msgGexGroup)
				d, err := newGroup(r.Mpint(), r.Mpint())
				require.NoError(t, err)
				require.True(t, d.plausible())
				dialogue := m.gexDialogue(unhex(rec.Request)[1:], d)
				dialogue.agreement = fixedExponent(d, unhex(rec.Exponent))
				out, err = dialogue.sendInit(m, nil)
				require.NoError(t, err)
			default:
				require.NoError(t, ecdhShaped(m, fixedExponent(agreements[rec.Method].(modp)(), unhex(rec.Exponent)), false))
				out, _, err = x.Step(nil)
				require.NoError(t, err)
			}
			require.Equal(t, unhex(rec.Init), out[0])
			_, done, err := x.Step(unhex(rec.Reply))
			require.NoError(t, err)
			require.True(t, done)

			public := wire.NewReader(x.Result().HostKey)
			require.Equal(t, "ssh-ed25519", public.Text())
			signature := wire.NewReader(x.Result().Signature)
			require.Equal(t, "ssh-ed25519", signature.Text())
			require.True(t, ed25519.Verify(public.Bytes(), x.Result().H, signature.Bytes()))
		})
	}
	for _, method := range []string{
		gex, "diffie-hellman-group14-sha256", "diffie-hellman-group16-sha512", "diffie-hellman-group18-sha512",
		"mlkem768nistp256-sha256", "mlkem1024nistp384-sha384",
	} {
		require.True(t, seen[method], method)
	}
}

// fixedExponent is a client's half with a given exponent.
func fixedExponent(d *group, exponent []byte) fixedOffer {
	x := new(big.Int).SetBytes(exponent)
	value := mpintContent(new(big.Int).Exp(d.g, x, d.p))
	return fixedOffer{d, value, func(peer []byte) ([]byte, error) {
		theirs, err := d.parse(peer)
		if err != nil {
			return nil, err
		}
		return d.agree(x, theirs)
	}}
}
