package main

import (
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/fairlead-go/ssh/examples/internal/serverconfig"
)

// maxGreeting bounds a banner or message of the day, in bytes. The library
// sends no longer banner.
const maxGreeting = 128 << 10

// readBanner returns the text of Banner.
func readBanner(o *serverconfig.Options) (string, error) {
	if o.Banner == "" {
		return "", nil
	}
	return readText(o.Banner)
}

func readText(name string) (string, error) {
	f, err := os.Open(name)
	if err != nil {
		return "", err
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxGreeting))
	return string(text), err
}

// greet shows the message of the day, unless the user has asked for silence by
// a file ~/.hushlogin.
func (c *connection) greet(w io.Writer) {
	if !c.opts.PrintMotd {
		return
	}
	err := asUser(c.account, func() error {
		_, err := os.Stat(filepath.Join(c.account.Home, ".hushlogin"))
		return err
	})
	if err == nil {
		return
	}
	if text, err := readText("/etc/motd"); err == nil {
		_, _ = io.WriteString(w, strings.ReplaceAll(text, "\n", "\r\n"))
	}
}
