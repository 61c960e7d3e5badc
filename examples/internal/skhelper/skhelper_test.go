package skhelper

import (
	"context"
	"crypto/ed25519"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/fairlead-go/ssh/keys"
	"github.com/fairlead-go/ssh/wire"
)

func newKey(t *testing.T) *keys.PrivateKey {
	t.Helper()
	public, _, err := ed25519.GenerateKey(nil)
	require.NoError(t, err)
	k, err := keys.NewSecurityKeyPublic(public, "ssh:")
	require.NoError(t, err)
	private, err := keys.NewSecurityKey(&keys.SecurityKey{PublicKey: k, Flags: keys.SKUserPresence, KeyHandle: []byte("handle")})
	require.NoError(t, err)
	return private
}

// answerWith puts a program in the helper's place that answers so.
func answerWith(t *testing.T, answer []byte) {
	t.Helper()
	dir := t.TempDir()
	file, program := filepath.Join(dir, "answer"), filepath.Join(dir, "helper")
	require.NoError(t, os.WriteFile(file, answer, 0o600))
	require.NoError(t, os.WriteFile(program, []byte("#!/bin/sh\ncat >"+dir+"/request\ncat "+file+"\n"), 0o700))
	t.Setenv("SSH_SK_HELPER", program)
}

func message(kind uint32, rest ...byte) []byte {
	return wire.AppendString(nil, append(wire.AppendUint32([]byte{version}, kind), rest...))
}

func TestAnswers(t *testing.T) {
	s, err := New(newKey(t), "", nil)
	require.NoError(t, err)
	sign := func() (*keys.Signature, error) { return s.Sign(t.Context(), keys.KeySKEd25519, []byte("data")) }
	signature := (&keys.Signature{Format: keys.KeySKEd25519, Blob: []byte("x"), Rest: []byte("y")}).Marshal()

	good := message(requestSign, wire.AppendString(nil, signature)...)
	answerWith(t, good)
	sig, err := sign()
	require.NoError(t, err)
	require.Equal(t, signature, sig.Marshal())
	for n := range good {
		answerWith(t, good[:n])
		_, err := sign()
		require.Error(t, err, "%d bytes", n)
	}
	for name, answer := range map[string][]byte{
		"trailing":       append(good[:len(good):len(good)], 0),
		"trailing field": message(requestSign, append(wire.AppendString(nil, signature), 0)...),
		"other version":  wire.AppendString(nil, []byte{4, 0, 0, 0, 1}),
		"other kind":     message(7, wire.AppendString(nil, signature)...),
		"error":          message(answerError, 0, 0, 0, 60),
		"short error":    message(answerError, 0),
		"too long":       wire.AppendString(nil, make([]byte, maxAnswer)),
	} {
		answerWith(t, answer)
		_, err := sign()
		require.Error(t, err, name)
		require.NotErrorIs(t, err, ErrPIN, name)
	}
	t.Setenv("SSH_SK_HELPER", filepath.Join(t.TempDir(), "none"))
	_, err = sign()
	require.Error(t, err)
	_, err = s.Sign(t.Context(), keys.KeyEd25519, nil)
	require.Error(t, err)
}

func TestPIN(t *testing.T) {
	answerWith(t, message(answerError, 0, 0, 0, wrongPassphrase))
	asked := 0
	s, err := New(newKey(t), Internal, func(context.Context) (string, error) { asked++; return "123456", nil })
	require.NoError(t, err)
	_, err = s.Sign(t.Context(), keys.KeySKEd25519, []byte("data"))
	require.ErrorIs(t, err, ErrPIN)
	require.Equal(t, 1, asked)
	request, err := os.ReadFile(filepath.Join(filepath.Dir(os.Getenv("SSH_SK_HELPER")), "request"))
	require.NoError(t, err)
	require.Contains(t, string(request), "\x00\x00\x00\x06123456")
	require.Contains(t, string(request), "\x00\x00\x00\x06handle")
}

func TestNew(t *testing.T) {
	plain, err := keys.GenerateKey(keys.KeyEd25519, 0)
	require.NoError(t, err)
	_, err = New(plain, "", nil)
	require.Error(t, err)
	t.Setenv("A_PROVIDER", "/a/library.so")
	s, err := New(newKey(t), "$A_PROVIDER", nil)
	require.NoError(t, err)
	require.Equal(t, "/a/library.so", s.provider)
}

func FuzzParseAnswer(f *testing.F) {
	f.Add(message(requestSign, 0, 0, 0, 0))
	f.Add(message(answerError, 0, 0, 0, wrongPassphrase))
	f.Fuzz(func(t *testing.T, b []byte) {
		if sig, err := parseAnswer(b); (sig == nil) == (err == nil) {
			t.Fatal("neither a signature nor an error, or both")
		}
	})
}
