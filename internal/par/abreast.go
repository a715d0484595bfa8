package par

import "runtime"

// abreastValues bounds the values that tasks at work at the same time hold copies of.
const abreastValues = 16 << 20

// Abreast says how many of so many tasks, each with a copy of so many values, to do at the same time,
// and with how many threads each, where there are threads in all (0: one a processor). A small task
// keeps few threads busy; copies of large ones would take too much memory.
func Abreast(tasks, values, threads int) (workers, each int) {
	if threads <= 0 {
		threads = runtime.GOMAXPROCS(0)
	}
	if values > abreastValues {
		return 1, threads
	}
	workers = max(1, min(tasks, threads))
	return workers, (threads + workers - 1) / workers
}
