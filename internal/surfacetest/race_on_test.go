//go:build race

package surfacetest

const raceEnabled = true
