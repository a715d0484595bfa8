package inception

import (
	"runtime"
	"sync"
	"sync/atomic"
)

// parallel calls do(0) .. do(n-1) on as many goroutines as there are processors and returns the
// error of the lowest i.
func parallel(n int, do func(i int) error) error {
	var (
		wg   sync.WaitGroup
		next atomic.Int64
		mu   sync.Mutex
		at   = n
		err  error
	)
	for range min(n, runtime.GOMAXPROCS(0)) {
		wg.Go(func() {
			for {
				i := int(next.Add(1)) - 1
				if i >= n {
					return
				}
				if e := do(i); e != nil {
					mu.Lock()
					if i < at {
						at, err = i, e
					}
					mu.Unlock()
					return
				}
			}
		})
	}
	wg.Wait()
	return err
}
