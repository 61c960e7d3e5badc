package channel

import (
	"fmt"
	"io"
	"math"
	"testing"

	"github.com/fairlead-go/ssh/internal/packettest"
)

// BenchmarkWrite is the cost of the channel layer for outgoing data.
func BenchmarkWrite(b *testing.B) {
	for _, size := range []int{1, 1 << 10, 32 << 10} {
		b.Run(fmt.Sprint(size), func(b *testing.B) {
			m, _, c := nullChannel(b, Config{}, math.MaxUint32)
			p := make([]byte, size)
			adjust := windowAdjust{c.number, uint32(size)}.append(nil)
			b.SetBytes(int64(size))
			b.ReportAllocs()
			for b.Loop() {
				c.Write(p)
				m.dispatch(adjust)
			}
		})
	}
}

// BenchmarkRead is the cost of the channel layer for incoming data.
func BenchmarkRead(b *testing.B) {
	for _, size := range []int{1, 1 << 10, 32 << 10} {
		b.Run(fmt.Sprint(size), func(b *testing.B) {
			m, _, c := nullChannel(b, Config{}, 0)
			p := make([]byte, size)
			data := channelData{c.number, 0, p}.append(nil)
			b.SetBytes(int64(size))
			b.ReportAllocs()
			for b.Loop() {
				if err := m.dispatch(data); err != nil {
					b.Fatal(err)
				}
				if _, err := io.ReadFull(c, p); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkTransfer is one channel between two Muxes in memory.
func BenchmarkTransfer(b *testing.B) {
	ca, cb := packettest.Pair(8)
	ma, mb := New(ca, Config{}), New(cb, Config{})
	go ma.Run()
	go mb.Run()
	defer ca.Fail(errOver)
	accepted := make(chan *Channel)
	go func() {
		nc, _ := mb.Accept(b.Context())
		c, _ := nc.Accept(nil)
		accepted <- c
	}()
	from, err := ma.Open(b.Context(), "test", nil, OpenOptions{})
	if err != nil {
		b.Fatal(err)
	}
	go io.Copy(io.Discard, <-accepted)
	p := make([]byte, 32<<10)
	b.SetBytes(int64(len(p)))
	for b.Loop() {
		from.Write(p)
	}
}

// BenchmarkOpenClose is a channel's life.
func BenchmarkOpenClose(b *testing.B) {
	ca, cb := packettest.Pair(1)
	ma, mb := New(ca, Config{}), New(cb, Config{})
	go ma.Run()
	go mb.Run()
	defer ca.Fail(errOver)
	go func() {
		for {
			nc, err := mb.Accept(b.Context())
			if err != nil {
				return
			}
			if c, err := nc.Accept(nil); err == nil {
				c.Close()
			}
		}
	}()
	b.ReportAllocs()
	for b.Loop() {
		c, err := ma.Open(b.Context(), "test", nil, OpenOptions{})
		if err != nil {
			b.Fatal(err)
		}
		c.Close()
		<-c.Done()
	}
}
