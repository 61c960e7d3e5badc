package main

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"
	"time"

	"github.com/fairlead-go/ssh/auth"
	"github.com/fairlead-go/ssh/examples/internal/account"
	"github.com/fairlead-go/ssh/examples/internal/config"
	"github.com/fairlead-go/ssh/keys"
	"github.com/fairlead-go/ssh/keys/authorizedkeys"
)

// keysCommandTimeout bounds AuthorizedKeysCommand, which may ask a directory.
const keysCommandTimeout = time.Minute

// keysFromCommand looks for the key in what AuthorizedKeysCommand prints.
func (c *connection) keysFromCommand(ctx context.Context, key keys.PublicKey) (*auth.Permissions, error) {
	cmd, err := c.keysCommand(key)
	if err != nil {
		c.log.errorf("AuthorizedKeysCommand: %v", err)
		return nil, authorizedkeys.ErrNotFound
	}
	out, err := output(ctx, cmd)
	if err != nil {
		c.log.errorf("AuthorizedKeysCommand %s failed: %v", cmd.Path, err)
		return nil, authorizedkeys.ErrNotFound
	}
	entries, bad := authorizedkeys.Parse(out)
	entry, err := c.findEntry(cmd.Path, entries, bad, key)
	if err != nil {
		return nil, err
	}
	return c.grant(ctx, &entry.Options)
}

// keysCommand returns the command, with its tokens replaced, to be run as
// AuthorizedKeysCommandUser. No one but root may have written it.
func (c *connection) keysCommand(key keys.PublicKey) (*exec.Cmd, error) {
	words, err := config.Split(c.opts.AuthorizedKeysCommand)
	if err != nil {
		return nil, err
	}
	tokens := map[byte]string{
		'u': c.account.Name, 'h': c.account.Home, 'U': strconv.FormatUint(uint64(c.account.UID), 10),
		't': key.Type(), 'k': base64.StdEncoding.EncodeToString(key.Marshal()), 'f': keys.FingerprintSHA256(key),
	}
	if len(words) == 1 {
		words = append(words, "%u")
	}
	for i := range words {
		if words[i], err = config.Expand(words[i], tokens); err != nil {
			return nil, err
		}
	}
	path := words[0]
	if !filepath.IsAbs(path) {
		return nil, fmt.Errorf("%s is not an absolute path", path)
	}
	if err := authorizedkeys.CheckPermissions(path, "", 0); err != nil {
		return nil, err
	}
	if c.opts.AuthorizedKeysCommandUser == "" {
		return nil, errors.New("AuthorizedKeysCommandUser is not set")
	}
	ctx, cancel := context.WithTimeout(context.Background(), lookupTimeout)
	defer cancel()
	u, err := account.Lookup(ctx, c.opts.AuthorizedKeysCommandUser)
	if err != nil {
		return nil, err
	}
	cmd := &exec.Cmd{
		Path: path, Args: words, Dir: "/", SysProcAttr: &syscall.SysProcAttr{Setsid: true},
		Env: []string{"PATH=/usr/bin:/bin:/usr/sbin:/sbin", "USER=" + u.Name, "LOGNAME=" + u.Name, "HOME=" + u.Home},
	}
	switch euid := os.Geteuid(); {
	case euid == 0:
		cmd.SysProcAttr.Credential = &syscall.Credential{Uid: u.UID, Gid: u.GID, Groups: u.Groups}
	case uint32(euid) != u.UID:
		return nil, errors.New("only root can run it for another user")
	}
	return cmd, nil
}

// output runs cmd and returns what it has printed, if it ends with status 0 in
// time and does not print more than a file may have.
func output(ctx context.Context, cmd *exec.Cmd) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, keysCommandTimeout)
	defer cancel()
	stdout := &limitedBuffer{left: authorizedkeys.MaxFile}
	cmd.Stdout = stdout
	cmd.WaitDelay = time.Second
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	stop := context.AfterFunc(ctx, func() { _ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) })
	err := cmd.Wait()
	stop()
	return stdout.Bytes(), err
}

// A limitedBuffer fails a write that goes past its limit.
type limitedBuffer struct {
	bytes.Buffer
	left int
}

func (b *limitedBuffer) Write(p []byte) (int, error) {
	if b.left -= len(p); b.left < 0 {
		return 0, authorizedkeys.ErrTooLarge
	}
	return b.Buffer.Write(p)
}
