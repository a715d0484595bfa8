//go:build !linux

package main

import "testing"

// mountPoint is for systems on which a test can mount.
func mountPoint(t *testing.T, _ string) { t.Skip("only on Linux is something mounted here") }

// readOnly, too.
func readOnly(t *testing.T, _ string) { t.Skip("only on Linux is something mounted here") }
