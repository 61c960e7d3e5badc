// Package ssh is SSH 2.0 for Go programs, client and server.
//
// A client calls [Dial] and then works with what Go programs know already:
// [Client.Command] returns a [Cmd] like that of os/exec, [Client.Dial] and
// [Client.Listen] return net.Conns and net.Listeners at the far side. A server
// is a [Server] like that of net/http: it has a [Handler], and Serve, Shutdown
// and Close.
//
// # Safe by default
//
// What is not configured is refused. A client without VerifyHostKey does not
// connect: use a [knownhosts.DB]. A server without host keys or without an
// authentication method does not start: see [hostkeys.LoadOrCreate] and
// [auth.ServerConfig]. A server forwards no ports, grants no terminal and
// accepts no environment variable before it is told to.
//
// # Contexts, deadlines and the end
//
// What waits once takes a context, which means nothing after the call has
// returned. Streams have deadlines, which can be set anew after they passed.
// Every goroutine of a connection ends with it.
//
// # Layers
//
// This package only joins the layers: transport (RFC 4253), auth (RFC 4252)
// and channel (RFC 4254), each usable by itself over a wire.PacketConn.
//
// [knownhosts.DB]: https://pkg.go.dev/github.com/fairlead-go/ssh/keys/knownhosts#DB
// [hostkeys.LoadOrCreate]: https://pkg.go.dev/github.com/fairlead-go/ssh/keys/hostkeys#LoadOrCreate
package ssh
