// Package sntrup761 is the key encapsulation mechanism Streamlined NTRU Prime
// with p = 761, q = 4591 and w = 286, as the third-round submission of NTRU
// Prime to NIST's competition specifies it and RFC 9941 uses it.
//
// [GenerateKey] makes a key, [NewEncapsulationKey] takes a peer's public key,
// and the methods have the shape of those in crypto/mlkem.
//
// Everything that depends on a secret runs in constant time: no branch, index,
// loop bound or division does. Multiplications of 64-bit words are taken to be
// constant-time, which they are on the processors that Go's 64-bit ports run
// on. One thing shows: how often [GenerateKey] drew g until it was invertible,
// which says nothing of the g that was kept.
package sntrup761
