package par

import (
	"strings"
	"sync"
	"sync/atomic"
	"testing"
)

func TestPool(t *testing.T) {
	for _, threads := range []int{1, 2, 5} {
		p := NewPool(threads)
		var callers sync.WaitGroup
		for range 6 {
			callers.Go(func() {
				var j Job
				for _, tasks := range []int{0, 1, 2, 7, 300} {
					done := make([]atomic.Int32, tasks)
					busy := make([]atomic.Int32, threads)
					err := p.Run(&j, tasks, func(worker, task int) {
						if busy[worker].Add(1) != 1 {
							t.Errorf("worker %d runs two tasks of one job at once", worker)
						}
						done[task].Add(1)
						busy[worker].Add(-1)
					})
					if err != nil {
						t.Error(err)
					}
					for i := range done {
						if n := done[i].Load(); n != 1 {
							t.Errorf("%d threads, %d tasks: task %d ran %d times", threads, tasks, i, n)
						}
					}
				}
			})
		}
		callers.Wait()
		p.Close()
	}
}

func TestPoolPanic(t *testing.T) {
	p := NewPool(3)
	defer p.Close()
	var j Job
	err := p.Run(&j, 50, func(_, task int) {
		if task == 17 {
			panic("out of cheese")
		}
	})
	if err == nil || !strings.Contains(err.Error(), "out of cheese") {
		t.Fatalf("got %v, want the panic as an error", err)
	}
	var n atomic.Int32
	if err := p.Run(&j, 50, func(_, _ int) { n.Add(1) }); err != nil || n.Load() != 50 {
		t.Fatalf("the run after a panic: %d tasks, %v", n.Load(), err)
	}
}

func TestDo(t *testing.T) {
	var sum atomic.Int64
	Do(4, 100, func(task int) { sum.Add(int64(task)) })
	if sum.Load() != 4950 {
		t.Errorf("got %d, want 4950", sum.Load())
	}
	Do(4, 0, func(int) { t.Error("a task of none ran") })
	defer func() {
		if recover() == nil {
			t.Error("a panic in a task did not reach the caller")
		}
	}()
	Do(4, 100, func(task int) {
		if task == 60 {
			panic("out of cheese")
		}
	})
}
