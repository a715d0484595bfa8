package kernels

import (
	"errors"
	"fmt"
	"regexp"
	"strings"
	"testing"

	"github.com/c236555e/rehead/nn/internal/ptx"
)

// plant is a bug: an edit of the text of a kernel.
type plant struct {
	what, kernel string
	// from is what is replaced by to, in its occurrences from first on, counted from 0 or from the
	// last, -1, backwards; all of them if there is none.
	from, to string
	which    []int
}

// plants are bugs of the kind that one makes. Every one of them has to be found.
var plants = []plant{
	{"no barrier", "conv64", `bar\.sync \t0;`, "", nil},
	{"a wait for one group too few", "conv64", `wait_group 1`, "wait_group 2", nil},
	{"no wait", "conv64", `cp\.async\.wait_group 1;`, "", nil},
	{"the commit of the loop is missing", "conv64", `cp\.async\.commit_group;`, "", []int{-1}},
	{"no empty commits at the end", "conv64", `cp\.async\.commit_group;`, "", []int{-2}},
	{"pixels beyond the border are not zero", "conv64", `(cp\.async.*, 16, )%r\d+;`, "${1}16;", nil},
	{"one picture's row in another's place", "conv64", `xor\.b32 `, "or.b32 ", []int{0}},
	{"reading by another swizzle", "conv64", `xor\.b32 `, "and.b32 ", []int{-1}},
	{"halves of a fragment swapped", "conv64", `(mma\S+ \{[^}]*\}, \{)(%r\d+), (%r\d+)`, "${1}${3}, ${2}", []int{3}},
	{"columns' fragments swapped", "conv64", `(mma\S+ \{[^}]*\}, \{[^}]*\}, \{)(%r\d+), (%r\d+)`, "${1}${3}, ${2}", []int{-1}},
	{"a product left out", "conv64", `mma\S+ [^;]*;`, "", []int{5}},
	{"the matrix of the wrong lanes", "conv64", `(ldmatrix\S+ \{)(%r\d+), (%r\d+)`, "${1}${3}, ${2}", []int{2}},
	{"the buffers' ring a step short", "conv64", `(setp\.eq\.s32 \t%p\d+, %r\d+), 3;`, "${1}, 2;", nil},
	{"one bias for two channels", "conv64", `(ld\.global\.f32 \t%f\d+, \[%rd\d+)\+4\]`, "${1}]", []int{0}},
	{"channels of a pair swapped", "conv64", `(cvt\.rn\.f16x2\.f32 %r\d+), (%f\d+), (%f\d+)`, "${1}, ${3}, ${2}", []int{0}},
	{"ReLU turned around", "conv64", `setp\.lt\.f32`, "setp.gt.f32", nil},
	{"blocks of channels at one place", "conv64", `%ctaid\.y`, "%ctaid.x", nil},
	{"rows that are none are stored", "conv64", `setp\.ge\.s32 (\t%p\d+, %r\d+, %r21);`, "setp.gt.s32 ${1};", []int{-1, -2}},
	{"stores before the buffer", "conv64", `(st\.global\.u32 \t\[%rd\d+)\]`, "${1}+-64]", []int{0}},
	{"the other tile's half", "conv64", `and\.b32  (\t%r\d+, %r\d+), 480;`, "and.b32 ${1}, 448;", []int{0}},
	{"a maximum left out", "maxpool", `max\.NaN\.f32 (%f\d+), (%f\d+), %f\d+;`, "mov.f32 ${1}, ${2};", []int{2}},
	{"an average over another area", "avgpool", `cvt\.rn\.f32\.s32 (\t%f\d+), %r\d+;`, "mov.f32 ${1}, 0f41100000;", nil},
	{"a group of lanes beyond the end", "unpack", `setp\.ge\.s32`, "setp.gt.s32", []int{0}},
	{"levels of half a channel", "levels", `shl\.b32 (\t%r\d+, %r\d+), 8;`, "shl.b32 ${1}, 7;", nil},
	{"a channel of another lane", "pack", `ld\.global\.u32 (\t%r\d+), \[(%rd\d+)\]`, "mov.u32 ${1}, 1", nil},
}

// headPlants are bugs of what solving for a head takes.
var headPlants = []plant{
	{"no barrier", "gradient64", `bar\.sync \t0;`, "", nil},
	{"a wait for one group too few", "gradient64", `wait_group 1`, "wait_group 2", nil},
	{"the commit of the loop is missing", "gradient64", `cp\.async\.commit_group;`, "", []int{-1}},
	{"rows beyond the chunk are not zero", "gradient64", `(cp\.async.*, 16, )%r\d+;`, "${1}16;", []int{-1, -2}},
	{"the buffers' ring a step short", "gradient64", `(setp\.eq\.s32 \t%p\d+, %r\d+), 3;`, "${1}, 2;", nil},
	{"a product left out", "gradient64", `fma\.rn\.f32 \t(%f\d+), %f\d+, %f\d+, (%f\d+);`, "mov.f32 ${1}, ${2};", []int{77}},
	{"every chunk at one place", "gradient64", `mov\.u32 (\t%r\d+), %ctaid\.y;`, "mov.u32 ${1}, 0;", nil},
	{"classes that are none are stored", "gradient64", `or\.pred  (\t%p\d+), %p\d+, (%p\d+);`, "mov.pred ${1}, ${2};", nil},
	{"a maximum of the wrong half", "residual", `(shfl\.sync\.bfly\.b32\t%r\d+, %r\d+), 16,`, "${1}, 8,", []int{0, 1}},
	{"the largest counts twice", "residual", `selp\.f32 \t(%f\d+), %f\d+, (%f\d+), %p\d+;`, "mov.f32 ${1}, ${2};", []int{-4}},
	{"an exponential's term left out", "residual", `0f3E2AAAAB`, "0f00000000", nil},
	{"the label's target for none", "residual", `selp\.f32 \t(%f\d+), %f\d+, (%f\d+), %p\d+;`, "mov.f32 ${1}, ${2};", []int{1}},
	{"the label's difference as it comes", "residual", `neg\.f32`, "mov.f32", []int{-1}},
	{"what a sum lost left out", "columns", `add\.f32 \t(%f\d+), (%f\d+), (%f\d+);`, "mov.f32 ${1}, ${2};", []int{-1}},
	{"a row beyond the chunk", "columns", `min\.s32 \t(%r\d+), (%r\d+), %r\d+;`, "mov.u32 ${1}, ${2};", nil},
	{"the groups before forgotten", "fold", `setp\.eq\.s32 \t(%p\d+), (%r\d+), 0;`, "setp.ne.s32 ${1}, ${2}, ${2};", []int{0}},
	{"every other chunk left out", "fold", `add\.s32 \t(%r\d+), (%r\d+), -1;`, "add.s32 ${1}, ${2}, -2;", nil},
}

// apply edits the module's text.
func (p plant) apply(t *testing.T, text string) string {
	t.Helper()
	start := strings.Index(text, ".visible .entry "+p.kernel+"(")
	if start < 0 {
		t.Fatalf("%s: there is no kernel %s", p.what, p.kernel)
	}
	end := len(text)
	if i := strings.Index(text[start+1:], ".visible .entry"); i >= 0 {
		end = start + 1 + i
	}
	body, from := text[start:end], regexp.MustCompile(p.from)
	places := from.FindAllStringIndex(body, -1)
	if len(places) == 0 {
		t.Fatalf("%s: nothing in %s matches %s", p.what, p.kernel, p.from)
	}
	which := p.which
	if which == nil {
		for i := range places {
			which = append(which, i)
		}
	}
	chosen := map[int]bool{}
	for _, i := range which {
		chosen[(i+len(places))%len(places)] = true
	}
	for i := len(places) - 1; i >= 0; i-- {
		if at := places[i]; chosen[i] {
			body = body[:at[0]] + from.ReplaceAllString(body[at[0]:at[1]], p.to) + body[at[1]:]
		}
	}
	return text[:start] + body + text[end:]
}

// find says what is wrong with a gpu's kernels, if a few launches show it.
func find(g *gpu) error {
	for _, s := range straddling {
		if s.n > 3 {
			continue
		}
		c := g.newConv(s)
		if err := g.try(c.Launch(g.Tiles()[0])); err != nil {
			return err
		}
		got, err := c.result(g)
		if err != nil {
			return err
		}
		if err := difference(got, c.want(), g.tolerance()); err != nil {
			return fmt.Errorf("%v: %w", s, err)
		}
	}
	return findPlanes(g)
}

// TestPlanted holds what checks the kernels to what it has to find.
func TestPlanted(t *testing.T) {
	t.Run("network", func(t *testing.T) { plantEach(t, Precisions()[2], plants, find) })
	t.Run("head", func(t *testing.T) {
		plantEach(t, Precisions()[0], headPlants, func(g *gpu) error {
			for _, s := range headShapes {
				if err := g.example(s).tries(GradientTiles()[:1]); err != nil {
					return fmt.Errorf("%+v: %w", s, err)
				}
			}
			return nil
		})
	})
}

// plantEach plants one bug after the other into a precision's kernels.
func plantEach(t *testing.T, p Precision, list []plant, find func(g *gpu) error) {
	text, err := PTX(p.Name)
	if err != nil {
		t.Fatal(err)
	}
	g := newGPU(t, p)
	g.board = &interpreted{TB: t}
	if err := find(g); err != nil {
		t.Fatalf("without a bug: %v", err)
	}
	faults := 0
	for _, b := range list {
		m, err := ptx.Parse(b.apply(t, string(text)))
		if err != nil {
			t.Fatalf("%s: %v", b.what, err)
		}
		g.board = &interpreted{TB: t, edited: m}
		var fault *ptx.Fault
		switch err := find(g); {
		case err == nil:
			t.Errorf("%s: it was not found", b.what)
		case errors.As(err, &fault):
			faults++
			t.Logf("%s: a fault: %v", b.what, err)
		default:
			t.Logf("%s: wrong numbers: %v", b.what, err)
		}
	}
	t.Logf("%d bugs, %d found as faults", len(list), faults)
}
