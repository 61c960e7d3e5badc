// Package agent talks to an SSH agent, a program that keeps private keys and
// signs with them (draft-ietf-sshm-ssh-agent).
//
// [FromEnvironment] connects to the user's agent, [Client.Signers] gives its
// keys in the form in which a client logs in with them. The agent may ask its
// user before it signs, or wait for a touch of a device: bound that with the
// context.
package agent
