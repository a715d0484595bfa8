package jpeg

import (
	"testing"

	"github.com/c236555e/rehead/internal/asmtest"
)

func TestGenerated(t *testing.T) { asmtest.Generated(t, "idct_amd64.s", "_generate") }
