package serve

import (
	"sync/atomic"
)

// model is an installed classifier with the count of its users: its owner and
// the requests under way. The last to release it closes it.
type model struct {
	Classifier
	users    atomic.Int64
	closed   chan struct{}
	closeErr error // valid once closed is closed
}

// newModel returns a model whose one user is the caller.
func newModel(c Classifier) *model {
	m := &model{Classifier: c, closed: make(chan struct{})}
	m.users.Store(1)
	return m
}

// acquire adds a user; the caller must know that there is one already.
func (m *model) acquire() { m.users.Add(1) }

func (m *model) release() {
	if m.users.Add(-1) == 0 {
		m.closeErr = m.Close()
		close(m.closed)
	}
}

// wait returns once the model is closed, with the error of closing it.
func (m *model) wait() error {
	<-m.closed
	return m.closeErr
}
