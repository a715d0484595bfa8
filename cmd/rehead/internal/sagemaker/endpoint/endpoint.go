// Package endpoint configures a server as SageMaker's environment variables say.
package endpoint

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/pflag"

	"github.com/c236555e/rehead/cmd/rehead/internal/sagemaker/layout"
	"github.com/c236555e/rehead/inception"
	"github.com/c236555e/rehead/serve"
)

// Environment is what a container finds around it.
type Environment struct {
	Tree   layout.Tree
	Getenv func(name string) string
	All    func() []string // NAME=VALUE; nil where unknown
	Memory int64           // bytes for the models of a multi-model server
}

// Target is what the environment sets, with the flags of `serve` that set it too.
type Target struct {
	Flags         *pflag.FlagSet
	Config        *serve.Config
	Addr          *string
	LogLevel      *string
	MaxImageBytes *int64 // of one picture
}

// ErrNoModel is wrapped by the error of a container without a model.
var ErrNoModel = errors.New("there is none")

// Apply sets t from the environment. It returns where the model is, "" for a multi-model server,
// and warnings for the log.
func (e *Environment) Apply(t Target) (model string, warnings []string, err error) {
	if err := e.setFlags(t.Flags); err != nil {
		return "", nil, err
	}
	warnings = e.unknownFlags(t.Flags)
	t.Config.Page = t.Config.Page && t.Flags.Changed("page")
	if err := e.numbers(t); err != nil {
		return "", nil, err
	}
	if err := e.texts(t); err != nil {
		return "", nil, err
	}
	t.Config.Batch = strings.EqualFold(e.Getenv("SAGEMAKER_BATCH"), "true")
	t.Config.BatchStrategy = e.Getenv("SAGEMAKER_BATCH_STRATEGY")
	if t.Config.BatchStrategy == "" && e.Getenv("SAGEMAKER_BATCH") == "True" {
		// the SDK's local mode, which copies what it is told and knows this spelling alone
		t.Config.BatchStrategy = "MultiRecord"
	}
	if strings.EqualFold(e.Getenv("SAGEMAKER_MULTI_MODEL"), "true") {
		t.Config.MultiModel, t.Config.ModelRoot, t.Config.MemoryBudget = true, e.Tree.Path("models"), e.Memory
		return "", warnings, nil
	}
	model, err = findModel(e.Tree.Model())
	return model, warnings, err
}

// findModel checks that the model is in dir.
func findModel(dir string) (string, error) {
	if _, err := os.Stat(filepath.Join(dir, "model.json")); err == nil {
		return dir, nil
	}
	if deeper := modelBelow(dir); deeper != "" {
		return "", fmt.Errorf("serve: the model is in %s, want its files in %s itself: pack it with rehead "+
			"export MODEL -o model.tar.gz", deeper, dir)
	}
	return "", fmt.Errorf("serve: name a MODEL; without one, a SageMaker model is looked for in %s, and %w", dir,
		ErrNoModel)
}

// modelBelow finds a model that was packed with its folder around it; "" where there is none.
func modelBelow(dir string) string {
	found, _ := filepath.Glob(filepath.Join(dir, "*", "model.json")) // the pattern is a good one
	for _, path := range found {
		if dir := filepath.Dir(path); !inception.IsBackup(dir) {
			return dir
		}
	}
	return ""
}
