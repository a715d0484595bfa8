//go:build !linux

package inception

import "errors"

// exchange has no portable form; Save renames twice instead.
func exchange(_, _ string) error { return errors.ErrUnsupported }
