//go:build !unix

package boundtest

import "time"

var start = time.Now()

// spent is the time that has passed: this system is not asked for that of its processors.
func spent() time.Duration { return time.Since(start) }
