// Package load sends a server pictures and measures how it answers.
//
// # Purpose
//
// [Run] is what `rehead bench serve` calls. It speaks plain HTTP, POST with a picture for a body,
// so that it measures any server of the contract, not only Rehead's own.
//
// In a closed loop each of Config.Clients sends its next request when its last is answered: that
// shows how much a server can do. In an open loop requests start at random (Poisson) at Config.Rate
// a second, whether the earlier ones are answered or not, as strangers' do: that shows how long
// they wait. There a latency counts from the moment at which its request was due, so that a server
// that stalls cannot hide it by holding the generator up (what Gil Tene calls coordinated
// omission).
//
// # Concurrency
//
// Run is safe for concurrent use and leaves no goroutine behind.
package load
