// Package source finds and reads the files that pictures come from.
//
// Open tells whether a path leads to the file system or into an archive: both are a Store, and a
// File knows its own. List walks a folder or an archive, Walker the sub-folders that a caller
// names, and File.Read reads one file under the limits of a picture. The first bytes decide what is
// a picture, never the extension. A Walker belongs to one goroutine; all else is safe for
// concurrent use.
package source
