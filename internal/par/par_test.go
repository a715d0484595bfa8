package par

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
)

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

func TestEach(t *testing.T) {
	const tasks = 200
	stop := errors.New("stop")
	for _, c := range []struct {
		name    string
		threads int
		fail    map[int]bool // tasks that fail
		cancel  int          // the task that cancels, -1 for none
		begun   int          // tasks that are begun at most
		want    string
	}{
		{"all", 4, nil, -1, tasks, "<nil>"},
		{"as many as processors", 0, nil, -1, tasks, "<nil>"},
		{"one thread", 1, map[int]bool{9: true}, -1, 10, "task 9"},
		{"the first error in order", 5, map[int]bool{20: true, 21: true, 22: true, 190: true}, -1, tasks, "task 20"},
		{"stopped", 1, nil, 30, 31, "stop"},
		{"stopped at the last", 3, nil, tasks - 1, tasks, "stop"},
		{"an error before the stop", 1, map[int]bool{30: true}, 30, 31, "task 30"},
	} {
		t.Run(c.name, func(t *testing.T) {
			ctx, cancel := context.WithCancelCause(t.Context())
			defer cancel(nil)
			var begun atomic.Int32
			got := make([]int, tasks)
			err := Each(ctx, c.threads, tasks, func(worker, task int) error {
				begun.Add(1)
				got[task] = task + 1
				if task == c.cancel {
					cancel(stop)
				}
				if c.fail[task] {
					return fmt.Errorf("task %d", task)
				}
				return nil
			})
			if fmt.Sprint(err) != c.want {
				t.Errorf("got %v, want %s", err, c.want)
			}
			if n := int(begun.Load()); n > c.begun {
				t.Errorf("%d tasks were begun, want at most %d", n, c.begun)
			}
			for i, v := range got {
				if err == nil && v != i+1 {
					t.Fatalf("task %d left %d in its place", i, v)
				}
			}
		})
	}
}

// Each worker has one task at a time, so that it may have scratch memory; a stopped context begins
// none; a panic reaches the caller and says where it was.
func TestEachWorkers(t *testing.T) {
	busy := make([]atomic.Int32, 3)
	err := Each(t.Context(), len(busy), 300, func(worker, _ int) error {
		if busy[worker].Add(1) != 1 {
			t.Errorf("worker %d has two tasks at once", worker)
		}
		busy[worker].Add(-1)
		return nil
	})
	if err != nil {
		t.Error(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	err = Each(ctx, 2, 5, func(_, _ int) error {
		t.Error("a task was begun")
		return nil
	})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want %v", err, context.Canceled)
	}
	defer func() {
		if r := fmt.Sprint(recover()); !strings.Contains(r, "out of cheese") || !strings.Contains(r, "par_test.go") {
			t.Errorf("recovered %q, want the panic and its stack", r)
		}
	}()
	_ = Each(t.Context(), 3, 100, func(_, task int) error {
		if task == 60 {
			panic("out of cheese")
		}
		return nil
	})
}

func TestAbreast(t *testing.T) {
	for _, c := range []struct{ tasks, values, threads, workers, each int }{
		{5, 1 << 20, 2, 2, 1}, {5, 1 << 20, 8, 5, 2}, {5, 1 << 20, 1, 1, 1}, {1, 1, 4, 1, 4}, {0, 1, 3, 1, 3},
		{5, abreastValues + 1, 4, 1, 4},
	} {
		if workers, each := Abreast(c.tasks, c.values, c.threads); workers != c.workers || each != c.each {
			t.Errorf("%+v: got %d workers of %d threads", c, workers, each)
		}
	}
	if workers, _ := Abreast(1000, 1, 0); workers != runtime.GOMAXPROCS(0) {
		t.Errorf("no number of threads: got %d workers, want one a processor", workers)
	}
}
