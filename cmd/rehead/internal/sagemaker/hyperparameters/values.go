package hyperparameters

import (
	"fmt"
	"math"
	"strconv"
	"strings"

	"github.com/spf13/pflag"

	"github.com/c236555e/rehead/dataset/picture"
	"github.com/c236555e/rehead/train/head"
)

// byFlag sets a setting as its flag does.
func byFlag(flags *pflag.FlagSet, name string) func(string) error {
	return func(v string) error {
		f := flags.Lookup(name)
		kind := f.Value.Type()
		text := v
		if kind == "int" || kind == "uint64" {
			text = whole(v)
		}
		err := f.Value.Set(text)
		if err == nil {
			return nil
		}
		if want := Want(kind); want != "" {
			return fmt.Errorf("got %q, want %s", v, want)
		}
		return err
	}
}

// Want says in words what a flag of a type takes, "" for other types than these.
func Want(kind string) string {
	switch kind {
	case "int", "int64":
		return "a whole number"
	case "uint", "uint64":
		return "a whole number, 0 or more"
	case "float64":
		return "a number"
	case "bool":
		return "true or false"
	case "duration":
		return "a time such as 90s or 5m"
	}
	return ""
}

// whole writes a count as Go reads it: clients that count in floats send 3.0.
func whole(v string) string {
	const exact = 1 << 53 // below it a float64 holds every whole number
	n, err := strconv.ParseFloat(v, 64)
	if err != nil || !strings.ContainsAny(v, ".eE") || n != math.Trunc(n) || !(math.Abs(n) < exact) {
		return v
	}
	return strconv.FormatFloat(n, 'f', -1, 64)
}

// byFlag is the function of this name, and refuses what is out of range for a solver's steps, whether
// the job's solver takes steps or not.
func (t Target) byFlag(name string) func(string) error {
	set := byFlag(t.Flags, name)
	return func(v string) error {
		before := t.Config.MiniBatch
		if err := set(v); err != nil || t.Config.MiniBatch == before {
			return err
		}
		return t.Config.MiniBatch.Validate()
	}
}

// tried is whether the setting of a solver's steps that is not in use would be good; it is left as
// it was.
func (t Target) tried(flag string) func(string) error {
	return func(v string) error {
		before := t.Config.MiniBatch
		defer func() { t.Config.MiniBatch = before }()
		return t.byFlag(flag)(v)
	}
}

// altering has set choose an alteration, as --augment does; views follow where there are any
// alterations and none were asked for.
func (t Target) altering(set func(string) error) func(string) error {
	return func(v string) error {
		if err := set(v); err != nil {
			return err
		}
		if t.Config.Augment != (picture.Augment{}) && t.Config.Views == 0 {
			t.Config.Views = t.Views
		}
		return nil
	}
}

// earlyStopping turns it off, as the built-in algorithms know it; true leaves the patience to its
// own settings.
func earlyStopping(d *head.MiniBatch) func(string) error {
	return func(v string) error {
		on := true
		if err := flag(&on)(v); err != nil {
			return err
		}
		if !on && d.Patience == 0 {
			d.Patience = -1
		}
		return nil
	}
}

// weightedLoss is the built-in algorithm's name, beside multi_label, for labels that count the same
// however many pictures they have.
func weightedLoss(classWeights *string) func(string) error {
	return func(v string) error {
		on := false
		if err := flag(&on)(v); err != nil {
			return err
		}
		if on {
			*classWeights = "balanced"
		}
		return nil
	}
}

func text(p *string) func(string) error {
	return func(v string) error { *p = v; return nil }
}

func fraction(p *float64) func(string) error {
	return func(v string) error {
		n, err := strconv.ParseFloat(v, 64)
		if err != nil {
			return fmt.Errorf("got %q, want a number", v)
		}
		*p = n
		return nil
	}
}

func percent(p *float64) func(string) error {
	return func(v string) error {
		n, err := strconv.ParseFloat(v, 64)
		if err != nil {
			return fmt.Errorf("got %q, want a number of hundredths", v)
		}
		*p = n / 100
		return nil
	}
}

func flag(p *bool) func(string) error {
	return func(v string) (err error) {
		if *p, err = strconv.ParseBool(v); err != nil {
			return fmt.Errorf("got %q, want true or false", v)
		}
		return nil
	}
}

// only accepts a single value and says why.
func only(want, why string) func(string) error {
	return func(v string) error {
		if v != want {
			return fmt.Errorf("got %q, want %q: %s", v, want, why)
		}
		return nil
	}
}

// isTrue accepts true alone and says why.
func isTrue(why string) func(string) error {
	return func(v string) error {
		on := false
		if err := flag(&on)(v); err != nil {
			return err
		}
		if !on {
			return fmt.Errorf("got %q, want true, or leave it out: %s", v, why)
		}
		return nil
	}
}

// topLayer accepts the values of reinitialize_top_layer that a head of new labels has.
func topLayer(v string) error {
	if strings.EqualFold(v, "auto") {
		return nil
	}
	return isTrue("to begin at an older head, give its model as the channel model")(v)
}

// refuse accepts no value and says what to do instead.
func refuse(why string) func(string) error {
	return func(v string) error { return fmt.Errorf("got %q, want none in a job, leave it out: %s", v, why) }
}
