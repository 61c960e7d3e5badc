package kex

import (
	"crypto"
	_ "crypto/sha1" // for the published vectors
	"encoding/hex"
	"testing"

	"github.com/stretchr/testify/require"
)

// Vectors of NIST: CAVS 14.1 for the SSH key derivation function of SP
// 800-135, and for SHA-256 the ACVP server's kdf-components-ssh-1.0. Those for
// SHA-1 have encryption keys longer than the hash. The hash function is the
// Result's, so they hold for it, although no method has it.
var deriveVectors = []struct {
	hash            crypto.Hash
	k, h, sessionID string
	keys            [6]string // by the tags A to F
}{
	{
		hash:      crypto.SHA1,
		k:         "0000008055bae931c07fd824bf10add1902b6fbc7c665347383498a686929ff5a25f8e40cb6645ea814fb1a5e0a11f852f86255641e5ed986e83a78bc8269480eac0b0dfd770cab92e7a28dd87ff452466d6ae867cead63b366b1c286e6c4811a9f14c27aea14c5171d49b78c06e3735d36e6a3be321dd5fc82308f34ee1cb17fba94a59",
		h:         "a4ebd45934f56792b5112dcd75a1075fdc889245",
		sessionID: "a4ebd45934f56792b5112dcd75a1075fdc889245",
		keys: [6]string{
			"e2f627c0b43f1ac1",
			"58471445f342b181",
			"1ca9d310f86d51f6cb8e7007cb2b220d55c5281ce680b533",
			"2c60df8603d34cc1dbb03c11f725a44b44008851c73d6844",
			"472eb8a26166ae6aa8e06868e45c3b26e6eeed06",
			"e3e2fdb9d7bc21165a3dbe47e1eceb7764390bab",
		},
	},
	{
		hash:      crypto.SHA1,
		k:         "0000008100ec6f2c5f0517fd92f730567bd783138302917c277552b1b3fdf2b67d6edb6fa81bd17f7ebbe339b54b171341e6522b91611f8274cc88652a458f8041261040818a268497e949e12f57271318b2b3194c29760cbb767c0fc8833b272994e18682da807e6c9f235d88ef89c203c6f756d25cc2bea199b02c955b8b40cbc04f9208",
		h:         "ee40eef61bea3da8c2b1cec40fc4cdac892a2626",
		sessionID: "ca9aad244e24797fd348d1250387c8aa45a0110a",
		keys: [6]string{
			"55a1015757de84cb",
			"7e57f61d5735f4fb",
			"dd1c24bde1af845e82207541e3e173aec822fb904a94ae3c",
			"cbbfdc9442af6db7f8c4dcaa4b0b5d0163e0e204476aa2a0",
			"e153e04886c0dc446dde9a9b3b13efb77151764d",
			"c8e4f61bd6b5abb2c6e06eca7b302349435e4842",
		},
	},
	{
		hash:      crypto.SHA256,
		k:         "0000010100e534cd9780786af19994dd68c3fd7fe1e1f77c3938b2005c49b080cf88a63a44079774a36f23ba4d73470cb318c30524854d2f36bab9a45ad73dbb3bc5dd39a547f62bc921052e102e37f3dd0cd79a04eb46acc14b823b326096a89e33e8846624188bb3c8f16b320e7bb8f5eb05f080dcee244a445dbed3a9f3ba8c373d8be62cdfe2fc5876f30f90f01f0a55e5251b23e0dbbfcfb1450715e329bb00fb222e850ddb11201460b8aef3fc8965d3b6d3afbb885a6c11f308f10211b82ea2028c7a84dd0bb8d5d6ac3a48d0c2b93609269c585e03889db3621993e7f7c09a007fb6b5c06ffa532b0dbf11f71f740d9cd8fad2532e21b9423bf3d85ee4e396be32",
		h:         "8fb22f0864960da5679fd377248e41c2d0390e5ab3bb7955a3b6c588fb75b20d",
		sessionID: "269a512e7b560e13396e0f3f56bda730e23ee122ee6d59c91c58fb07872bcccc",
		keys: [6]string{
			"82321d9fe2acd958d3f55f4d3ff5c79d",
			"03f336f61311770bd5346b41e04cdb1f",
			"20e55008d0120c400f42e5d2e148ab75",
			"8bf4debec96f4adbbe5bb43828d56e6d",
			"15f53bcce2645d0ad1c539c09bf9054aa3a4b10b71e96b9e3a15672405341bb5",
			"00bb773fd63ac7b7281a7b54c130ccad363ee8928104e67ca5a3211ee3bbab93",
		},
	},
	{
		hash:      crypto.SHA384,
		k:         "0000010100b41b41585296e85cce723619b40609b21799fb244d72fd87afa3088073819b232de7d9ab45ceaab3014099475e9314cff74149b5e4558962f31d3d2a84f24500558af928ff785dc32627f5062ea2d5bf6ff085edf6d200daca91037abda71b5c9c1660cbf60cfc3ec1fe590c3d6300aa279e42383f98f4000031bf57a2bb612c7a212bc0ec5057817b0843e01c14a9b353c26699670873db05de7049ac44951094c8b231713dab09ca641d3cea65c5e3b01d41d93351635b08a767afadfd7865388ebbe29e8f47033d1fe530d7d45fa1c266705b26d67282872da9551256d88708e1ec69ce9b94db6c7f3e6b7ae06418b36537b7839454c539b2bdd758af9c19",
		h:         "5b168cac1113de12bac95aac34501866abd610c6ce0d51520f83c865db8d0c688b27af11e08deb4a2673c160edd1da93",
		sessionID: "32dc32821483ed98f696813e712d229b6ff5a9e0f7f8e582a26f0a5204fa7655040ddbc791e00e7a979dded9354ea2dc",
		keys: [6]string{
			"8e1af4ce3b9aa9f1e7493775f8846ac0",
			"1796cee0aeb39eb1fbbaeaf15d600832",
			"7a7485045a2f8cc86f82c8486f8e9f59",
			"00a9d893e8c14aa3a316163d50d83378",
			"46133b1cbab3e04043a1b336db99575183d5be76f9d56556493a8d4a8da37a020ae379ff2d470a99ca7e9d2b1cf85cb4",
			"9221abcc3db5a557cca60408e65528e937cc3673b548c350924cd9e6387de526f5cb35a0bbe4020c47318b59d1a0527d",
		},
	},
	{
		hash:      crypto.SHA512,
		k:         "00000080575308ca395798bb21ec5438c46a88ffa3f7f7671c06f924abf7c3cfb46c78c025596e4aba50c3271089184a447a571abb7f4a1b1c41f5d5ca8062940d4369778589fde81a71b2228f018c4c836cf389f854f86de71a68b1693fe8ffa1c59ce7e9f9223debada2566d2b0e5678a48bfb530e7bee42bd2ac7304a0a5ae339a2cd",
		h:         "a4125aa9898092ca50c3c1631c03dcbc9df95cebb409881e580108b6cc4704b76cc77b8795fd5940561e3224cc75848518992bd8d9b70fe0fc977a476063c8bf",
		sessionID: "a4125aa9898092ca50c3c1631c03dcbc9df95cebb409881e580108b6cc4704b76cc77b8795fd5940561e3224cc75848518992bd8d9b70fe0fc977a476063c8bf",
		keys: [6]string{
			"0e2693ade0524af8",
			"b13144de02295bb8",
			"7e4a721fb7379ebb423306464d57db46afa3cca10a1d7feb",
			"bb84123b1fac400e0df4767d78d011427e1edd4d4c934b95",
			"00fb0a45c650dd9c95666b0c7fcea8c98f0562f61b862054ee400aec875dbbc2bdef4806c09217709a5050569312efe3af513e7aa733c72457abe1607ac01c13",
			"70a8005e711fb96dea5991cb68831b9e86005821b45ceaf958c13d5c87cbd2953d0877c267796edf8c7fb3d768bb26b74e542f40bf9ac9f6a9d217077e85f511",
		},
	},
}

func TestDeriveKeyVectors(t *testing.T) {
	unhex := func(s string) []byte {
		b, err := hex.DecodeString(s)
		require.NoError(t, err)
		return b
	}
	for _, v := range deriveVectors {
		r := &Result{Hash: v.hash, K: unhex(v.k), H: unhex(v.h)}
		for i, want := range v.keys {
			key := r.DeriveKey("ABCDEF"[i], unhex(v.sessionID), len(want)/2)
			require.Equal(t, want, hex.EncodeToString(key), "%v %c", v.hash, "ABCDEF"[i])
		}
	}
}

// RFC 4253 section 7.2: K1 = HASH(K ‖ H ‖ X ‖ session_id),
// Kn = HASH(K ‖ H ‖ K1 ‖ … ‖ Kn-1), and the key is the start of them all.
func TestDeriveKeyLengths(t *testing.T) {
	sessionID := []byte("the first exchange hash")
	for _, h := range []crypto.Hash{crypto.SHA256, crypto.SHA384, crypto.SHA512} {
		r := &Result{Hash: h, K: []byte("\x00\x00\x00\x01K"), H: []byte("exchange hash")}
		sum := func(parts ...[]byte) []byte {
			f := h.New()
			for _, p := range parts {
				f.Write(p)
			}
			return f.Sum(nil)
		}
		k1 := sum(r.K, r.H, []byte("C"), sessionID)
		k2 := sum(r.K, r.H, k1)
		k3 := sum(r.K, r.H, k1, k2)
		all := append(append(k1, k2...), k3...)
		for n := 1; n <= len(all); n++ {
			key := r.DeriveKey('C', sessionID, n)
			require.Equal(t, all[:n], key)
			require.Equal(t, n, cap(key), "what lies beyond the key is not handed out")
		}
		require.Empty(t, r.DeriveKey('C', sessionID, 0))
		require.Empty(t, r.DeriveKey('C', sessionID, -1))
	}
}
