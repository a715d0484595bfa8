//go:build race

package convert

// raceDetector is whether the tests run under it, where full-width networks take minutes.
const raceDetector = true
