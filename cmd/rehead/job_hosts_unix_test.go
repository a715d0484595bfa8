//go:build unix

package main

import (
	"errors"
	"fmt"
	"maps"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/c236555e/rehead/cmd/rehead/internal/sagemaker/layout"
	"github.com/c236555e/rehead/cmd/rehead/internal/sagemaker/layout/layouttest"
	"github.com/c236555e/rehead/internal/draw"
)

// threeHosts are addresses of the loopback, the leader's first.
var threeHosts = [3]string{"127.0.0.1", "127.0.0.2", "127.0.0.3"}

// runHosts runs a job of three hosts, each a process; spoil changes the folder of each before.
func runHosts(t *testing.T, spoil func(rank int, l layout.Tree)) (folders [3]layout.Tree, logs [3]string,
	errs [3]error) {
	t.Helper()
	for _, host := range threeHosts[1:] {
		l, err := net.Listen("tcp", host+":0")
		if err != nil {
			t.Skipf("this system has no address %s: %v", host, err)
		}
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
	}
	port := fmt.Sprint(freePort(t))
	var wg sync.WaitGroup
	for i, host := range threeHosts {
		l := jobFolder(t, 10)
		folders[i] = l
		layouttest.Config(t, l, "resourceconfig.json", fmt.Sprintf(`{"current_host":%q,
			"hosts":["127.0.0.2","127.0.0.1","127.0.0.3"],"network_interface_name":"lo"}`, host))
		spoil(i, l)
		p := startJob(t, l, "REHEAD_HOSTS_PORT="+port)
		wg.Go(func() {
			errs[i] = p.Wait()
			logs[i] = p.log.String()
		})
	}
	wg.Wait()
	return folders, logs, errs
}

// A job of three hosts, each a process on an address of the loopback: the same bytes as one host's.
func TestJobOfThreeHosts(t *testing.T) {
	if testing.Short() {
		t.Skip("starts three processes")
	}
	alone := jobFolder(t, 10)
	trained(t, alone)
	t.Run("together", func(t *testing.T) {
		folders, logs, errs := runHosts(t, func(_ int, l layout.Tree) {
			if err := os.MkdirAll(l.Checkpoints(), 0o755); err != nil {
				t.Fatal(err)
			}
		})
		for i := range threeHosts {
			if errs[i] != nil || !strings.Contains(logs[i], "10 bottlenecks computed, 0 from the cache") {
				t.Errorf("%s: %v: %s", threeHosts[i], errs[i], logs[i])
			}
		}
		if !strings.Contains(logs[0], "0 bottlenecks computed, 30 from the cache") {
			t.Errorf("the leader computed others' bottlenecks again: %s", logs[0])
		}
		if !maps.Equal(modelBytes(t, folders[0].Model()), modelBytes(t, alone.Model())) {
			t.Error("the model differs from that of one host")
		}
		for i := 1; i < 3; i++ {
			if left, err := os.ReadDir(folders[i].Model()); err != nil || len(left) != 0 {
				t.Errorf("%s wrote %v as a model (%v): only the leader may", threeHosts[i], left, err)
			}
			if _, err := os.Stat(filepath.Join(folders[i].Checkpoints(), "bottlenecks-"+threeHosts[i])); err != nil {
				t.Errorf("the checkpoints of %s, which all hosts share, do not bear its name: %v", threeHosts[i], err)
			}
		}
	})
	t.Run("every block", func(t *testing.T) {
		const settings = `{"features":"\"mixed_6a,mixed_7c,mean,quarters\"","l2":"0.1"}`
		one := jobFolder(t, 10)
		layouttest.Config(t, one, "hyperparameters.json", settings)
		trained(t, one)
		folders, logs, errs := runHosts(t, func(_ int, l layout.Tree) {
			layouttest.Config(t, l, "hyperparameters.json", settings)
		})
		if err := errors.Join(errs[:]...); err != nil || !strings.Contains(logs[0], "0 bottlenecks computed, 30 from the cache") {
			t.Fatalf("%v: the leader says %s", err, logs[0])
		}
		if !maps.Equal(modelBytes(t, folders[0].Model()), modelBytes(t, one.Model())) {
			t.Error("the model differs from that of one host")
		}
	})
	t.Run("one fails", func(t *testing.T) {
		folders, logs, errs := runHosts(t, func(rank int, l layout.Tree) {
			if rank == 2 {
				layouttest.Write(t, l, "no weights", "input", "data", "weights", "trunk.safetensors")
			}
		})
		reason, err := os.ReadFile(folders[0].Failure())
		if errs[0] == nil || err != nil || !strings.Contains(string(reason), "host 127.0.0.3 failed") {
			t.Errorf("the leader: %v, failure %q (%v), log %s", errs[0], reason, err, logs[0])
		}
		if errs[2] == nil {
			t.Errorf("the host without weights succeeded: %s", logs[2])
		}
		if errs[1] == nil || !strings.Contains(logs[1], "host 127.0.0.3 failed") {
			t.Errorf("the host that could work on: %v: %s", errs[1], logs[1])
		}
	})
}

func freePort(t *testing.T) int {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port
}

// sharded says that each host has other pictures.
const sharded = `{"train":{"TrainingInputMode":"File","S3DistributionType":"ShardedByS3Key"},
	"weights":{"S3DistributionType":"FullyReplicated"}}`

// Hosts that see a part of the pictures each, the last of them none at all and the second none of a label,
// make the model of one that sees all, to the same bytes: with pictures that two hosts have under the same
// and under other labels, one that cannot be read, and a manifest that one host has; with views the leader
// reads the others' pictures.
func TestJobOfShardedHosts(t *testing.T) {
	if testing.Short() {
		t.Skip("starts three processes")
	}
	for name, c := range map[string]struct {
		settings string
		list     bool
	}{
		"label folders": {`{"features":"all","l2":"0.1"}`, false},
		"manifest":      {`{"augment":"flip","views":"1","no_report":"true","l2":"0.1","strip_prefix":"s3://b/"}`, true},
	} {
		t.Run(name, func(t *testing.T) {
			all := func(l layout.Tree) {
				layouttest.Config(t, l, "hyperparameters.json", c.settings)
				train := l.Data("train")
				same, err := os.ReadFile(filepath.Join(train, draw.Label(0), "0000.jpg"))
				if err != nil {
					t.Fatal(err)
				}
				for _, to := range [][2]string{{draw.Label(0), "9000.jpg"}, {draw.Label(1), "9001.jpg"}} {
					layouttest.Write(t, l, string(same), "input", "data", "train", to[0], to[1])
				}
				layouttest.Write(t, l, string(same[:200]), "input", "data", "train", draw.Label(2), "broken.jpg")
				if c.list {
					var b strings.Builder
					for _, path := range pictureFiles(t, train) {
						label, _, _ := strings.Cut(path, "/")
						fmt.Fprintf(&b, "s3://b/%s,%s\n", path, label)
					}
					layouttest.Write(t, l, "image,label\n"+b.String(), "input", "data", "train", "list.csv")
				}
			}
			alone := jobFolder(t, 10)
			all(alone)
			trained(t, alone)
			folders, logs, errs := runHosts(t, func(rank int, l layout.Tree) {
				all(l)
				layouttest.Config(t, l, "inputdataconfig.json", sharded)
				for i, path := range pictureFiles(t, l.Data("train")) {
					if i%2 != rank && !strings.HasPrefix(path, draw.Label(2)) || strings.HasPrefix(path, draw.Label(2)) && rank > 0 {
						if err := os.Remove(filepath.Join(l.Data("train"), path)); err != nil {
							t.Fatal(err)
						}
					}
				}
				if rank != 1 && c.list {
					if err := os.Remove(filepath.Join(l.Data("train"), "list.csv")); err != nil {
						t.Fatal(err)
					}
				}
				if rank == 2 {
					if err := os.RemoveAll(l.Data("train")); err != nil {
						t.Fatal(err)
					}
				}
			})
			for i, err := range errs {
				if err != nil {
					t.Fatalf("%s: %v: %s", threeHosts[i], err, logs[i])
				}
			}
			if !strings.Contains(logs[2], "): 0 of ") || !strings.Contains(logs[1], "bottlenecks computed") {
				t.Errorf("the host without a picture says %s; the second says %s", logs[2], logs[1])
			}
			if !maps.Equal(modelBytes(t, folders[0].Model()), modelBytes(t, alone.Model())) {
				t.Error("the model differs from that of one host")
			}
		})
	}
}

// pictureFiles are the paths of the pictures in label folders.
func pictureFiles(t *testing.T, dir string) (out []string) {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join(dir, "*", "*.jpg"))
	if err != nil || len(paths) == 0 {
		t.Fatal(paths, err)
	}
	for _, p := range paths {
		rel, err := filepath.Rel(dir, p)
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, filepath.ToSlash(rel))
	}
	return out
}

// No host hangs where none has a picture.
func TestShardedHostsEnd(t *testing.T) {
	if testing.Short() {
		t.Skip("starts three processes")
	}
	_, logs, errs := runHosts(t, func(_ int, l layout.Tree) {
		layouttest.Config(t, l, "inputdataconfig.json", sharded)
		if err := os.RemoveAll(l.Data("train")); err != nil {
			t.Fatal(err)
		}
	})
	for i, err := range errs {
		if err == nil || !strings.Contains(logs[i], "label") {
			t.Errorf("%s: %v: %s", threeHosts[i], err, logs[i])
		}
	}
}
