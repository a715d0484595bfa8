package source

// Keep bounds what is kept of a compressed tar to n bytes, so that tests need no large files.
func Keep(a *Archive, n int64) {
	a.tape.room = n
	a.tape.drop(a.tape.held)
}
