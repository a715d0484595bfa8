package kernel

//go:noescape
func poolMaxNEON(a *poolArgs)

//go:noescape
func poolAvgNEON(a *poolArgs)

func poolMax(a *poolArgs) { poolMaxNEON(a) }

func poolAvg(a *poolArgs) { poolAvgNEON(a) }
