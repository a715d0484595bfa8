// Package par spreads numbered tasks over a fixed number of goroutines.
package par

import (
	"fmt"
	"sync"
	"sync/atomic"
)

// A Pool is a fixed set of goroutines that help callers of [Pool.Run]. It is
// safe for concurrent use; each caller works on its own job too, so a job
// always makes progress however busy the helpers are.
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
	tasks   int64
	next    atomic.Int64
	failed  atomic.Pointer[error]
	helpers sync.WaitGroup
}

// Run calls f once for each task from 0 to tasks-1 and returns when all are
// done. worker, below Threads, names the goroutine, so that f may use scratch
// memory of its own. A panic in f is returned as an error; the tasks not yet
// begun are then left out.
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
		return *err
	}
	return nil
}

func (j *Job) work(worker int) {
	defer func() {
		if r := recover(); r != nil {
			err := fmt.Errorf("panic: %v", r)
			j.failed.Store(&err)
			j.next.Store(j.tasks)
		}
	}()
	for {
		task := j.next.Add(1) - 1
		if task >= j.tasks {
			return
		}
		j.f(worker, int(task))
	}
}

// Do runs tasks on up to threads goroutines of their own, for callers that
// have no pool. A panic in f is raised again on the caller's goroutine.
func Do(threads, tasks int, f func(task int)) {
	var j Job
	j.f, j.tasks = func(_, task int) { f(task) }, int64(tasks)
	for range min(threads, tasks) - 1 {
		j.helpers.Go(func() { j.work(1) })
	}
	j.work(0)
	j.helpers.Wait()
	if err := j.failed.Load(); err != nil {
		panic(*err)
	}
}
