package sntrup761

import (
	"crypto/mlkem"
	"testing"
)

// ML-KEM-768 of the standard library stands beside, as a measure.

func BenchmarkGenerateKey(b *testing.B) {
	b.Run("sntrup761", func(b *testing.B) {
		for b.Loop() {
			GenerateKey()
		}
	})
	b.Run("mlkem768", func(b *testing.B) {
		for b.Loop() {
			if _, err := mlkem.GenerateKey768(); err != nil {
				b.Fatal(err)
			}
		}
	})
}

// Encapsulation to a key that has just arrived: parsing is part of it.
func BenchmarkEncapsulate(b *testing.B) {
	b.Run("sntrup761", func(b *testing.B) {
		public := GenerateKey().public.Bytes()
		for b.Loop() {
			key, err := NewEncapsulationKey(public)
			if err != nil {
				b.Fatal(err)
			}
			key.Encapsulate()
		}
	})
	b.Run("mlkem768", func(b *testing.B) {
		private, err := mlkem.GenerateKey768()
		if err != nil {
			b.Fatal(err)
		}
		public := private.EncapsulationKey().Bytes()
		for b.Loop() {
			key, err := mlkem.NewEncapsulationKey768(public)
			if err != nil {
				b.Fatal(err)
			}
			key.Encapsulate()
		}
	})
}

func BenchmarkDecapsulate(b *testing.B) {
	b.Run("sntrup761", func(b *testing.B) {
		key := GenerateKey()
		_, ciphertext := key.public.Encapsulate()
		for b.Loop() {
			if _, err := key.Decapsulate(ciphertext); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("mlkem768", func(b *testing.B) {
		key, err := mlkem.GenerateKey768()
		if err != nil {
			b.Fatal(err)
		}
		_, ciphertext := key.EncapsulationKey().Encapsulate()
		for b.Loop() {
			if _, err := key.Decapsulate(ciphertext); err != nil {
				b.Fatal(err)
			}
		}
	})
}
