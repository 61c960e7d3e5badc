package main

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"

	"github.com/pkg/sftp"

	"github.com/fairlead-go/ssh"
	"github.com/fairlead-go/ssh/examples/internal/progress"
)

// sftpPacket is how much of a file one SFTP message carries, in bytes. Every
// server takes 32 KiB; ours is known to take more, which costs less.
const sftpPacket = 128 << 10

type digest = [sha256.Size]byte

// transferFile sends a file to the far side and fetches it again.
func (s *story) transferFile(ctx context.Context) error {
	near, far, back := filepath.Join(s.folder, "near.bin"), "far.bin", filepath.Join(s.folder, "back.bin")
	want, err := makeFile(near, s.size)
	if err != nil {
		return err
	}
	files, err := s.openSFTP(ctx)
	if err != nil {
		return err
	}
	s.say("%s of random bytes:", progress.Bytes(s.size))
	err = errors.Join(
		s.timed("up  ", func(bar *progress.Bar) error { return upload(files.Client, near, far, bar) }),
		os.Remove(near),
		s.timed("down", func(bar *progress.Bar) error { return download(files.Client, far, back, bar) }),
	)
	if err := errors.Join(err, files.close(ctx)); err != nil {
		return err
	}
	for _, name := range []string{filepath.Join(s.server.folder, "files", far), back} {
		if got, err := hashFile(name); err != nil || got != want {
			return errors.Join(err, fmt.Errorf("SHA-256 of %s is %x, want %x", name, got, want))
		}
	}
	s.say("SHA-256 at the far side, and of what came back: %x, as sent.", want[:8])
	return os.Remove(back)
}

// An sftpClient is pkg/sftp's, over a session of ours.
type sftpClient struct {
	*sftp.Client
	session *ssh.Cmd
}

func (s *story) openSFTP(ctx context.Context) (*sftpClient, error) {
	session := s.client.Subsystem("sftp")
	stdin, err := session.StdinPipe()
	if err != nil {
		return nil, err
	}
	stdout, err := session.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := session.Start(ctx); err != nil {
		return nil, err
	}
	client, err := sftp.NewClientPipe(stdout, stdin, sftp.MaxPacketUnchecked(sftpPacket), sftp.UseConcurrentWrites(true))
	if err != nil {
		session.Close()
		return nil, err
	}
	return &sftpClient{client, session}, nil
}

// close ends the SFTP client, and then the session, which must end well.
func (c *sftpClient) close(ctx context.Context) error {
	err := c.Close()
	return errors.Join(err, c.session.Wait(ctx))
}

// timed makes a transfer with a progress bar.
func (s *story) timed(name string, transfer func(*progress.Bar) error) error {
	bar := progress.New(s.out, "     "+name, s.size, progress.Options{Terminal: s.terminal, Width: s.width})
	defer bar.Finish()
	return transfer(bar)
}

func upload(files *sftp.Client, from, to string, bar *progress.Bar) error {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := files.Create(to)
	if err != nil {
		return err
	}
	_, err = out.ReadFromWithConcurrency(bar.Reader(in), 0) // 0: as many requests at once as the client may
	return errors.Join(err, out.Close())
}

func download(files *sftp.Client, from, to string, bar *progress.Bar) error {
	in, err := files.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := os.Create(to)
	if err != nil {
		return err
	}
	_, err = in.WriteTo(bar.Writer(out))
	return errors.Join(err, out.Close())
}

// makeFile writes a file of random bytes and returns their hash.
func makeFile(name string, size int64) (digest, error) {
	file, err := os.Create(name)
	if err != nil {
		return digest{}, err
	}
	random := rand.NewChaCha8([32]byte{}) // fast, and the same each time
	hash := sha256.New()
	_, err = io.Copy(io.MultiWriter(file, hash), io.LimitReader(random, size))
	return digest(hash.Sum(nil)), errors.Join(err, file.Close())
}

func hashFile(name string) (digest, error) {
	file, err := os.Open(name)
	if err != nil {
		return digest{}, err
	}
	defer file.Close()
	hash := sha256.New()
	_, err = io.Copy(hash, file)
	return digest(hash.Sum(nil)), err
}
