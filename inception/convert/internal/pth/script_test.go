package pth

import (
	"bytes"
	"strings"
	"testing"

	"github.com/c236555e/rehead/inception/convert/internal/pickle"
	"github.com/c236555e/rehead/inception/convert/internal/raw"
	"github.com/c236555e/rehead/inception/internal/fixture"
)

// TestScript: modules, constants and the example of a program, and the modules of a whole network.
func TestScript(t *testing.T) {
	b := fixture.Read(t, "chain-trace.pt")
	a, err := OpenArchive(bytes.NewReader(b), int64(len(b)))
	if err != nil {
		t.Fatal(err)
	}
	s, err := ReadScript(a)
	if err != nil {
		t.Fatal(err)
	}
	d, _ := s.Root.State.(*pickle.Dict)
	mean, _ := d.Get("mean")
	x, ok := mean.(*raw.Tensor)
	if !ok || s.Root.Name != "Whole" || s.Size != 139 || len(s.Constants) != 1 {
		t.Fatalf("got %s, size %d, %d constants, mean %v", s.Root.Name, s.Size, len(s.Constants), mean)
	}
	if v, err := x.Float32s(); err != nil || len(v) != 3 || v[0] != 0.485 {
		t.Errorf("mean is %v, %v", v, err)
	}
	if code, err := s.Code("code/__torch__.py"); err != nil || !strings.Contains(string(code), "class Whole(Module)") {
		t.Errorf("got code %.40q, %v", code, err)
	}
}

// TestModules: the modules of a network that was pickled whole, and its tensors as state_dict()
// names them.
func TestModules(t *testing.T) {
	b := fixture.Read(t, "whole.pth")
	f, err := Read(bytes.NewReader(b), int64(len(b)))
	if err != nil {
		t.Fatal(err)
	}
	names := map[string]bool{}
	for _, x := range f.Tensors {
		names[x.Name] = true
	}
	if !names["Conv2d_1a_3x3.conv.weight"] || !names["Mixed_7c.branch_pool.bn.running_var"] || !names["fc.2.running_mean"] {
		t.Errorf("tensors of the network are missing among %d", len(names))
	}
	if m := f.Modules[""]; m.Class != "torchvision.models.inception.Inception3" || m.Numbers["transform_input"] != 0 {
		t.Errorf("the network is %+v", m)
	}
	if m := f.Modules["fc.2"]; m.Class != "torch.nn.modules.batchnorm.BatchNorm1d" || m.Numbers["eps"] != 0.01 {
		t.Errorf("its batch norm is %+v", m)
	}
	if m := f.Modules["fc"]; len(m.Children) != 5 || m.Children[4] != "fc.4" {
		t.Errorf("its classifier is %+v", m)
	}
}

// TestModulesRefused: networks whose modules are not what they should be.
func TestModulesRefused(t *testing.T) {
	net := "ctorch.nn.modules.container\nSequential\n"
	for say, p := range map[string]string{
		"no module with parameters": net + ")\x81.",
		"want a module":             net + ")\x81}S'_modules'\n}S'a'\nK\x01ssb.",
		"over 16 deep":              net + ")\x81q\x00}S'_modules'\n}S'a'\nh\x00ssb.",
	} {
		if _, err := list1(archive(t, p, nil, 0)); err == nil || !strings.Contains(err.Error(), say) {
			t.Errorf("got %v, want an error with %q", err, say)
		}
	}
}
