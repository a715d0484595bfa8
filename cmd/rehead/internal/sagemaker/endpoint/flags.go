package endpoint

import (
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/pflag"

	"github.com/c236555e/rehead/internal/spelling"
)

// unknownFlags names the variables that look like flags of serve and are not, with the nearest that
// is. They are not errors: beside a service called rehead-serve, Kubernetes sets REHEAD_SERVE_PORT
// and more of itself.
func (e *Environment) unknownFlags(flags *pflag.FlagSet) (warnings []string) {
	if e.All == nil {
		return nil
	}
	var names []string
	flags.VisitAll(func(f *pflag.Flag) { names = append(names, flagVariable(f.Name)) })
	for _, setting := range e.All() {
		name, _, _ := strings.Cut(setting, "=")
		if strings.HasPrefix(name, flagVariable("")) && !slices.Contains(names, name) {
			warnings = append(warnings, fmt.Sprintf("environment variable %s is not a flag of serve and "+
				"changes nothing; the nearest is %s", name, spelling.Nearest(name, names)))
		}
	}
	slices.Sort(warnings)
	return warnings
}

// flagVariable is the variable that stands for a flag of serve.
func flagVariable(flag string) string {
	return "REHEAD_SERVE_" + strings.ToUpper(strings.ReplaceAll(flag, "-", "_"))
}

// setFlags sets the flags that the command line leaves out from variables: the service starts a
// container with the argument serve alone, so that --compat builtin is REHEAD_SERVE_COMPAT=builtin
// there.
func (e *Environment) setFlags(flags *pflag.FlagSet) (err error) {
	flags.VisitAll(func(f *pflag.Flag) {
		name := flagVariable(f.Name)
		value := e.Getenv(name)
		if value == "" || f.Changed || err != nil {
			return
		}
		if failed := flags.Set(f.Name, value); failed != nil {
			err = fmt.Errorf("serve: environment variable %s: %w", name, failed)
		}
	})
	return err
}
