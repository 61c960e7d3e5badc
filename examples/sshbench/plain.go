package main

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"math/big"
	"net"
	"sync"
	"time"
)

// TLS 1.3 and TCP do what SSH does, with no channels: each command has a
// connection of its own, and its line goes ahead with its length in one byte.
// No status comes back, so that the end of the output counts as success.

type plainClient struct {
	dial func() (plainConn, error)

	mu    sync.Mutex
	first plainConn // not used yet; nil afterwards
}

type plainConn interface {
	net.Conn
	CloseWrite() error
}

func newPlainClient(dial func() (plainConn, error)) (client, error) {
	first, err := dial()
	if err != nil {
		return nil, err
	}
	return &plainClient{dial: dial, first: first}, nil
}

func dialTCP(ctx context.Context, t *target) (client, error) {
	return newPlainClient(func() (plainConn, error) {
		c, err := new(net.Dialer).DialContext(ctx, "tcp", t.addr)
		if err != nil {
			return nil, err
		}
		return c.(*net.TCPConn), nil
	})
}

func dialTLS(ctx context.Context, t *target) (client, error) {
	d := &tls.Dialer{Config: &tls.Config{
		InsecureSkipVerify: true,
		MinVersion:         tls.VersionTLS13,
	}}
	return newPlainClient(func() (plainConn, error) {
		c, err := d.DialContext(ctx, "tcp", t.addr)
		if err != nil {
			return nil, err
		}
		return c.(*tls.Conn), nil
	})
}

// takeFirst returns the first connection to whoever asks first, then nil.
func (p *plainClient) takeFirst() plainConn {
	p.mu.Lock()
	defer p.mu.Unlock()
	c := p.first
	p.first = nil
	return c
}

func (p *plainClient) Close() error {
	if c := p.takeFirst(); c != nil {
		return c.Close()
	}
	return nil
}

func (p *plainClient) exec(command string) (stream, error) {
	if len(command) > 255 {
		return nil, errors.New("the command is too long")
	}
	c := p.takeFirst()
	if c == nil {
		var err error
		if c, err = p.dial(); err != nil {
			return nil, err
		}
	}
	if _, err := c.Write(append([]byte{byte(len(command))}, command...)); err != nil {
		c.Close()
		return nil, err
	}
	return plainStream{c}, nil
}

type plainStream struct{ plainConn }

func (s plainStream) Wait() error {
	defer s.Close()
	return sink(s)
}

func serveTCP(_ context.Context, l net.Listener, _ uint64) error {
	return acceptEach(l, servePlain)
}

func serveTLS(_ context.Context, l net.Listener, _ uint64) error {
	certificate, err := newCertificate()
	if err != nil {
		return err
	}
	return acceptEach(tls.NewListener(l, &tls.Config{
		Certificates: []tls.Certificate{certificate},
		MinVersion:   tls.VersionTLS13,
	}), servePlain)
}

func servePlain(c net.Conn) {
	line := make([]byte, 255)
	if _, err := io.ReadFull(c, line[:1]); err != nil {
		return
	}
	line = line[:line[0]]
	if _, err := io.ReadFull(c, line); err != nil {
		return
	}
	execute(c, string(line))
}

// newCertificate makes one that signs itself. The client does not verify it.
func newCertificate() (tls.Certificate, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return tls.Certificate{}, err
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(24 * time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		return tls.Certificate{}, err
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, nil
}
