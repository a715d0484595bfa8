package hosts

import "time"

// The exchange of a job with several hosts: each of the others sends the leader one file, and a
// sign of life while it makes it.
//
//	POST /alive/HOST     no body
//	POST /file/HOST      the file; its SHA-256 in the header Rehead-Digest
//	POST /failed/HOST    the reason
//
// Where channels are sharded, so that each host has other pictures, they also ask:
//
//	POST /parts/HOST     what the host has, as JSON
//	POST /plan/HOST      what it is to embed, as JSON; 204 while that is not known
//	POST /done/HOST      204 while the leader may still want to read pictures of it, see fileServer
//
// All carry the job's name in Rehead-Job, so that a stray host of another job is turned away. Once the
// job has failed, every answer is 410 with the reason, and who hears it stops.
const (
	headerJob    = "Rehead-Job"
	headerDigest = "Rehead-Digest"
)

// Times of the exchange.
const (
	DefaultSilence = 5 * time.Minute  // how long a host may give no sign of life
	aliveEvery     = 10 * time.Second // time between signs of life
	retryEvery     = 2 * time.Second  // time between attempts to reach the leader
	tellFor        = 30 * time.Second // how long a host that failed tries to tell the leader
	maxReason      = 1 << 16          // bytes of a reason
)

// Config says how the hosts of a job find each other. All fields but the last two are needed.
type Config struct {
	Hosts   List
	Job     string        // name of the job
	Port    int           // of the leader
	Silence time.Duration // 0 means DefaultSilence
	Sharded []string      // folders of channels of which each host has other objects
}

func (c Config) silence() time.Duration {
	if c.Silence > 0 {
		return c.Silence
	}
	return DefaultSilence
}

// alive is the time between signs of life.
func (c Config) alive() time.Duration { return min(aliveEvery, c.silence()/5) }
