package wrongfield

import (
	"errors"
	"io"
	"testing"
)

func TestError(t *testing.T) {
	err := Errorf("train: config", "Epochs", "got %d: %w", -1, io.EOF)
	var e *Error
	if err.Error() != "train: config: Epochs: got -1: EOF" || !errors.Is(err, io.EOF) || !errors.As(err, &e) ||
		e.Fields != "Epochs" {
		t.Errorf("got %q, %+v", err, e)
	}
}
