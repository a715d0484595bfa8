//go:build !linux

package inception

import "errors"

// swapFolders has no portable form; Save renames twice instead.
func swapFolders(_, _ string) error { return errors.ErrUnsupported }
