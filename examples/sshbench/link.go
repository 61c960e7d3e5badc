package main

import (
	"net"
	"time"
)

// A link is a line to a server that is far away: a relay on this machine which
// lets through so much, so late. It does not lose anything.
type link struct {
	bytesPerSecond float64
	delay          time.Duration // one way
}

// linkQueue is how long data may wait to go out on the line, as in a router's
// buffer, before the sender is no longer read.
const linkQueue = 20 * time.Millisecond

// to listens on a loopback address for connections to be relayed to addr.
func (k link) to(addr string) (net.Listener, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	go acceptEach(l, func(near net.Conn) {
		far, err := net.Dial("tcp", addr)
		if err != nil {
			return
		}
		defer far.Close()
		back := make(chan struct{})
		go func() {
			defer close(back)
			k.carry(near, far)
		}()
		k.carry(far, near)
		<-back
	})
	return l, nil
}

type delayed struct {
	data    []byte
	arrives time.Time
}

// carry takes data from one end to the other until EOF, and passes that on.
func (k link) carry(to, from net.Conn) {
	// As much as can be under way: more would mean that the line is faster
	// than it says.
	const piece = 16 << 10
	room := int(k.bytesPerSecond*(k.delay+linkQueue).Seconds())/piece + 2
	// Small pieces take places too, hence the factor.
	line := make(chan delayed, 4*room)
	go func() {
		defer close(line)
		var free time.Time // when the line has taken all that came before
		for {
			buf := make([]byte, piece)
			n, err := from.Read(buf)
			if err != nil {
				return
			}
			now := time.Now()
			if free.Before(now) {
				free = now
			}
			free = free.Add(time.Duration(float64(n) / k.bytesPerSecond * float64(time.Second)))
			line <- delayed{buf[:n], free.Add(k.delay)}
			time.Sleep(time.Until(free) - linkQueue)
		}
	}()
	for d := range line {
		time.Sleep(time.Until(d.arrives))
		if _, err := to.Write(d.data); err != nil {
			from.Close() // ends the reader, which then closes the line
			for range line {
			}
			return
		}
	}
	if c, ok := to.(interface{ CloseWrite() error }); ok {
		c.CloseWrite()
	}
}
