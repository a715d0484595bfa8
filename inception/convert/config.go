package convert

import (
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/c236555e/rehead/dataset/picture"
	"github.com/c236555e/rehead/inception"
)

// hubConfig is config.json as timm writes it beside model.safetensors and pytorch_model.bin.
type hubConfig struct {
	Architecture string     `json:"architecture"`
	LabelNames   []string   `json:"label_names"`
	Pool         string     `json:"global_pool"`
	Args         hubArgs    `json:"model_args"`
	Pretrained   hubTrained `json:"pretrained_cfg"`
}

type hubArgs struct {
	Activation any      `json:"act_layer"`
	Epsilon    *float64 `json:"norm_eps"`
	Pool       string   `json:"global_pool"`
	Channels   int      `json:"in_chans"`
}

type hubTrained struct {
	InputSize     []int     `json:"input_size"`
	Mean          []float64 `json:"mean"` // of 0..1
	Std           []float64 `json:"std"`
	Interpolation string    `json:"interpolation"`
	CropPct       float64   `json:"crop_pct"`
	CropMode      string    `json:"crop_mode"`
	LabelNames    []string  `json:"label_names"`
}

// maxConfig bounds config.json.
const maxConfig = 8 << 20

// besideConfig reads the config.json of timm's hub folders: recipe, epsilon and labels stand only
// there.
func (src *source) besideConfig(weights string) error {
	dir, base := filepath.Split(weights)
	if base != "model.safetensors" && base != "pytorch_model.bin" {
		return nil
	}
	path := filepath.Join(dir, "config.json")
	f, err := os.Open(path)
	if err != nil {
		return nil //nolint:nilerr // most have none
	}
	defer f.Close() //nolint:errcheck // only read from
	data, err := io.ReadAll(io.LimitReader(f, maxConfig))
	if err != nil {
		return err
	}
	var c hubConfig
	if err := json.Unmarshal(data, &c); err != nil {
		return fmt.Errorf("%s beside it is damaged: %w", path, err)
	}
	if !strings.Contains(c.Architecture, "inception_v3") {
		return nil
	}
	if err := src.take(c); err != nil {
		return fmt.Errorf("%s beside it: %w", path, err)
	}
	return nil
}

// take applies what a config.json says.
func (src *source) take(c hubConfig) error {
	p := c.Pretrained
	switch {
	case c.Args.Activation != nil && fmt.Sprint(c.Args.Activation) != "relu":
		return fmt.Errorf("act_layer is %v: rehead's trunk has ReLU only", c.Args.Activation)
	case len(p.Mean) != 3 || len(p.Std) != 3 || len(p.InputSize) != 3 || p.InputSize[1] != p.InputSize[2]:
		return fmt.Errorf("mean %v, std %v and input_size %v are not those of three channels: %w", p.Mean, p.Std, p.InputSize,
			errFront)
	}
	if c.Args.Epsilon != nil {
		src.epsilon(*c.Args.Epsilon)
	}
	name := cmp.Or(c.Args.Pool, c.Pool)
	if src.open = (undecided{pool: name == ""}); name != "" {
		if err := src.pool(name); err != nil {
			return err
		}
	}
	r := inception.Timm.Recipe()
	r.Size = p.InputSize[1]
	for i := range 3 {
		r.Mean[i], r.Std[i] = tidy(p.Mean[i]*255), tidy(p.Std[i]*255)
	}
	if slices.Contains([]string{picture.Bilinear, picture.Bicubic, picture.Lanczos, picture.Nearest}, p.Interpolation) {
		r.Filter = p.Interpolation
	}
	if p.CropMode == picture.Squash {
		r.Geometry, r.Resize = picture.Squash, 0
	} else {
		pct := p.CropPct
		if pct == 0 {
			pct = 0.875
		}
		if !(pct > 0.1 && pct <= 1) {
			return fmt.Errorf("crop_pct is %g, want above 0.1 and at most 1", pct)
		}
		r.Resize = int(float64(r.Size) / pct)
	}
	if r.Size < inception.MinSize {
		return fmt.Errorf("input_size is %v, want at least %d pixels", p.InputSize, inception.MinSize)
	}
	if err := r.Validate(); err != nil {
		return err
	}
	labels := p.LabelNames
	if len(labels) == 0 {
		labels = c.LabelNames
	}
	if src.fc != nil && len(labels) == src.classes() {
		src.labels = labels
	}
	src.flavor, src.recipe = inception.Timm, &r
	src.reason = "config.json beside it is timm's, and has the recipe"
	return nil
}
