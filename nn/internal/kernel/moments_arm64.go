package kernel

//go:noescape
func momentsNEON(a *momentsArgs)

func moments(a *momentsArgs) { momentsNEON(a) }
