package main

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"
	"time"

	"github.com/fairlead-go/ssh/examples/internal/account"
	"github.com/fairlead-go/ssh/examples/internal/config"
	"github.com/fairlead-go/ssh/keys"
	"github.com/fairlead-go/ssh/keys/authorizedkeys"
)

// keysCommandTimeout bounds AuthorizedKeysCommand and its like, which may ask a
// directory.
const keysCommandTimeout = time.Minute

// findByCommand looks for a key, or a certificate's authority, in what
// AuthorizedKeysCommand prints.
func (c *connection) findByCommand(ctx context.Context, key keys.PublicKey) (*authorizedkeys.Entry, error) {
	out, err := c.userCommand(ctx, "AuthorizedKeysCommand", c.opts.AuthorizedKeysCommand, c.opts.AuthorizedKeysCommandUser, map[byte]string{
		't': key.Type(), 'k': base64Of(key), 'f': keys.FingerprintSHA256(key),
	})
	if err != nil {
		return nil, authorizedkeys.ErrNotFound
	}
	entries, bad := authorizedkeys.Parse(out)
	return c.findEntry("AuthorizedKeysCommand", entries, bad, key)
}

func base64Of(k keys.PublicKey) string { return base64.StdEncoding.EncodeToString(k.Marshal()) }

// userCommand returns what the command of a keyword prints for the user who
// logs in. An error has been logged.
func (c *connection) userCommand(ctx context.Context, keyword, command, runAs string, tokens map[byte]string) ([]byte, error) {
	cmd, err := c.buildCommand(keyword, command, runAs, tokens)
	if err != nil {
		c.log.errorf("%s: %v", keyword, err)
		return nil, err
	}
	out, err := output(ctx, cmd)
	if err != nil {
		c.log.errorf("%s %s failed: %v", keyword, cmd.Path, err)
		return nil, err
	}
	return out, nil
}

// buildCommand returns a command, with its tokens replaced, to be run as the
// user called runAs. No one but root may have written it.
func (c *connection) buildCommand(keyword, command, runAs string, tokens map[byte]string) (*exec.Cmd, error) {
	words, err := config.Split(command)
	if err != nil {
		return nil, err
	}
	tokens = maps.Clone(tokens)
	maps.Copy(tokens, map[byte]string{
		'u': c.account.Name, 'h': c.account.Home, 'U': strconv.FormatUint(uint64(c.account.UID), 10),
		'C': address(c.remote) + " " + portText(c.remote) + " " + address(c.local) + " " + portText(c.local),
		'D': "", // connections have no routing domain here
	})
	if len(words) == 1 && keyword == "AuthorizedKeysCommand" {
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
	if runAs == "" {
		return nil, errors.New(keyword + "User is not set")
	}
	ctx, cancel := context.WithTimeout(context.Background(), lookupTimeout)
	defer cancel()
	u, err := account.Lookup(ctx, runAs)
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
