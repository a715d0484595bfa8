package kernel

func tilePairs(int, int, int, *tileArgs) {}

func poolPairs(bool, *poolArgs) {}
