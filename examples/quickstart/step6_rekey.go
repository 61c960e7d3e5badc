package main

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"

	"github.com/fairlead-go/ssh/examples/internal/progress"
	"github.com/fairlead-go/ssh/transport"
)

// rekey sends data to the far side and back, both at the same time, over a
// connection that changes keys after every thirty-second part of it.
func (s *story) rekey(ctx context.Context) error {
	amount := max(s.size/4, 1<<20)
	cfg := s.config(s.key)
	cfg.Transport.RekeyBytes = uint64(amount / 32)
	client, err := s.connect(ctx, cfg)
	if err != nil {
		return err
	}
	defer client.Close()

	sent, returned := sha256.New(), sha256.New()
	echo := client.Subsystem("echo")
	echo.Stdin = io.TeeReader(io.LimitReader(rand.NewChaCha8([32]byte{}), amount), sent)
	echo.Stdout = returned
	if err := echo.Run(ctx); err != nil {
		return err
	}
	if digest(sent.Sum(nil)) != digest(returned.Sum(nil)) {
		return errors.New("what came back is not what was sent")
	}
	times := client.ConnState().KeyExchanges - 1 // the first one began the connection
	if times < 2 {
		return fmt.Errorf("new keys came %d times only", times)
	}
	s.say("%s went to the far side and came back, unharmed. Meanwhile new keys came %d times:", progress.Bytes(amount), times)
	s.say("after every %s in either direction, as the client wanted it. The default is %s, or an hour.",
		progress.Bytes(amount/32), progress.Bytes(transport.DefaultRekeyBytes))
	return nil
}
