package main

import (
	"io"
	"runtime"
	"runtime/debug"
	"strings"

	"github.com/spf13/cobra"

	"github.com/c236555e/rehead/cmd/rehead/licences"
	"github.com/c236555e/rehead/inception/embedded"
	"github.com/c236555e/rehead/nn"
)

// toolVersion is the module's version as Go recorded it: a tag for `go install …@vX`, else "devel"
// with the commit where known.
func toolVersion() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "devel"
	}
	version := info.Main.Version
	if version == "" || version == "(devel)" {
		version = "devel"
		for _, s := range info.Settings {
			if s.Key == "vcs.revision" && len(s.Value) >= 12 {
				version += "+" + s.Value[:12]
			}
		}
	}
	return version
}

func newVersion(a *app) *cobra.Command {
	var asJSON, licenses bool
	cmd := &cobra.Command{
		Use:   "version",
		Short: "Print version, kernels, devices and embedded trunk",
		Example: `  rehead version
  rehead --version
  rehead version --licenses`,
		Args: needArgs(0, 0),
		RunE: func(*cobra.Command, []string) error {
			if licenses {
				text, err := licences.Text()
				if err == nil {
					_, err = io.WriteString(a.stdout, text)
				}
				return err
			}
			v := struct {
				Version string   `json:"version"`
				Go      string   `json:"go"`
				OS      string   `json:"os"`
				Arch    string   `json:"arch"`
				Kernel  string   `json:"kernel"`
				Devices []string `json:"devices"`
				Found   []string `json:"found,omitempty"`

				Precisions []nn.Precision `json:"precisions"`
				Embedded   embedded.Facts `json:"embedded"`
			}{toolVersion(), runtime.Version(), runtime.GOOS, runtime.GOARCH, nn.Kernels()[0], nn.Devices(), nn.Units(),
				nn.Precisions(), embedded.Describe()}
			if asJSON {
				return printJSON(a.stdout, v)
			}
			found := ""
			if len(v.Found) > 0 {
				found = ", found " + strings.Join(v.Found, ", ")
			}
			a.sayWrapped("rehead %s (%s, %s/%s), kernel %s, precisions %v, devices %v%s", v.Version, v.Go, v.OS, v.Arch,
				v.Kernel, v.Precisions, v.Devices, found)
			a.sayWrapped("trunk embedded: %.2f MB, digest %.12s, licence %s, %s", float64(v.Embedded.Bytes)/1e6,
				v.Embedded.Digest, v.Embedded.License, builtIn().accuracy())
			return nil
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print one JSON object")
	cmd.Flags().BoolVar(&licenses, "licenses", false, "print the licences of everything in this binary instead")
	return cmd
}
