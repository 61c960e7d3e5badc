// Package wycheproof has test vectors of Project Wycheproof: what
// implementations of cryptography got wrong. testdata says where they are from.
package wycheproof

import (
	"compress/gzip"
	"embed"
	"encoding/hex"
	"encoding/json"
	"testing"
)

//go:embed testdata/*.json.gz
var files embed.FS

// The results that a Vector can have.
const (
	Valid      = "valid"
	Invalid    = "invalid"
	Acceptable = "acceptable" // not wrong, but better refused
)

// A Vector is one test. Its fields are those of the file and of its group.
type Vector struct {
	ID      int      `json:"id"`
	Comment string   `json:"comment"`
	Flags   []string `json:"flags"` // what it is about
	Result  string   `json:"result"`
	Fields  map[string]string
}

// Load returns the vectors of a file, which is named without its suffix.
func Load(t testing.TB, name string) []Vector {
	t.Helper()
	f, err := files.Open("testdata/" + name + ".json.gz")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	var vectors []Vector
	if err := json.NewDecoder(z).Decode(&vectors); err != nil {
		t.Fatal(err)
	}
	if len(vectors) == 0 {
		t.Fatalf("%s has no vectors", name)
	}
	return vectors
}

// Has reports whether the vector has the field.
func (v *Vector) Has(field string) bool {
	_, ok := v.Fields[field]
	return ok
}

// Bytes returns the value of a field, in memory of its own.
func (v *Vector) Bytes(t testing.TB, field string) []byte {
	t.Helper()
	value, ok := v.Fields[field]
	if !ok {
		t.Fatalf("vector %d has no %s", v.ID, field)
	}
	b, err := hex.DecodeString(value)
	if err != nil {
		t.Fatal(err)
	}
	return b
}
