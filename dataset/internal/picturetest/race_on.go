//go:build race

package picturetest

// RaceEnabled tells that the race detector is on.
const RaceEnabled = true
