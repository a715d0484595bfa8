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

// A Pool is a fixed set of goroutines that help callers of [Pool.Run]. It is safe for concurrent
// use; each caller works on its own job too, so a job always makes progress however busy the
// helpers are.
type Pool struct {
	threads int
	jobs    chan *Job
	workers sync.WaitGroup
}

// NewPool starts threads-1 helpers; the caller of Run is the remaining one.
func NewPool(threads int) *Pool {
	p := &Pool{threads: threads, jobs: make(chan *Job, max(threads-1, 1))}
	for worker := 1; worker < threads; worker++ {
		p.workers.Go(func() {
			for j := range p.jobs {
				j.work(worker)
				j.helpers.Done()
			}
		})
	}
	return p
}

// Threads returns the number of goroutines that work on one job at most.
func (p *Pool) Threads() int { return p.threads }

// Close stops the helpers. No Run may be under way or follow.
func (p *Pool) Close() {
	close(p.jobs)
	p.workers.Wait()
}

// A Job is one caller's reusable state. It serves one Run at a time.
type Job struct {
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

func (e *panicError) Error() string { return fmt.Sprintf("panic: %v", e.value) }

// Run calls f once for each task from 0 to tasks-1 and returns when all are done. worker, below
// Threads, names the goroutine, so that f may use scratch memory of its own. A panic in f is
// returned as an error; the tasks not yet begun are then left out.
func (p *Pool) Run(j *Job, tasks int, f func(worker, task int)) error {
	j.f, j.tasks = f, int64(tasks)
	j.next.Store(0)
	j.failed.Store(nil)
	for range min(p.threads, tasks) - 1 {
		j.helpers.Add(1)
		select {
		case p.jobs <- j:
			continue
		default:
			j.helpers.Done()
		}
		break
	}
	j.work(0)
	j.helpers.Wait()
	j.f = nil
	if err := j.failed.Load(); err != nil {
		return err
	}
	return nil
}

func (j *Job) work(worker int) {
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
func (j *Job) do(threads int) {
	for worker := 1; worker < min(threads, int(j.tasks)); worker++ {
		j.helpers.Go(func() { j.work(worker) })
	}
	j.work(0)
	j.helpers.Wait()
	if err := j.failed.Load(); err != nil {
		panic(fmt.Sprintf("%v\n\n%s", err.value, err.stack))
	}
}

// Do calls f once for each task from 0 to tasks-1, on up to threads goroutines of their own, for
// callers that have no pool. A panic in f is raised again on the caller's goroutine.
func Do(threads, tasks int, f func(task int)) {
	j := Job{f: func(_, task int) { f(task) }, tasks: int64(tasks)}
	j.do(threads)
}

// Each is Do for tasks that can fail or be stopped; 0 threads are as many as there are processors.
// worker, below threads, names the goroutine as in [Pool.Run]. No task is begun after one has
// failed or ctx is done, and one is begun only after all before it: the error is that of the first
// task that fails, in the order of the tasks, or else ctx's cause.
func Each(ctx context.Context, threads, tasks int, f func(worker, task int) error) error {
	if threads == 0 {
		threads = runtime.GOMAXPROCS(0)
	}
	var (
		mu    sync.Mutex
		first error
		at    = tasks
	)
	j := Job{ctx: ctx, tasks: int64(tasks)}
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
