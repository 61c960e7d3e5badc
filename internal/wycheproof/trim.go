//go:build ignore

// Trim makes testdata from the Wycheproof module, a folder with its vectors
// given: what the tests have no use for is left out, as the table below says.
package main

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"log"
	"os"
	"path/filepath"
	"slices"
)

// A selection is what is kept of one file.
type selection struct {
	file   string
	fields []string                   // of a test, beside those that all have
	group  func(map[string]any) []any // of its group, as pairs of name and value; nil: nothing
	keep   func(g, t map[string]any) bool
	limit  int // tests of the same result, flags and lengths; 0: all
}

func public(field string) func(map[string]any) []any {
	return func(g map[string]any) []any { return []any{"public", g["publicKey"].(map[string]any)[field]} }
}

func rsaKey(g map[string]any) []any {
	key := g["publicKey"].(map[string]any)
	return []any{"modulus", key["modulus"], "exponent", key["publicExponent"]}
}

// A 96-bit IV and a whole tag are what the packet ciphers use.
func packetSized(g, _ map[string]any) bool {
	return g["ivSize"] == 96.0 && g["tagSize"] == 128.0 && g["keySize"] != 192.0
}

func wholeTag(bits float64) func(g, t map[string]any) bool {
	return func(g, _ map[string]any) bool { return g["tagSize"] == bits }
}

func invalid(_, t map[string]any) bool { return t["result"] == "invalid" }

// A seed of 64 bytes is what makes a decapsulation key.
func goodSeed(_, t map[string]any) bool { return len(t["seed"].(string)) == 128 }

var (
	agreement = []string{"public", "private", "shared"}
	signature = []string{"msg", "sig"}
	aead      = []string{"key", "iv", "aad", "msg", "ct", "tag"}
	mac       = []string{"key", "msg", "tag"}
)

var selections = []selection{
	{file: "x25519", fields: agreement},
	{file: "ecdh_secp256r1_ecpoint", fields: agreement, limit: 40},
	{file: "ecdh_secp384r1_ecpoint", fields: agreement, limit: 40},
	{file: "ecdh_secp521r1_ecpoint", fields: agreement, limit: 40},
	{file: "ecdsa_secp256r1_sha256", fields: signature, group: public("uncompressed")},
	{file: "ecdsa_secp256r1_sha256_p1363", fields: signature, group: public("uncompressed")},
	{file: "ecdsa_secp384r1_sha384_p1363", fields: signature, group: public("uncompressed")},
	{file: "ecdsa_secp521r1_sha512_p1363", fields: signature, group: public("uncompressed")},
	{file: "ed25519", fields: signature, group: public("pk")},
	{file: "rsa_signature_2048_sha256", fields: signature, group: rsaKey},
	{file: "rsa_signature_2048_sha512", fields: signature, group: rsaKey},
	{file: "aes_gcm", fields: aead, keep: packetSized},
	{file: "chacha20_poly1305", fields: aead, keep: packetSized},
	{file: "hmac_sha256", fields: mac, keep: wholeTag(256)},
	{file: "hmac_sha512", fields: mac, keep: wholeTag(512)},
	{file: "mlkem_768", fields: []string{"seed", "c", "K"}, keep: goodSeed, limit: 20},
	{file: "mlkem_768_encaps", fields: []string{"ek"}, keep: invalid, limit: 20},
	{file: "mlkem_1024", fields: []string{"seed", "c", "K"}, keep: goodSeed, limit: 10},
	{file: "mlkem_1024_encaps", fields: []string{"ek"}, keep: invalid, limit: 10},
	{
		file: "mldsa_44_verify", fields: []string{"msg", "sig", "ctx"}, limit: 2,
		group: func(g map[string]any) []any { return []any{"public", g["publicKey"]} },
	},
	{
		file: "mldsa_44_sign_seed", limit: 10,
		group: func(g map[string]any) []any { return []any{"public", g["publicKey"], "seed", g["privateSeed"]} },
	},
}

func main() {
	log.SetFlags(0)
	if len(os.Args) != 2 {
		log.Fatal("usage: go run trim.go FOLDER")
	}
	for _, s := range selections {
		if err := s.run(os.Args[1]); err != nil {
			log.Fatalf("%s: %v", s.file, err)
		}
	}
}

func (s *selection) run(folder string) error {
	data, err := os.ReadFile(filepath.Join(folder, s.file+"_test.json"))
	if err != nil {
		return err
	}
	var in struct {
		TestGroups []map[string]any `json:"testGroups"`
	}
	if err := json.Unmarshal(data, &in); err != nil {
		return err
	}
	var out []map[string]any
	seen := map[string]int{}
	for _, g := range in.TestGroups {
		for _, test := range g["tests"].([]any) {
			t := test.(map[string]any)
			if s.keep != nil && !s.keep(g, t) {
				continue
			}
			v := map[string]any{"id": t["tcId"], "result": t["result"]}
			class := fmt.Sprint(t["result"], t["flags"])
			for _, name := range []string{"comment", "flags"} {
				if value := t[name]; value != nil && value != "" && fmt.Sprint(value) != "[]" {
					v[name] = value
				}
			}
			fields := map[string]any{}
			for _, name := range s.fields {
				if value, ok := t[name].(string); ok {
					fields[name] = value
				}
			}
			if s.group != nil {
				for pair := range slices.Chunk(s.group(g), 2) {
					if pair[1] != nil {
						fields[pair[0].(string)] = pair[1]
					}
				}
			}
			for _, name := range []string{"public", "ek", "c", "seed"} {
				value, _ := fields[name].(string)
				class += fmt.Sprint(" ", len(value))
			}
			if seen[class]++; s.limit > 0 && seen[class] > s.limit {
				continue
			}
			v["fields"] = fields
			out = append(out, v)
		}
	}
	var b bytes.Buffer
	z, err := gzip.NewWriterLevel(&b, gzip.BestCompression)
	if err != nil {
		return err
	}
	if err := json.NewEncoder(z).Encode(out); err != nil {
		return err
	}
	if err := z.Close(); err != nil {
		return err
	}
	log.Printf("%s: %d vectors, %d bytes", s.file, len(out), b.Len())
	return os.WriteFile(filepath.Join("testdata", s.file+".json.gz"), b.Bytes(), 0o644)
}
