package kernel

//go:noescape
func poolMaxAVX2(a *poolArgs)

//go:noescape
func poolAvgAVX2(a *poolArgs)

func poolMax(a *poolArgs) { poolMaxAVX2(a) }

func poolAvg(a *poolArgs) { poolAvgAVX2(a) }
