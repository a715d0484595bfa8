package asmtest

import (
	"encoding/binary"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// TestEncodingsNEON disassembles the instructions that Go's assembler has no
// name for and compares each with its comment.
func TestEncodingsNEON(t *testing.T) {
	tool, err := exec.LookPath("aarch64-linux-gnu-objdump")
	if err != nil {
		t.Skip("no disassembler for arm64 (Debian: binutils-aarch64-linux-gnu): ", err)
	}
	words := regexp.MustCompile(`WORD \$(0x[0-9a-f]{8}) // (.+)`)
	for _, file := range assembly(t, "_arm64.s") {
		source, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		var code []byte
		var want []string
		for _, m := range words.FindAllStringSubmatch(string(source), -1) {
			word, err := strconv.ParseUint(m[1], 0, 32)
			if err != nil {
				t.Fatal(err)
			}
			code = binary.LittleEndian.AppendUint32(code, uint32(word))
			want = append(want, m[2])
		}
		raw := filepath.Join(t.TempDir(), "code")
		if err := os.WriteFile(raw, code, 0o600); err != nil {
			t.Fatal(err)
		}
		out, err := exec.Command(tool, "-D", "-b", "binary", "-m", "aarch64", "-z", raw).CombinedOutput()
		if err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		got := disassembled(string(out))
		if len(want) == 0 || len(got) != len(want) {
			t.Fatalf("%s: %d instructions disassembled, want %d", file, len(got), len(want))
		}
		for i, w := range want {
			if got[i] != w {
				t.Errorf("%s: word %d, %#08x, is %q, want %q", file, i, code[4*i:][:4], got[i], w)
			}
		}
	}
}

// TestEncodingsAMX disassembles the instructions of the tile unit, which Go's assembler has no names for,
// and compares each with its comment.
func TestEncodingsAMX(t *testing.T) {
	tool, err := exec.LookPath("objdump")
	if err != nil {
		t.Skip("no disassembler for amd64 (Debian: binutils): ", err)
	}
	source, err := os.ReadFile(filepath.Join(root, "nn", "internal", "kernel", "amx_amd64.s"))
	if err != nil {
		t.Fatal(err)
	}
	var code []byte
	var want []string
	for _, m := range regexp.MustCompile(`// (.+)\n((?:\tBYTE \$0x[0-9a-f]{2}\n)+)`).FindAllStringSubmatch(string(source), -1) {
		for _, b := range regexp.MustCompile(`0x([0-9a-f]{2})`).FindAllStringSubmatch(m[2], -1) {
			v, err := strconv.ParseUint(b[1], 16, 8)
			if err != nil {
				t.Fatal(err)
			}
			code = append(code, byte(v))
		}
		want = append(want, m[1])
	}
	raw := filepath.Join(t.TempDir(), "code")
	if err := os.WriteFile(raw, code, 0o600); err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command(tool, "-D", "-b", "binary", "-m", "i386:x86-64", "-w", raw).CombinedOutput()
	if err != nil {
		t.Skipf("a disassembler for another processor: %s", out)
	}
	got := disassembled(string(out))
	if len(want) == 0 || len(got) != len(want) {
		t.Fatalf("%d instructions disassembled, want %d", len(got), len(want))
	}
	for i, w := range want {
		if g := strings.Join(strings.Fields(got[i]), " "); g != w {
			t.Errorf("instruction %d is %q, want %q", i, g, w)
		}
	}
}

// disassembled returns the instructions of objdump's lines, which are offset,
// code, name and operands between tabs.
func disassembled(out string) []string {
	var list []string
	for line := range strings.Lines(out) {
		if f := strings.Split(strings.TrimRight(line, "\n"), "\t"); len(f) > 2 {
			list = append(list, strings.TrimSpace(strings.Join(f[2:], " ")))
		}
	}
	return list
}
