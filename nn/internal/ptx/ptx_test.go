package ptx

import (
	"encoding/binary"
	"errors"
	"math"
	"math/big"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/c236555e/rehead/internal/safetensors"
)

// kernel is a kernel "k" of a body with registers to work with. It has one parameter of 16 bytes, of
// which the first is an address, and 256 bytes of shared memory.
func kernel(t *testing.T, body string) *Kernel {
	t.Helper()
	m, err := Parse(`.version 7.0
.target sm_80
.address_size 64
.visible .entry k(
	.param .align 8 .b8 p[16]
)
.maxntid 64, 1, 1
{
	.reg .pred %p<8>;
	.reg .b32 %r<40>;
	.reg .f32 %f<20>;
	.reg .b64 %rd<20>;
	.shared .align 16 .b8 s[256];
	ld.param.u64 %rd1, [p];
	mov.u32 %r1, %tid.x;
	mov.u32 %r2, s;
	shl.b32 %r3, %r1, 2;
	add.s32 %r4, %r2, %r3; // a word of shared memory a thread
	cvt.u64.u32 %rd2, %r3;
	add.s64 %rd3, %rd1, %rd2; // and of global memory
` + body + "\n}\n")
	if err != nil {
		t.Fatal(err)
	}
	return m.Kernels["k"]
}

// run runs the body with so many threads in so many blocks on n bytes of memory.
func run(t *testing.T, body string, blocks, threads, n int) ([]byte, error) {
	t.Helper()
	var m Memory
	at := m.Alloc(n)
	params := binary.LittleEndian.AppendUint64(nil, at)
	err := kernel(t, body).Run(&m, Launch{Grid: [3]int{blocks, 1, 1}, Block: [3]int{threads, 1, 1}, Params: append(params,
		make([]byte, 8)...)})
	b, _ := m.Bytes(at, n)
	return b, err
}

// TestFaults has kernels do what is wrong, and nearly the same that is right.
func TestFaults(t *testing.T) {
	for _, c := range []struct{ name, right, wrong, want string }{
		{"memory", "st.global.u32 [%rd3], %r1; ret;", "st.global.u32 [%rd3+4], %r1; ret;", "in no allocation"},
		{"alignment", "st.global.u32 [%rd3], %r1; ret;", "st.global.u32 [%rd3+2], %r1; ret;", "is not a multiple of 4"},
		{"two stores", "st.global.u32 [%rd3], %r1; ret;", "st.global.u32 [%rd1], %r1; ret;", "another thread of this launch stored to"},
		{
			"a load of another's store", "st.global.u32 [%rd3], %r1; ld.global.u32 %r5, [%rd3]; ret;",
			"st.global.u32 [%rd3], %r1; bar.sync 0; ld.global.u32 %r5, [%rd1]; ret;", "which another thread of this launch stored to",
		},
		{
			"shared memory that nothing wrote", "st.shared.u32 [%r4], %r1; ld.shared.u32 %r5, [%r4]; ret;",
			"ld.shared.u32 %r5, [%r4]; ret;", "which nothing wrote",
		},
		{
			"no barrier", "st.shared.u32 [%r4], %r1; bar.sync 0; ld.shared.u32 %r5, [%r2]; ret;",
			"st.shared.u32 [%r4], %r1; ld.shared.u32 %r5, [%r2]; ret;", "wrote since the last barrier",
		},
		{
			"no barrier before a write", "st.shared.u32 [%r4], %r1; bar.sync 0; ld.shared.u32 %r5, [%r2]; bar.sync 0; " +
				"st.shared.u32 [%r4], %r1; ret;",
			"st.shared.u32 [%r4], %r1; bar.sync 0; ld.shared.u32 %r5, [%r2]; st.shared.u32 [%r4], %r1; ret;",
			"another thread read since the last barrier",
		},
		{"the window", "st.shared.u32 [%r4], %r1; ret;", "st.shared.u32 [%r4+4], %r1; ret;", "are outside of its 256"},
		{
			"a barrier that some do not reach", "setp.lt.u32 %p1, %r1, 32; @%p1 bra $A; bar.sync 0; ret; $A: bar.sync 0; ret;",
			"setp.lt.u32 %p1, %r1, 7; @%p1 bra $A; bar.sync 0; ret; $A: bar.sync 0; ret;", "reach the barrier together",
		},
		{
			"a shuffle that some do not reach", "shfl.sync.bfly.b32 %r5, %r1, 1, 31, -1; ret;",
			"setp.eq.u32 %p1, %r1, 7; @%p1 ret; shfl.sync.bfly.b32 %r5, %r1, 1, 31, -1; ret;", "are here together",
		},
		{"no end", "ret;", "$A: add.s32 %r5, %r5, 1; bra.uni $A;", "does not end"},
		{"nothing behind", "ret;", "add.s32 %r5, %r5, 1;", "behind its end"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if _, err := run(t, c.right, 1, 64, 256); err != nil {
				t.Errorf("right: got %v", err)
			}
			_, err := run(t, c.wrong, 1, 64, 256)
			var f *Fault
			if !errors.As(err, &f) || !strings.Contains(f.Reason, c.want) || f.Line == 0 {
				t.Errorf("wrong: got %v, want %q", err, c.want)
			}
		})
	}
	if _, err := run(t, "st.global.u32 [%rd3], %r1; ret;", 2, 64, 256); err == nil || !strings.Contains(err.Error(), "another thread") {
		t.Errorf("two blocks at one place: got %v, want a fault", err)
	}
}

// TestAsync copies 16 bytes a thread: they are there after the thread's own wait, and others may read
// them after a barrier.
func TestAsync(t *testing.T) {
	const begin = `shl.b32 %r5, %r1, 4; add.s32 %r6, %r2, %r5; cvt.u64.u32 %rd4, %r5; add.s64 %rd5, %rd1, %rd4;
		cp.async.cg.shared.global [%r6], [%rd5], 16, %r7; cp.async.commit_group; cp.async.commit_group;`
	for name, c := range map[string]struct{ code, want string }{
		"right":          {"mov.b32 %r7, 16;" + begin + "cp.async.wait_group 1; bar.sync 0; ld.shared.u32 %r8, [%r2]; ret;", ""},
		"no barrier":     {"mov.b32 %r7, 16;" + begin + "cp.async.wait_group 1; ld.shared.u32 %r8, [%r2]; ret;", "since the last barrier"},
		"too short":      {"mov.b32 %r7, 16;" + begin + "cp.async.wait_group 2; bar.sync 0; ld.shared.u32 %r8, [%r2]; ret;", "has not written yet"},
		"too many bytes": {"mov.b32 %r7, 17;" + begin + "ret;", "copies 17 of 16"},
		"zeros": {"mov.b32 %r7, 0;" + begin + `cp.async.wait_group 0; ld.shared.u32 %r8, [%r6+12]; setp.ne.s32 %p1, %r8, 0;
			@%p1 bra $BAD; ret; $BAD: ld.shared.u32 %r8, [%r6+1]; ret;`, ""},
	} {
		_, err := run(t, c.code, 1, 16, 256)
		if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
			t.Errorf("%s: got %v, want %q", name, err, c.want)
		}
	}
}

// TestDivergence lets the lanes of a warp take different ways, loops of different lengths among them.
func TestDivergence(t *testing.T) {
	b, err := run(t, `mov.b32 %r5, 0;
	and.b32 %r6, %r1, 7;
	setp.gt.u32 %p1, %r6, 4;
	@%p1 bra $ODD;
$LOOP:
	add.s32 %r5, %r5, %r6;
	setp.ge.s32 %p2, %r5, 20;
	@%p2 bra $END;
	add.s32 %r5, %r5, 1;
	bra.uni $LOOP;
$ODD:
	mul.lo.s32 %r5, %r6, 1000;
$END:
	st.global.u32 [%rd3], %r5;
	ret;`, 1, 64, 256)
	if err != nil {
		t.Fatal(err)
	}
	for i := range 64 {
		want, step := 0, i%8
		if step > 4 {
			want = step * 1000
		} else {
			for want = step; want < 20; want += 1 + step {
			}
		}
		if got := int(binary.LittleEndian.Uint32(b[4*i:])); got != want {
			t.Errorf("thread %d: got %d, want %d", i, got, want)
		}
	}
}

// TestArithmetic compares with arithmetic that is exact.
func TestArithmetic(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	number := func() float32 {
		return float32(math.Ldexp(r.NormFloat64(), r.IntN(60)-30))
	}
	for range 200_000 {
		a, b, c := number(), number(), number()
		if r.IntN(2) == 0 { // sums that nearly cancel, or end at the middle of two numbers
			c = -a * b * (1 + float32(r.IntN(5)-2)/(1<<24))
		}
		exact := new(big.Float).SetPrec(300)
		exact.Add(exact.Mul(big.NewFloat(float64(a)), big.NewFloat(float64(b))), big.NewFloat(float64(c)))
		if want, _ := exact.Float32(); fma(a, b, c) != want {
			t.Fatalf("fma(%v, %v, %v): got %v, want %v", a, b, c, fma(a, b, c), want)
		}
		h, ok := safetensors.Half(a)
		if got := toHalf(a); ok && got != h {
			t.Fatalf("half of %v: got %#x, want %#x", a, got, h)
		}
		if back := f32(uint32(toBrain(bits32(a))) << 16); math.Abs(float64(back-a)) > math.Abs(float64(a))/256 {
			t.Fatalf("bfloat16 of %v: got %v", a, back)
		}
	}
	for i := range 1 << 16 {
		if got, want := halves[i], safetensors.FromHalf(uint16(i)); got != want && got == got {
			t.Fatalf("half %#x: got %v, want %v", i, got, want)
		}
	}
	for v, want := range map[float32]uint16{65520: 0x7c00, -1e30: 0xfc00, float32(math.NaN()): 0x7fff} {
		if got := toHalf(v); got != want {
			t.Errorf("half of %v: got %#x, want %#x", v, got, want)
		}
	}
	for v, want := range map[uint32]uint16{0x3f808000: 0x3f80, 0x3f818000: 0x3f82, 0x3f808001: 0x3f81, 0x7f800001: 0x7fff} {
		if got := toBrain(v); got != want {
			t.Errorf("bfloat16 of %#x: got %#x, want %#x", v, got, want)
		}
	}
}

// TestParse refuses what it does not know.
func TestParse(t *testing.T) {
	for _, body := range []string{"sin.approx.f32 %f1, %f2;", "bra $NOWHERE;", "add.s32 %r1, %r2, %zz;", "add.s32 %r1, %r2;",
		"@%r1 ret;", "mma.sync.aligned.m8n8k4.row.col.f32.f16.f16.f32 {%f1}, {%r1}, {%r2}, {%f1};", "ld.local.u32 %r1, [%rd1];"} {
		if _, err := Parse(".visible .entry k(\n.param .u64 p\n)\n{\n.reg .b32 %r<9>;\n.reg .f32 %f<9>;\n.reg .b64 %rd<9>;\n" +
			body + "\n}\n"); err == nil || !strings.Contains(err.Error(), "line") {
			t.Errorf("%s: got %v, want an error with its line", body, err)
		}
	}
	if _, err := Parse(".visible .entry k(\n.param .u64 p\n)\n{\nret;\n"); err == nil {
		t.Error("a kernel without an end: got no error")
	}
}

// TestMemory frees, and finds what is not there.
func TestMemory(t *testing.T) {
	var m Memory
	a, b := m.Alloc(100), m.Alloc(8)
	for _, c := range []struct {
		at uint64
		n  int
		ok bool
	}{{a, 100, true}, {a + 96, 4, true}, {a + 96, 5, false}, {a - 1, 1, false}, {b, 8, true}, {b - 4, 8, false}, {0, 1, false}} {
		if got, err := m.Bytes(c.at, c.n); (err == nil) != c.ok || c.ok && got[0] != 0xff {
			t.Errorf("%d bytes at %#x: got %v, %v", c.n, c.at, got, err)
		}
	}
	if err := m.Free(a); err != nil || m.Live() != 1 {
		t.Errorf("free: got %v and %d left", err, m.Live())
	}
	if m.Free(a) == nil {
		t.Error("freed twice: got no error")
	}
	if c := m.Alloc(4); c == a {
		t.Error("an address was given out again")
	}
}
