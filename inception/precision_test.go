package inception

import (
	"context"
	"errors"
	"math"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/c236555e/rehead/dataset/picture"
	"github.com/c236555e/rehead/inception/internal/files"
	"github.com/c236555e/rehead/nn"
)

// int8Model is small's with an int8 trunk and a self-test of its own.
func int8Model(t *testing.T) (m *Model, float *Weights) {
	t.Helper()
	m = small(t)
	float = m.Trunk
	w, err := Calibrate(context.Background(), float, nn.Config{}, 3, func(i int, pixels []float32) error {
		if i == 1 {
			return errors.New("unreadable")
		}
		_, err := m.Recipe.Load(sketch(t, i, 0), picture.Limits{}, pixels)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	m.Trunk, m.TrunkDigest, m.Ranges = w, w.Digest, w.Ranges
	c, err := NewClassifier(m, nn.Config{})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if p := c.Trunk().Program().Precision(); p != nn.Int8 {
		t.Fatalf("the trunk computes with %s", p)
	}
	if m.SelfTest, err = c.Record(context.Background(), sketch(t, 0, 0), sketch(t, 1, 0)); err != nil {
		t.Fatal(err)
	}
	return m, float
}

// TestInt8Model: an int8 model survives saving with every form of trunk, checks itself at its
// precision, and gives the same answers with every kernel.
func TestInt8Model(t *testing.T) {
	m, float := int8Model(t)
	if m.TrunkDigest == float.Digest || !files.IsSHA256(m.TrunkDigest) {
		t.Errorf("digest %q of int8, %q of float32: want two", m.TrunkDigest, float.Digest)
	}
	if !m.IsTrunk(float.Digest) || m.IsTrunk(m.TrunkDigest) || m.IsTrunk(strings.Repeat("0", 64)) {
		t.Error("IsTrunk: want the weights' own digest and no other")
	}
	if f := small(t); !f.IsTrunk(f.TrunkDigest) || f.IsTrunk(m.TrunkDigest) {
		t.Error("IsTrunk of a float32 model: want its digest and no other")
	}
	dir := t.TempDir()
	mustSave(t, m, filepath.Join(dir, "full"), SaveOptions{})
	full := mustOpen(t, filepath.Join(dir, "full"))
	sameModel(t, full, m)
	if full.Precision() != nn.Int8 || full.Trunk.Digest != m.TrunkDigest {
		t.Errorf("opened: %s, digest %.12s, want int8, %.12s", full.Precision(), full.Trunk.Digest, m.TrunkDigest)
	}
	mustSave(t, m, filepath.Join(dir, "bare"), SaveOptions{NoTrunk: true})
	bare := mustOpen(t, filepath.Join(dir, "bare"))
	if err := bare.AttachTrunk(float); err != nil {
		t.Errorf("attach the weight file's trunk: %v", err)
	}
	mustSave(t, m, filepath.Join(dir, "half"), SaveOptions{DType: "f16"})
	half := mustOpen(t, filepath.Join(dir, "half"))
	for name, m := range map[string]*Model{"full": full, "bare": bare, "half": half} {
		for _, kernel := range nn.Kernels() {
			c, err := NewClassifier(m, nn.Config{Kernel: kernel})
			if err != nil {
				t.Fatal(err)
			}
			if err := c.Check(context.Background()); err != nil {
				t.Errorf("%s, %s: %v", name, kernel, err)
			}
			s, err := c.Record(context.Background(), m.SelfTest.Pictures...)
			if err != nil {
				t.Fatal(err)
			}
			for i, b := range s.Bottlenecks {
				if !slices.Equal(b, m.SelfTest.Bottlenecks[i]) {
					t.Errorf("%s, %s: bottleneck %d is not the one that is stored", name, kernel, i)
				}
			}
			if err := c.Close(); err != nil {
				t.Error(err)
			}
		}
	}
}

// TestInt8Apart: what is of one precision is refused where the other is wanted.
func TestInt8Apart(t *testing.T) {
	m, float := int8Model(t)
	mixed := *m
	mixed.Trunk = float
	if err := mixed.Validate(); err == nil || !strings.Contains(err.Error(), "int8") {
		t.Errorf("a float32 trunk in an int8 model: got %v", err)
	}
	plain := *m
	plain.Ranges, plain.Trunk, plain.TrunkDigest = nil, nil, float.Digest
	if err := plain.AttachTrunk(m.Trunk); err == nil || !strings.Contains(err.Error(), "int8") {
		t.Errorf("an int8 trunk for a float32 model: got %v", err)
	}
	if _, err := m.Trunk.Quantized(m.Ranges); err == nil {
		t.Error("ranges for weights that have some: no error")
	}
	if _, err := float.Quantized(nil); err == nil {
		t.Error("no ranges: no error")
	}
	if _, err := float.Quantized(nn.Ranges{"input": {Low: 0, High: float32(math.NaN())}}); err == nil {
		t.Error("ranges that are not finite: no error")
	}
	other := nn.Ranges{}
	for name, r := range m.Ranges {
		other[name] = r
	}
	other["input"] = nn.Range{Low: -2, High: 2}
	if w, err := float.Quantized(other); err != nil || w.Digest == m.TrunkDigest {
		t.Errorf("other ranges: got %v and digest %.12s, want another than %.12s", err, w.Digest, m.TrunkDigest)
	}
	bad := errors.New("unreadable")
	if _, err := Calibrate(context.Background(), float, nn.Config{}, 2, func(int, []float32) error {
		return bad
	}); !errors.Is(err, bad) {
		t.Errorf("calibrated on nothing: got %v", err)
	}
}

// TestBFloat16Model: a bfloat16 model survives saving with every form of trunk, checks itself with
// every kernel, and kernels in assembly agree to the bit.
func TestBFloat16Model(t *testing.T) {
	m := small(t)
	float := m.Trunk
	w, err := float.Narrowed()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Narrowed(); err == nil {
		t.Error("narrowed twice: got no error")
	}
	m.Trunk, m.TrunkDigest, m.BFloat16 = w, w.Digest, true
	c, err := NewClassifier(m, nn.Config{})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if p := c.Trunk().Program().Precision(); p != nn.BFloat16 {
		t.Fatalf("the trunk computes with %s", p)
	}
	if m.SelfTest, err = c.Record(context.Background(), sketch(t, 0, 0), sketch(t, 1, 0)); err != nil {
		t.Fatal(err)
	}
	if m.TrunkDigest == float.Digest || !m.IsTrunk(float.Digest) || m.IsTrunk(m.TrunkDigest) {
		t.Error("IsTrunk: want the weights' own digest and no other")
	}
	dir := t.TempDir()
	mustSave(t, m, filepath.Join(dir, "full"), SaveOptions{})
	mustSave(t, m, filepath.Join(dir, "bare"), SaveOptions{NoTrunk: true})
	full, bare := mustOpen(t, filepath.Join(dir, "full")), mustOpen(t, filepath.Join(dir, "bare"))
	sameModel(t, full, m)
	if err := bare.AttachTrunk(float); err != nil {
		t.Errorf("attach the weight file's trunk: %v", err)
	}
	for name, m := range map[string]*Model{"full": full, "bare": bare} {
		for _, kernel := range nn.Kernels() {
			k, err := NewClassifier(m, nn.Config{Kernel: kernel})
			if err != nil {
				t.Fatal(err)
			}
			if err := k.Check(context.Background()); err != nil {
				t.Errorf("%s, %s: %v", name, kernel, err)
			}
			s, err := k.Record(context.Background(), m.SelfTest.Pictures...)
			if err != nil {
				t.Fatal(err)
			}
			// Kernels that round otherwise now and then.
			own := []string{"amx", "bf16"}
			other := kernel == "ref" || slices.Contains(own, kernel) || slices.Contains(own, nn.Kernels()[0])
			for i, b := range s.Bottlenecks {
				if !other && !slices.Equal(b, m.SelfTest.Bottlenecks[i]) {
					t.Errorf("%s, %s: bottleneck %d is not the one that is stored", name, kernel, i)
				}
			}
			if err := k.Close(); err != nil {
				t.Error(err)
			}
		}
	}
	back, err := full.Computing(nn.Float32)
	if err != nil || back.TrunkDigest != float.Digest || back.Precision() != nn.Float32 || back.Validate() != nil {
		t.Errorf("computing with float32: got %v, %v, want the float32 trunk", back, err)
	}
	if _, err := full.Computing(nn.Int8); err == nil {
		t.Error("computing with int8: got no error, want one that says to train")
	}
}
