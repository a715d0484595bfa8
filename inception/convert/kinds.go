package convert

import (
	"archive/zip"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// Files of kinds that are not read are named for what they are, with the line of Python that writes
// one that is.
const (
	sayPT2 = "write ONNX with " +
		`torch.onnx.export(torch.export.load("net.pt2").module(), (x,), "net.onnx")`
	sayScript = "write ONNX with " +
		`torch.onnx.export(torch.jit.load("net.pt"), (x,), "net.onnx", dynamo=False), or the weights alone with ` +
		"torch.save(net.state_dict(), path)"
	sayCoreML = "is a Core ML package without " + packageModel + ": convert the network with coremltools again"
	sayPickle = "of Python pickles those of torch.save and, as paddle.save(net.state_dict(), path) writes them, " +
		"Paddle's .pdparams are read; of others write safetensors under torchvision's names with " +
		"safetensors.numpy.save_file"
	sayPaddle = "is a program of Paddle's before version 3 (.pdmodel), or values without the program's .json beside " +
		`them: write both with paddle.jit.save(net, "net", input_spec=[...]), or the weights with ` +
		`paddle.save(net.state_dict(), "net.pdparams")`
	sayOrbax = "is a checkpoint of Flax or Orbax: write safetensors under torchvision's names with " +
		"safetensors.flax.save_file"
)

// unreadable names a kind that is not read by a file's first bytes, nil when it is none of them.
func unreadable(head []byte) error {
	if len(head) > 2 && head[0] == 0x80 && head[1] >= 2 && head[1] <= 5 {
		return errors.New(sayPickle)
	}
	return nil
}

// folder names a folder that is no file to read.
func folder(path string) error {
	for name, say := range map[string]string{"Manifest.json": sayCoreML, "_METADATA": sayOrbax,
		"manifest.ocdbt": sayOrbax} {
		if _, err := os.Stat(filepath.Join(path, name)); err == nil {
			return fmt.Errorf("convert: %s: %s", path, say)
		}
	}
	return nil
}

// program reports whether a ZIP archive holds a program that is read, and names one that is not.
func program(z *zip.Reader) (bool, error) {
	has := func(end string) bool {
		return slices.ContainsFunc(z.File, func(f *zip.File) bool { return strings.HasSuffix(f.Name, end) })
	}
	switch {
	case has("serialized_exported_program.json"):
		return false, errors.New("is a program of torch.export before version 2.8: " + sayPT2)
	case has("/archive_format") && !has("/models/model.json"):
		return false, errors.New("is a package of compiled code, not a network: " + sayPT2)
	}
	return has("/archive_format") || has("/constants.pkl"), nil
}

// otherwise adds the way out to what is wrong with a program.
func otherwise(err error, format string) error {
	say := sayPT2
	if format == formatScript {
		say = sayScript
	}
	return fmt.Errorf("%w; %s", err, say)
}
