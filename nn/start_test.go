package nn

import (
	"os"
	"os/exec"
	"strings"
	"testing"
)

// pinned is the version of the package that stops a program which imports
// Gorgonia on a Go newer than it knows.
const pinned = "v0.0.0-20231121144256-b99613f794b6"

// TestProgramStarts starts a program that imports Gorgonia: this one, with no
// tests to run, in an environment without the variable that would let an older
// version of the guarding package pass.
func TestProgramStarts(t *testing.T) {
	self, err := os.Executable()
	if err != nil {
		t.Skipf("this program cannot be found: %v", err)
	}
	cmd := exec.Command(self, "-test.run=^$")
	for _, v := range os.Environ() {
		if !strings.HasPrefix(v, "ASSUME_NO_MOVING_GC_UNSAFE") {
			cmd.Env = append(cmd.Env, v)
		}
	}
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("a program that imports Gorgonia does not start: %v\n%s", err, out)
	}
}

// TestGuardIsPinned reads the version that this module asks for: Gorgonia alone
// asks for one of 2020, which refuses to start today.
func TestGuardIsPinned(t *testing.T) {
	mod, err := os.ReadFile("../go.mod")
	if err != nil {
		t.Fatal(err)
	}
	if want := "go4.org/unsafe/assume-no-moving-gc " + pinned; !strings.Contains(string(mod), want) {
		t.Errorf("go.mod does not require %s", want)
	}
}
