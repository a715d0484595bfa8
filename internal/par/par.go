// Package par spreads numbered tasks over a fixed number of goroutines.
//
// A task puts its result where its number says, so that nothing depends on which goroutine did it,
// or when.
package par

import (
	"context"
	"fmt"
	"runtime"
	"runtime/debug"
	"sync"
	"sync/atomic"
)

// A job is one call of Do or Each.
type job struct {
	f       func(worker, task int)
	ctx     context.Context // no task is begun once it is done; may be nil
	tasks   int64
	next    atomic.Int64
	failed  atomic.Pointer[panicError]
	helpers sync.WaitGroup
}

// panicError is a panic in a task.
type panicError struct {
	value any
	stack []byte
}

func (j *job) work(worker int) {
	defer func() {
		if r := recover(); r != nil {
			j.failed.CompareAndSwap(nil, &panicError{r, debug.Stack()})
			j.next.Store(j.tasks)
		}
	}()
	for j.ctx == nil || j.ctx.Err() == nil {
		task := j.next.Add(1) - 1
		if task >= j.tasks {
			return
		}
		j.f(worker, int(task))
	}
}

// do runs the job on up to threads goroutines of its own.
func (j *job) do(threads int) {
	for worker := 1; worker < min(threads, int(j.tasks)); worker++ {
		j.helpers.Go(func() { j.work(worker) })
	}
	j.work(0)
	j.helpers.Wait()
	if err := j.failed.Load(); err != nil {
		panic(fmt.Sprintf("%v\n\n%s", err.value, err.stack))
	}
}

// Do calls f once for each task from 0 to tasks-1, on up to threads goroutines of their own.
// A panic in f is raised again on the caller's goroutine.
func Do(threads, tasks int, f func(task int)) {
	j := job{f: func(_, task int) { f(task) }, tasks: int64(tasks)}
	j.do(threads)
}

// Each is Do for tasks that can fail or be stopped; 0 threads are as many as there are processors.
// worker, below threads, names the goroutine, so that f may use scratch memory of its own. No task
// is begun after one has failed or ctx is done, and one is begun only after all before it: the
// error is that of the first task that fails, in the order of the tasks, or else ctx's cause.
func Each(ctx context.Context, threads, tasks int, f func(worker, task int) error) error {
	if threads == 0 {
		threads = runtime.GOMAXPROCS(0)
	}
	var (
		mu    sync.Mutex
		first error
		at    = tasks
	)
	j := job{ctx: ctx, tasks: int64(tasks)}
	j.f = func(worker, task int) {
		err := f(worker, task)
		if err == nil {
			return
		}
		j.next.Store(j.tasks)
		mu.Lock()
		defer mu.Unlock()
		if task < at {
			at, first = task, err
		}
	}
	j.do(threads)
	if first == nil && ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return first
}
