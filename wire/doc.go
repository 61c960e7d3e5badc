// Package wire holds what every layer of SSH is written in: the data types of
// RFC 4251 section 5, the message numbers of RFC 4250 section 4.1, and the
// packet connection that carries one message at a time between the layers.
//
// Decode with a [Reader], whose error is sticky: read every field, then ask
// once, with [Reader.End], whether all of it was there and nothing was left.
// Encode with the Append functions, which grow the caller's slice and
// allocate nothing when it has room.
package wire
