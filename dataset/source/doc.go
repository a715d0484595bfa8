// Package source finds and reads the files that pictures come from.
//
// List walks a folder, Walker the sub-folders that a caller names, and Read reads one file under
// the limits of a picture. The first bytes decide what is a picture, never the extension. A Walker
// belongs to one goroutine; List and Read are safe for concurrent use.
package source
