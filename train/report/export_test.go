package report

import "testing"

// MadeUp is the report of made-up pictures.
func MadeUp(t *testing.T, labels []string, per int) []byte {
	t.Helper()
	return mustReport(t, madeUp(t, labels, per))
}
