//go:build linux

package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/c236555e/rehead/cmd/rehead/internal/sagemaker/layout"
	"github.com/c236555e/rehead/cmd/rehead/internal/sagemaker/layout/layouttest"
	"github.com/c236555e/rehead/cmd/rehead/licences"
	"github.com/c236555e/rehead/internal/draw"
	"github.com/c236555e/rehead/internal/servetest"
	"github.com/c236555e/rehead/serve"
)

// builtImage is the project's container, built by buildah into folders of the test.
type builtImage struct {
	storage []string // buildah's first arguments
	name    string   // of a container made from it
	root    string   // its mounted file system
	config  imageConfig
}

// imageConfig is the part of an OCI image's configuration that the service looks at.
type imageConfig struct {
	Entrypoint, Cmd, Env []string
	User, WorkingDir     string
	Labels               map[string]string
	ExposedPorts         map[string]any
}

// buildah runs one of its subcommands and returns what it prints.
func (i *builtImage) buildah(t *testing.T, args ...string) string {
	t.Helper()
	var stdout, stderr bytes.Buffer
	cmd := exec.CommandContext(t.Context(), "buildah", append(slices.Clone(i.storage), args...)...)
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		t.Fatalf("buildah %s: %v: %s%s", strings.Join(args, " "), err, stdout.String(), stderr.String())
	}
	return strings.TrimSpace(stdout.String())
}

// buildImage builds the binary and the image as docs/sagemaker.md says.
func buildImage(t *testing.T) *builtImage {
	t.Helper()
	module, err := filepath.Abs(filepath.Join("..", ".."))
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	build := exec.CommandContext(t.Context(), "go", "build", "-trimpath", "-tags", "nomsgpack", "-ldflags=-s -w",
		"-o", filepath.Join(dir, "dist", "rehead"), "./cmd/rehead")
	build.Dir, build.Env = module, append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("go build: %v: %s", err, out)
	}
	for _, name := range []string{"Dockerfile", ".dockerignore", "LICENSE", "cmd/rehead/licences/third_party.txt"} {
		data, err := os.ReadFile(filepath.Join(module, name))
		if err != nil {
			t.Fatal(err)
		}
		if err := os.MkdirAll(filepath.Dir(filepath.Join(dir, name)), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name), data, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	i := &builtImage{storage: []string{"--storage-driver", "vfs", "--root", filepath.Join(dir, "root"), "--runroot",
		filepath.Join(dir, "run")}}
	i.buildah(t, "bud", "--isolation", "chroot", "--quiet", "--tag", "rehead", dir)
	var about struct {
		OCIv1 struct{ Config imageConfig }
	}
	if err := json.Unmarshal([]byte(i.buildah(t, "inspect", "--type", "image", "rehead")), &about); err != nil {
		t.Fatal(err)
	}
	i.config = about.OCIv1.Config
	i.name = i.buildah(t, "from", "--pull-never", "rehead")
	i.root = i.buildah(t, "mount", i.name)
	t.Cleanup(func() {
		if out, err := exec.Command("buildah",
			append(slices.Clone(i.storage), "rm", i.name)...).CombinedOutput(); err != nil {
			t.Errorf("buildah rm: %v: %s", err, out)
		}
	})
	return i
}

// locked prepares a mount namespace of its own, the image's file system read-only with ml at
// /opt/ml, read-only too unless mode is rw, and becomes the command that follows, with nothing in
// the environment but what its first arguments set.
const locked = `set -e
root=$1 ml=$2 mode=$3
shift 3
mkdir -p "$root/opt/ml" "$root/proc"
mount --bind "$root" "$root"
mount -o remount,bind,ro "$root"
mount --bind "$ml" "$root/opt/ml"
[ "$mode" = rw ] || mount -o remount,bind,ro "$root/opt/ml"
mount --rbind /proc "$root/proc"
cd "$root"
exec env -i "$@"`

// command is the image's entry point with args, its environment and env, as user UID:GID, in the
// network host or none; mode is that of locked.
func (i *builtImage) command(t *testing.T, l layout.Tree, mode, user, network string, env []string,
	args ...string) *exec.Cmd {
	t.Helper()
	chroot, err := exec.LookPath("chroot")
	if err != nil {
		t.Skip(err)
	}
	line := []string{"--mount", "--propagation", "private"}
	if network == "none" {
		line = append(line, "--net")
	}
	line = append(line, "sh", "-c", locked, "sh", i.root, string(l), mode)
	line = append(line, slices.Concat(i.config.Env, env)...)
	line = append(line, chroot, "--userspec="+user, i.root)
	line = append(line, i.config.Entrypoint...)
	return exec.CommandContext(t.Context(), "unshare", append(line, args...)...)
}

// TestContractContainer builds the image, trains in it without a network and asks the server in it
// every question of the contract, as an unprivileged user on a read-only file system.
func TestContractContainer(t *testing.T) {
	if testing.Short() {
		t.Skip("builds an image: run without -short")
	}
	for _, tool := range []string{"buildah", "unshare", "mount"} {
		if _, err := exec.LookPath(tool); err != nil {
			t.Skipf("builds the image with buildah and needs its tools: %v", err)
		}
	}
	if os.Geteuid() != 0 {
		t.Skip("mounts the image's file system read-only, which needs root")
	}
	i := buildImage(t)
	t.Run("image", func(t *testing.T) { imageIsAsPromised(t, i) })
	l := containerJob(t)
	if !t.Run("train", func(t *testing.T) { containerTrains(t, i, l) }) {
		return
	}
	subject := containerSubject(t, l)
	for mode, how := range map[servetest.Mode]struct{ env, args []string }{
		servetest.Plain:   {},
		servetest.Batch:   {env: []string{"SAGEMAKER_BATCH=true"}},
		servetest.Builtin: {args: []string{"--compat", "builtin"}},
		servetest.TFBlog:  {args: []string{"--compat", "tfblog"}},
		servetest.Multi:   {env: []string{"SAGEMAKER_MULTI_MODEL=true"}},
	} {
		t.Run(string(mode), func(t *testing.T) {
			s := *subject
			s.Mode = mode
			url, stop := i.serve(t, l, how.env, how.args...)
			s.URL = url
			servetest.Run(t, &s)
			stop()
		})
	}
}

// imageIsAsPromised: items 1, 3, 32, 54 of the contract, as far as the image itself says them.
func imageIsAsPromised(t *testing.T, i *builtImage) {
	c := i.config
	if !slices.Equal(c.Entrypoint, []string{"/rehead"}) || len(c.Cmd) > 0 {
		t.Errorf("entry point %q, command %q; want the binary itself, in exec form, and no command", c.Entrypoint, c.Cmd)
	}
	for _, label := range []string{"accept-bind-to-port", "multi-models"} {
		if c.Labels["com.amazonaws.sagemaker.capabilities."+label] != "true" {
			t.Errorf("labels %v: want %s", c.Labels, label)
		}
	}
	if _, ok := c.ExposedPorts["8080/tcp"]; !ok {
		t.Errorf("exposed ports %v, want 8080/tcp", c.ExposedPorts)
	}
	entries, err := os.ReadDir(i.root)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries { // buildah makes empty folders to mount on
		if !slices.Contains([]string{"rehead", "licenses", "tmp"}, e.Name()) &&
			!slices.Contains([]string{"dev", "etc", "proc", "run", "sys"}, e.Name()) {
			t.Errorf("the image has %s: want nothing but the binary, licences and /tmp", e.Name())
		}
	}
	text, err := licences.Text()
	if err != nil {
		t.Fatal(err)
	}
	if list, err := os.ReadFile(filepath.Join(i.root, "licenses", "third_party.txt")); err != nil || string(list) != text {
		t.Errorf("the image's list of licences is not the binary's (%v)", err)
	}
	info, err := os.Stat(filepath.Join(i.root, "rehead"))
	if err != nil || info.Mode().Perm()&0o022 != 0 || info.Mode().Perm()&0o005 != 0o005 {
		t.Errorf("the binary: %v, %v; want every user to run it and none but root to change it", info, err)
	} else {
		t.Logf("the binary, and so the image, has %.1f MB", float64(info.Size())/1e6)
	}
}

// containerJob is /opt/ml of a job on drawn pictures, with what the service puts beside them.
func containerJob(t *testing.T) layout.Tree {
	t.Helper()
	l := layout.Tree(t.TempDir())
	if err := draw.Folder(l.Data("training"), 3, 12, 5); err != nil {
		t.Fatal(err)
	}
	for _, dir := range []string{l.Model(), l.Checkpoints()} {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	layouttest.Config(t, l, "hyperparameters.json",
		`{"seed":"7","solver":"\"adam\"","epochs":"40","testing_percentage":"20","sagemaker_program":"x"}`)
	layouttest.Config(t, l, "inputdataconfig.json",
		`{"training":{"TrainingInputMode":"File","S3DistributionType":"FullyReplicated","RecordWrapperType":"None"}}`)
	layouttest.Config(t, l, "resourceconfig.json",
		`{"current_host":"algo-1","hosts":["algo-1"],"network_interface_name":"eth0","topology":null}`)
	for _, name := range []string{"init-config.json", "trainingjobconfig.json", "upstreamoutputdataconfig.json",
		"metric-definition-regex.json", "debughookconfig.json"} {
		layouttest.Config(t, l, name, `{"unknown":[1]}`)
	}
	return l
}

// containerTrains runs `train` as the service does, as root with /opt/ml mounted, but without a
// network and with the rest read-only: a job that fails, then one that succeeds.
func containerTrains(t *testing.T, i *builtImage, l layout.Tree) {
	train := func(env ...string) (string, error) {
		cmd := i.command(t, l, "rw", "0:0", "none", append([]string{"TRAINING_JOB_NAME=job"}, env...), "train")
		log, err := cmd.CombinedOutput()
		return string(log), err
	}
	settings, err := os.ReadFile(l.Path("input", "config", "hyperparameters.json"))
	if err != nil {
		t.Fatal(err)
	}
	layouttest.Config(t, l, "hyperparameters.json", `{"learning_rte":"0.1"}`)
	log, err := train()
	var exit *exec.ExitError
	reason, readErr := os.ReadFile(l.Failure())
	if !errors.As(err, &exit) || readErr != nil || !strings.Contains(string(reason), "learning_rate") ||
		!strings.Contains(log, string(reason)) {
		t.Fatalf("a job that cannot be: %v, failure %q (%v), log %s", err, reason, readErr, log)
	}
	layouttest.Config(t, l, "hyperparameters.json", string(settings))
	if log, err = train(); err != nil {
		t.Fatalf("train: %v: %s", err, log)
	}
	for _, want := range []string{"train:accuracy=", "validation:accuracy=", "Epoch[0] Validation-accuracy=",
		"val_accuracy: "} {
		if !strings.Contains(log, want) {
			t.Errorf("the log has no %q:\n%s", want, log)
		}
	}
	if _, err := os.Stat(l.Failure()); err == nil {
		t.Error("a job that succeeded left a failure file")
	}
	entries, err := os.ReadDir(l.Model())
	if err != nil || len(entries) < 5 {
		t.Fatalf("the model's folder has %v (%v)", entries, err)
	}
	for _, e := range entries {
		if info, err := e.Info(); err != nil || !e.Type().IsRegular() || info.Mode().Perm()&0o044 != 0o044 {
			t.Errorf("the model has %v (%v), want plain files that every user can read", e, err)
		}
	}
}

// containerSubject is what the model in l answers, outside of the container.
func containerSubject(t *testing.T, l layout.Tree) *servetest.Subject {
	t.Helper()
	s := &servetest.Subject{Folder: "/opt/ml/models", MaxBody: serve.DefaultMaxBodyBytes}
	var card modelCard
	must(t, &card, "inspect", l.Model(), "--json")
	s.Labels = card.Labels
	for class := range 3 {
		path := filepath.Join(l.Data("training"), draw.Label(class), "0001.jpg")
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		sample := servetest.Sample{Picture: data}
		var answer map[string]json.RawMessage
		must(t, &answer, "predict", l.Model(), path, "--json")
		if err := json.Unmarshal(answer["predictions"], &sample.Ranking); err != nil {
			t.Fatal(err)
		}
		s.Samples = append(s.Samples, sample)
	}
	for _, dir := range []string{"one", "broken"} {
		if err := os.MkdirAll(l.Path("models", dir), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.CopyFS(l.Path("models", "one", "model"), os.DirFS(l.Model())); err != nil {
		t.Fatal(err)
	}
	layouttest.Write(t, l, "{", "models", "broken", "model", "model.json")
	return s
}

// serve starts `serve` as an unprivileged user and waits until it is ready. stop sends it SIGTERM
// and expects it to end well, within what the service allows.
func (i *builtImage) serve(t *testing.T, l layout.Tree, env []string, args ...string) (url string, stop func()) {
	t.Helper()
	port := freePort(t)
	cmd := i.command(t, l, "ro", "65534:65534", "host", append(env, fmt.Sprintf("SAGEMAKER_BIND_TO_PORT=%d", port)),
		append([]string{"serve"}, args...)...)
	var log bytes.Buffer
	cmd.Stdout, cmd.Stderr = &log, &log
	began := time.Now()
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	url = fmt.Sprintf("http://127.0.0.1:%d", port)
	for !ping(t, url) {
		select {
		case err := <-ended:
			t.Fatalf("the container ended: %v: %s", err, log.String())
		case <-time.After(5 * time.Millisecond):
		}
		if time.Since(began) > time.Minute {
			_ = cmd.Process.Kill()
			<-ended
			t.Fatalf("the container does not get ready: %s", log.String())
		}
	}
	t.Logf("ready after %v", time.Since(began).Round(time.Millisecond))
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", cmd.Process.Pid))
	if err != nil || !strings.Contains(string(status), "Uid:\t65534\t65534\t65534\t65534") {
		t.Errorf("the server runs as %s (%v), want user 65534", status, err)
	}
	stop = sync.OnceFunc(func() {
		if err := cmd.Process.Signal(unix.SIGTERM); err != nil {
			t.Error(err)
		}
		select {
		case err := <-ended:
			if err != nil {
				t.Errorf("after SIGTERM: %v: %s", err, log.String())
			}
		case <-time.After(30 * time.Second):
			_ = cmd.Process.Kill()
			t.Errorf("the container runs on 30 s after SIGTERM: %s", log.String())
		}
	})
	t.Cleanup(stop)
	return url, stop
}

func ping(t *testing.T, url string) bool {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url+"/ping", nil)
	if err != nil {
		t.Fatal(err)
	}
	response, err := http.DefaultClient.Do(r)
	if err != nil {
		return false
	}
	_ = response.Body.Close()
	return response.StatusCode == http.StatusOK
}
