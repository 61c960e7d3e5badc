// Sshd is an SSH server: sshd(8), with its flags, configuration file and logs,
// made of package ssh.
//
// A listening process accepts connections and starts a process of its own for
// each, so that logins outlive a restart of the listener and cannot hurt each
// other. A command runs as the user who logged in, in the environment and with
// the rights that OpenSSH would give it. Only root can let others in; anybody
// else runs a server for themselves alone.
//
// Where neither -h nor HostKey names host keys, those in /etc/ssh are used, or
// for a user who is not root those in ~/.ssh/sshd. If there are none they are
// made there.
//
// What a Match block says for a user or group holds once the client has named
// one. MaxAuthTries, ClientAliveInterval, ClientAliveCountMax, RekeyLimit and
// GatewayPorts are needed before; for these only blocks count that go by
// addresses and ports.
//
// What the files of this folder hold, in the order in which they come into play:
//
//	main.go         the command line, and which of the roles a process has
//	settings.go     configuration and host keys, checked
//	algorithms.go   Ciphers, MACs and their like
//	daemon.go       detaching, the PID file, signals
//	listen.go       accepting connections, each handed to a process
//	startups.go     MaxStartups
//	child.go        what that process is told, and how
//	connection.go   one connection from its first byte to its end
//	farewell.go     what the log says about its end
//	authenticate.go who logs in and whether they may
//	hostname.go     UseDNS
//	publickey.go    authorized_keys
//	revoked.go      RevokedKeys
//	keyscommand.go  AuthorizedKeysCommand
//	password.go     passwords, asked for in both ways
//	permissions.go  what a login may do
//	rights_*.go     reading files as the user
//	forward.go      which ports may be forwarded
//	session.go      shells, commands and subsystems
//	rc.go           ~/.ssh/rc and sshrc, before them
//	greeting.go     what a user sees before the shell
//	sftp.go         internal-sftp
//	log.go          the log
package main
