package main

import (
	"errors"
	"fmt"
	"net/netip"
	"os"
	"strconv"

	"github.com/fairlead-go/ssh/examples/internal/cmdline"
	"github.com/fairlead-go/ssh/examples/internal/serverconfig"
	"github.com/fairlead-go/ssh/keys"
)

const (
	configDir  = "/etc/ssh"
	configFile = configDir + "/sshd_config"
)

// Settings are what a process of this program works by.
type settings struct {
	file     *serverconfig.File
	opts     *serverconfig.Options // what holds before anyone is known
	hostKeys []keys.Signer
	log      *logger
	flags    *cmdline.SSHD
}

// load reads the configuration. Host keys are loaded by need.
func load(flags *cmdline.SSHD) (*settings, error) {
	name := flags.ConfigFile
	if name == "" {
		name = configFile
		if _, err := os.Stat(name); errors.Is(err, os.ErrNotExist) {
			name = serverconfig.None // works without one, where nobody asked for it by name
		}
	}
	file, err := serverconfig.Load(name, flags.Config)
	if err != nil {
		return nil, err
	}
	return newSettings(file, flags)
}

func newSettings(file *serverconfig.File, flags *cmdline.SSHD) (*settings, error) {
	for _, keyword := range unsupported {
		if file.Sets(keyword) {
			return nil, fmt.Errorf("%s is not supported by this server", keyword)
		}
	}
	s := &settings{file: file, opts: file.Options(), flags: flags}
	s.log = newLogger(parseLevel(s.opts.LogLevel), flags.LogStderr || flags.LogFile != "" || flags.Debug > 0)
	_, missing, err := chooseAlgorithms(s.opts)
	if err != nil {
		return nil, err
	}
	for _, m := range missing {
		s.log.debugf("%s", m)
	}
	return s, nil
}

// unsupported are keywords that OpenSSH enforces and this server cannot: to
// ignore them would let in what they are to keep out.
var unsupported = []string{"ChrootDirectory", "RefuseConnection"}

// test is -t.
func (s *settings) test() int {
	if err := s.loadHostKeys(); err != nil {
		fmt.Fprintf(os.Stderr, "sshd: %v\n", err)
		return exitError
	}
	return exitOK
}

// dump is -T: the configuration that holds for the connection of -C, if one
// was given.
func (s *settings) dump(spec map[string]string) int {
	opts := s.opts
	if spec != nil {
		conn, err := connOf(spec)
		if err == nil {
			opts, err = s.file.For(conn)
		}
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			return exitError
		}
	}
	a, _, err := chooseAlgorithms(opts)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return exitError
	}
	a.show(opts)
	for _, line := range opts.Dump() {
		fmt.Println(line)
	}
	return exitOK
}

// connOf is the connection that -C describes.
func connOf(spec map[string]string) (*serverconfig.Conn, error) {
	c := &serverconfig.Conn{User: spec["user"], Host: spec["host"], RDomain: spec["rdomain"]}
	_, c.Invalid = spec["invalid-user"]
	for key, to := range map[string]*netip.Addr{"addr": &c.Address, "laddr": &c.Local} {
		if v := spec[key]; v != "" {
			addr, err := netip.ParseAddr(v)
			if err != nil {
				return nil, fmt.Errorf("-C %s: %w", key, err)
			}
			*to = addr
		}
	}
	if v := spec["lport"]; v != "" {
		port, err := strconv.ParseUint(v, 10, 16)
		if err != nil {
			return nil, fmt.Errorf("Invalid port %q in test mode specification", v) //nolint:staticcheck // OpenSSH's words
		}
		c.LocalPort = int(port)
	}
	return c, nil
}
