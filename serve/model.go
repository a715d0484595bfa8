package serve

import (
	"sync"
	"sync/atomic"
)

// model is an installed classifier with its batcher and the count of its users: its owner and the
// requests under way. The last to release it closes it.
type model struct {
	Classifier
	name    string
	url     string // where it was loaded from; "" for the one that was given
	bytes   int64  // what it holds of the memory budget
	batcher *batcher
	index   map[string]int // a label's place in the order of the classes
	pixels  sync.Pool      // of *[]float32, [3,Size,Size]

	labelText  []int64 // see measure
	multiLabel bool

	users    atomic.Int64
	closed   chan struct{}
	closeErr error // valid once closed is closed
}

// newModel returns a model whose one user is the caller.
func newModel(name string, c Classifier, p *pipeline) *model {
	m := &model{
		Classifier: c,
		name:       name,
		batcher:    newBatcher(c, p),
		index:      make(map[string]int),
		closed:     make(chan struct{}),
	}
	for i, label := range c.Model().Labels {
		m.index[label] = i
	}
	m.labelText, m.multiLabel = measure(c.Model().Labels), c.Model().MultiLabel()
	size := c.Model().Recipe.Size
	m.pixels.New = func() any {
		pixels := make([]float32, 3*size*size)
		return &pixels
	}
	m.users.Store(1)
	return m
}

// buffer returns room for one picture's tensor, to be given back by recycle.
func (m *model) buffer() []float32 { return *m.pixels.Get().(*[]float32) }

func (m *model) recycle(pixels []float32) { m.pixels.Put(&pixels) }

// acquire adds a user; the caller must know that there is one already.
func (m *model) acquire() { m.users.Add(1) }

func (m *model) release() {
	if m.users.Add(-1) == 0 {
		m.batcher.close()
		m.closeErr = m.Close()
		close(m.closed)
	}
}

// abandon undoes newModel and leaves the classifier to its owner.
func (m *model) abandon() { m.batcher.close() }

// wait returns once the model is closed, with the error of closing it.
func (m *model) wait() error {
	<-m.closed
	return m.closeErr
}
