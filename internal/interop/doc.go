// Package interop holds nothing but tests. They start programs written with
// implementations of WebSocket that have nothing to do with this one, in every
// language and of every age that can be had, and hold the same conversation
// with each of them, in every version and in both roles.
//
// They run on Linux only. README.md says how, how to add a peer, and what the
// peers do that they should not.
package interop
