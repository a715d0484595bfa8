package serve

import (
	"net/http"
	"sync/atomic"
	"time"

	"github.com/gin-gonic/gin"
)

// modelStats counts what a model has done since it was installed, by whatever route it was asked.
type modelStats struct {
	answered, failed duration // requests
	passes           duration
	pictures         atomic.Int64 // in passes
	last             atomic.Int64 // when a pass last ended, in milliseconds of Unix's clock
}

// duration is how often something was done, and how long it took in all.
type duration struct{ count, ns atomic.Int64 }

func (d *duration) add(took time.Duration) {
	d.count.Add(1)
	d.ns.Add(took.Nanoseconds())
}

func (s *modelStats) requested(begin time.Time, err error) {
	if err != nil {
		s.failed.add(time.Since(begin))
		return
	}
	s.answered.add(time.Since(begin))
}

func (s *modelStats) passed(pictures int, took time.Duration) {
	s.passes.add(took)
	s.pictures.Add(int64(pictures))
	s.last.Store(time.Now().UnixMilli())
}

// showStats answers GET /v2/models/NAME/stats as Triton does, with what is counted here: requests,
// and forward passes ("execution").
func (s *Server) showStats(c *gin.Context) error {
	m, err := s.versionedModel(c)
	if err != nil {
		return err
	}
	defer m.release()
	of := &m.batcher.stats
	show := func(d *duration) gin.H { return gin.H{"count": d.count.Load(), "ns": d.ns.Load()} }
	sendJSON(c, http.StatusOK, gin.H{"model_stats": []gin.H{{
		"name": m.name, "version": modelVersion, "last_inference": of.last.Load(),
		"inference_count": of.pictures.Load(), "execution_count": of.passes.count.Load(),
		"inference_stats": gin.H{"success": show(&of.answered), "fail": show(&of.failed), "compute_infer": show(&of.passes)},
		"batch_stats":     []gin.H{},
	}}})
	return nil
}
