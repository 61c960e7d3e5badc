// Package hostkeys makes and loads the host keys of a server, in the files that
// OpenSSH uses for them.
//
// A server calls [LoadOrCreate] with its folder at each start: what is missing
// there is made, what is there is used. A server whose keys are made elsewhere
// calls [Load] for each. [LoadCertificate] adds a certificate to one.
//
// No file is ever written over, and no key is seen before it is whole, whoever
// starts at the same time and whenever the machine stops.
package hostkeys
