package check

import (
	"bufio"
	"bytes"
	"testing"
	"time"
)

func bufioReader(text []byte) *bufio.Reader { return bufio.NewReader(bytes.NewReader(text)) }

// seconds reads a duration; "" is the server's own time to finish requests, 25 s.
func seconds(t *testing.T, text string) float64 {
	t.Helper()
	if text == "" {
		text = "25s"
	}
	d, err := time.ParseDuration(text)
	if err != nil {
		t.Fatal(err)
	}
	return d.Seconds()
}
