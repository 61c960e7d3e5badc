package kex

import "testing"

// Each operation is one side's whole share of an exchange; the server's has a
// host key that signs for nothing.

func BenchmarkClient(b *testing.B) {
	for _, method := range twoMessages() {
		b.Run(method, func(b *testing.B) {
			rep := reply([]byte("host key"), mustValue(b, method), []byte("signature"))
			b.ReportAllocs()
			for b.Loop() {
				client, _ := begin(b, method)
				if _, done, err := client.Step(rep); err != nil || !done {
					b.Fatal(done, err)
				}
			}
		})
	}
}

func BenchmarkServer(b *testing.B) {
	key := &HostKey{Public: []byte("host key"), Sign: func([]byte) ([]byte, error) { return []byte("signature"), nil }}
	for _, method := range twoMessages() {
		b.Run(method, func(b *testing.B) {
			_, init := begin(b, method)
			b.ReportAllocs()
			for b.Loop() {
				server, err := New(method, Config{Role: Server, Transcript: testTranscript, HostKey: key})
				if err != nil {
					b.Fatal(err)
				}
				if _, done, err := server.Step(init); err != nil || !done {
					b.Fatal(done, err)
				}
			}
		})
	}
}

func BenchmarkDeriveKey(b *testing.B) {
	client, init := begin(b, "curve25519-sha256")
	_, rep := answer(b, "curve25519-sha256", init)
	if _, _, err := client.Step(rep); err != nil {
		b.Fatal(err)
	}
	r := client.Result()
	b.ReportAllocs()
	for b.Loop() {
		r.DeriveKey('C', r.H, 64)
	}
}
