// Package plural counts things in words.
package plural

import "fmt"

// Count is n of a thing: "1 picture", "2 pictures"; many is the plural where it does not end in one
// and s.
func Count(n int, one string, many ...string) string {
	switch {
	case n == 1:
		return "1 " + one
	case len(many) > 0:
		return fmt.Sprintf("%d %s", n, many[0])
	}
	return fmt.Sprintf("%d %ss", n, one)
}
