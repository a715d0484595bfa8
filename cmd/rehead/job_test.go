package main

import (
	"bytes"
	little "encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/c236555e/rehead/cmd/rehead/internal/sagemaker/layout"
	"github.com/c236555e/rehead/cmd/rehead/internal/sagemaker/layout/layouttest"
	"github.com/c236555e/rehead/internal/draw"
)

// inContainer runs a command line as the service does, below base.
func inContainer(t *testing.T, base string, args ...string) outcome {
	t.Helper()
	var stdout, stderr bytes.Buffer
	a := &app{stdout: &stdout, stderr: &stderr, getenv: func(name string) string {
		return map[string]string{"SAGEMAKER_BASE_DIR": base, "TRAINING_JOB_NAME": "job"}[name]
	}}
	code := run(t.Context(), a, append([]string{}, args...)) // never nil, which would mean the test's own arguments
	return outcome{code, stdout.String(), stderr.String()}
}

func TestTrainingJob(t *testing.T) {
	base := t.TempDir()
	l := layout.Tree(base)
	if err := draw.Folder(l.Data("training"), 3, 12, 5); err != nil {
		t.Fatal(err)
	}
	for _, dir := range []string{l.Data("weights"), l.Path("input", "config"), l.Model(), l.Checkpoints()} {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	narrow(t, l.Data("weights"))
	configure := func(values map[string]string) {
		t.Helper()
		data, err := json.Marshal(values)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(l.Path("input", "config", "hyperparameters.json"), data, 0o644); err != nil {
			t.Fatal(err)
		}
	}

	configure(map[string]string{"learning_rte": "0.1"})
	o := inContainer(t, base, "train")
	reason, err := os.ReadFile(l.Failure())
	if o.code == exitDone || err != nil || !strings.Contains(string(reason), `did you mean "learning_rate"`) {
		t.Fatalf("an unknown hyperparameter: code %d, failure file %q, %v", o.code, reason, err)
	}
	if left, err := os.ReadDir(l.Model()); err != nil || len(left) != 0 {
		t.Fatalf("a failed job left %v in the model folder (%v)", left, err)
	}
	if err := os.Remove(l.Failure()); err != nil {
		t.Fatal(err)
	}

	configure(map[string]string{"seed": "7", "epochs": "30", "testing_percentage": "20", "no_trunk": "False",
		"_tuning_objective_metric": "validation:accuracy"})
	for _, args := range [][]string{{"train"}, nil} { // by name, and with no argument at all
		if o = inContainer(t, base, args...); o.code != exitDone {
			t.Fatalf("rehead %v: code %d: %s", args, o.code, o.stderr)
		}
		for _, want := range []string{"train:accuracy=", "validation:accuracy=", "Epoch[0] Validation-accuracy=",
			"epochs=30 changes nothing"} {
			if !strings.Contains(o.stderr, want) {
				t.Errorf("rehead %v: the log has no %q:\n%s", args, want, o.stderr)
			}
		}
	}
	configure(map[string]string{"seed": "7", "testing_percentage": "20"})
	other := filepath.Join(l.Checkpoints(), "bottlenecks", "of another job.checkpoint")
	if err := os.WriteFile(other, []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	if o = inContainer(t, base); o.code != exitDone || !strings.Contains(strings.Join(strings.Fields(o.stderr), " "),
		"is the state of another job") {
		t.Errorf("code %d, another job's checkpoint is not named: %s", o.code, o.stderr)
	}
	if _, err := os.Stat(l.Failure()); err == nil {
		t.Error("a job that succeeded left a failure file")
	}
	if cached, err := os.ReadDir(filepath.Join(l.Checkpoints(), "bottlenecks")); err != nil || len(cached) == 0 {
		t.Errorf("no bottlenecks among the checkpoints: %v, %v", cached, err)
	}
	var card modelCard
	must(t, &card, "inspect", l.Model(), "--json")
	if card.Seed != 7 || card.Split.Test != 0.2 {
		t.Errorf("the model has seed %d and test share %g, want 7 and 0.2", card.Seed, card.Split.Test)
	}

	env := map[string]string{"SAGEMAKER_BASE_DIR": base, "SAGEMAKER_BIND_TO_PORT": "0"}
	addr, stop := serveWith(t, env, "serve")
	data, err := os.ReadFile(filepath.Join(l.Data("training"), draw.Label(0), "0001.jpg"))
	if err != nil {
		t.Fatal(err)
	}
	var answer struct{ Predictions []struct{ Label string } }
	port := addr[strings.LastIndexByte(addr, ':'):]
	if status := post(t, "http://127.0.0.1"+port+"/invocations", "application/x-image", data,
		&answer); status != http.StatusOK || len(answer.Predictions) != 3 {
		t.Errorf("invocations: status %d, %v", status, answer)
	}
	if o := stop(); o.code != exitDone {
		t.Errorf("serve ended with code %d: %s", o.code, o.stderr)
	}
}

// jobFolder is /opt/ml of a job with a narrow trunk and drawn pictures of three labels, perLabel
// each.
func jobFolder(t *testing.T, perLabel int) layout.Tree {
	t.Helper()
	l := layout.Tree(t.TempDir())
	for _, dir := range []string{l.Data("weights"), l.Path("input", "config"), l.Model()} {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	narrow(t, l.Data("weights"))
	if err := draw.Folder(l.Data("train"), 3, perLabel, 5); err != nil {
		t.Fatal(err)
	}
	return l
}

// trained runs a job that has to succeed, and returns the model's card and the log.
func trained(t *testing.T, l layout.Tree) (card modelCard, log string) {
	t.Helper()
	o := inContainer(t, string(l), "train")
	if o.code != exitDone {
		t.Fatalf("code %d: %s", o.code, o.stderr)
	}
	must(t, &card, "inspect", l.Model(), "--json")
	return card, o.stderr
}

// lst is the pictures of each label folder below dir as MXNet's image list, their paths below root.
func lst(t *testing.T, root, dir string) (list string, pictures [][]byte, classes []int) {
	t.Helper()
	var b strings.Builder
	for class := range 3 {
		paths, err := filepath.Glob(filepath.Join(dir, draw.Label(class), "*"))
		if err != nil || len(paths) == 0 {
			t.Fatal(paths, err)
		}
		for _, path := range paths {
			rel, err1 := filepath.Rel(root, path)
			data, err2 := os.ReadFile(path)
			if err := errors.Join(err1, err2); err != nil {
				t.Fatal(err)
			}
			fmt.Fprintf(&b, "%d\t%d\t%s\n", len(pictures), class, filepath.ToSlash(rel))
			pictures, classes = append(pictures, data), append(classes, class)
		}
	}
	return b.String(), pictures, classes
}

// recordIO packs pictures as MXNet's im2rec does. The drawn ones never have the format's magic
// number in them.
func recordIO(t *testing.T, pictures [][]byte, classes []int) string {
	t.Helper()
	var out []byte
	for i, p := range pictures {
		if bytes.Contains(p, []byte("\x0a\x23\xd7\xce")) {
			t.Fatal("a picture holds the magic number")
		}
		out = append(out, "\x0a\x23\xd7\xce"...)
		out = little.LittleEndian.AppendUint32(out, uint32(24+len(p)))
		out = little.LittleEndian.AppendUint32(out, 0)
		out = little.LittleEndian.AppendUint32(out, math.Float32bits(float32(classes[i])))
		out = append(out, make([]byte, 16)...)
		out = append(append(out, p...), make([]byte, -len(p)&3)...)
	}
	return string(out)
}

// Contract 12, 16, 22: every way that pictures may come in gives a model of them.
func TestJobChannels(t *testing.T) {
	if testing.Short() {
		t.Skip("slow: the whole run has it")
	}
	names := draw.Label(0) + "\n" + draw.Label(1) + "\n" + draw.Label(2) + "\n"
	for name, c := range map[string]struct {
		prepare func(t *testing.T, l layout.Tree)
		labels  []string // nil: the folders' names
		log     string
	}{
		"validation and test channels": {func(t *testing.T, l layout.Tree) {
			for i, part := range []string{"validation", "test"} {
				if err := draw.Folder(l.Data(part), 3, 4, uint64(90+i)); err != nil {
					t.Fatal(err)
				}
			}
			layouttest.Config(t, l, "inputdataconfig.json", `{"train":{"TrainingInputMode":"FastFile"},
				"validation":{"TrainingInputMode":"File"},"test":{},"weights":{}}`)
		}, nil, "train:accuracy=1.000000"},
		"folders named like parts in one channel": {func(t *testing.T, l layout.Tree) {
			if err := os.MkdirAll(l.Data("photos"), 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.Rename(l.Data("train"), filepath.Join(l.Data("photos"), "train")); err != nil {
				t.Fatal(err)
			}
			if err := draw.Folder(filepath.Join(l.Data("photos"), "valid"), 3, 4, 90); err != nil {
				t.Fatal(err)
			}
		}, nil, `read "train", "valid" as parts`},
		"an archive alone in a channel": {func(t *testing.T, l layout.Tree) {
			packed := packed(t, l.Data("train"), ".tar.zst")
			if err := os.RemoveAll(l.Data("train")); err != nil {
				t.Fatal(err)
			}
			layouttest.Write(t, l, string(packed), "input", "data", "photos", "photos.tar.zst")
			layouttest.Write(t, l, "words", "input", "data", "photos", "README.txt")
		}, nil, "photos.tar.zst where they are"},
		"folders in folders": {func(t *testing.T, l layout.Tree) {
			for i := range 3 {
				to := filepath.Join(l.Data("photos"), []string{"plants", "plants", "animals"}[i], draw.Label(i))
				if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
					t.Fatal(err)
				}
				if err := os.Rename(filepath.Join(l.Data("train"), draw.Label(i)), to); err != nil {
					t.Fatal(err)
				}
			}
			if err := os.Remove(l.Data("train")); err != nil {
				t.Fatal(err)
			}
			layouttest.Config(t, l, "hyperparameters.json", `{"labels_at":"leaf"}`)
		}, nil, ""},
		"another name, housekeeping": {func(t *testing.T, l layout.Tree) {
			if err := os.Rename(l.Data("train"), l.Data("photos")); err != nil {
				t.Fatal(err)
			}
			layouttest.Write(t, l, "", "input", "data", "photos", ".DS_Store")
			layouttest.Write(t, l, "", "input", "data", "photos", ".ipynb_checkpoints", "x.jpg")
			layouttest.Write(t, l, "", "input", "data", "photos", draw.Label(0), "empty_$folder$")
		}, nil, "empty_$folder$"},
		"images and lists in channels of their own": {func(t *testing.T, l layout.Tree) {
			list, _, _ := lst(t, l.Data("train"), l.Data("train"))
			layouttest.Write(t, l, list, "input", "data", "train_lst", "train.lst")
		}, []string{"0", "1", "2"}, ""},
		"a manifest beside the pictures, with names": {func(t *testing.T, l layout.Tree) {
			list, _, _ := lst(t, l.Data("train"), l.Data("train"))
			layouttest.Write(t, l, list, "input", "data", "train", "all.lst")
			layouttest.Write(t, l, names, "input", "data", "train", "labels.txt")
			layouttest.Config(t, l, "hyperparameters.json", `{"classes":"labels.txt"}`)
		}, []string{draw.Label(0), draw.Label(1), draw.Label(2)}, "reading the manifest all.lst"},
		"an augmented manifest": {func(t *testing.T, l layout.Tree) {
			list, _, _ := lst(t, l.Data("train"), l.Data("train"))
			var b strings.Builder
			for line := range strings.Lines(list) {
				f := strings.Split(strings.TrimSpace(line), "\t")
				fmt.Fprintf(&b, `{"source-ref":"s3://bucket/flowers/%s","class":%s,`+
					`"class-metadata":{"class-name":"label %s"}}`+"\n", f[2], f[1], f[1])
			}
			layouttest.Write(t, l, b.String(), "input", "data", "train", "output.manifest")
			layouttest.Config(t, l, "hyperparameters.json", `{"strip_prefix":"s3://bucket/flowers/"}`)
		}, []string{"label 0", "label 1", "label 2"}, ""},
		"two manifests and no wish for either": {func(t *testing.T, l layout.Tree) {
			layouttest.Write(t, l, "x", "input", "data", "train", "a.csv")
			layouttest.Write(t, l, "x", "input", "data", "train", "b.csv")
			layouttest.Config(t, l, "hyperparameters.json", `{"manifest":"none"}`)
		}, nil, ""},
		"RecordIO": {func(t *testing.T, l layout.Tree) {
			_, pictures, classes := lst(t, l.Data("train"), l.Data("train"))
			var held [][]byte
			var heldClasses []int
			for i := len(pictures) - 1; i >= 0; i -= 4 {
				held, heldClasses = append(held, pictures[i]), append(heldClasses, classes[i])
				pictures, classes = slices.Delete(pictures, i, i+1), slices.Delete(classes, i, i+1)
			}
			half := len(pictures) / 2
			if err := os.RemoveAll(l.Data("train")); err != nil {
				t.Fatal(err)
			}
			layouttest.Write(t, l, recordIO(t, pictures[:half], classes[:half]), "input", "data", "train", "train_1.rec")
			layouttest.Write(t, l, recordIO(t, pictures[half:], classes[half:]), "input", "data", "train", "train_2.rec")
			layouttest.Write(t, l, recordIO(t, held, heldClasses), "input", "data", "validation", "val.rec")
		}, []string{"0", "1", "2"}, "unpacking RecordIO"},
	} {
		t.Run(name, func(t *testing.T) {
			l := jobFolder(t, 8)
			c.prepare(t, l)
			card, log := trained(t, l)
			want := c.labels
			if want == nil {
				want = []string{draw.Label(0), draw.Label(1), draw.Label(2)}
				slices.Sort(want)
			}
			if !slices.Equal(card.Labels, want) {
				t.Errorf("labels %q, want %q", card.Labels, want)
			}
			if !strings.Contains(log, c.log) {
				t.Errorf("the log has no %q:\n%s", c.log, log)
			}
		})
	}
}

func TestTrainingJobRefusals(t *testing.T) {
	hosts := `{"current_host":"algo-1","hosts":["algo-1","algo-2"]}`
	input := func(text string) map[string]string {
		return map[string]string{"input/config/inputdataconfig.json": text}
	}
	settings := func(text string) map[string]string {
		return map[string]string{"input/config/hyperparameters.json": text}
	}
	for name, c := range map[string]struct {
		files map[string]string // below the job's folder
		want  string
	}{
		"sharded weights": {map[string]string{"input/config/resourceconfig.json": hosts,
			"input/config/inputdataconfig.json": `{"train":{},"weights":{"S3DistributionType":"ShardedByS3Key"}}`},
			`"weights" is ShardedByS3Key`},
		"sharded pipe": {map[string]string{"input/config/resourceconfig.json": hosts,
			"input/config/inputdataconfig.json": `{"train":{"S3DistributionType":"ShardedByS3Key","TrainingInputMode":"Pipe"}}`},
			"in Pipe mode"},
		"no host of its own": {map[string]string{
			"input/config/resourceconfig.json": `{"current_host":"algo-9","hosts":["algo-1","algo-2"]}`},
			`"algo-9" is not among hosts`},
		"pipe mode":         {input(`{"train":{"TrainingInputMode":"Pipe"}}`), "FastFile"},
		"weights in a pipe": {input(`{"train":{},"weights":{"TrainingInputMode":"Pipe"}}`), `"weights" is in Pipe mode`},
		"no channel":        {input(`{"validation":{"TrainingInputMode":"File"}}`), "no channel named train"},
		"two manifests": {map[string]string{"input/data/train/a.csv": "x", "input/data/train/b.lst": "x"},
			"holds 2 manifests"},
		"no such manifest":   {settings(`{"manifest":"x.csv"}`), `"x.csv" is not in the channel train`},
		"path as a manifest": {settings(`{"manifest":"../x.csv"}`), "want the name of a file"},
		"no such classes":    {settings(`{"classes":"labels.txt"}`), `"labels.txt" is not in the channel train`},
		"no RecordIO": {map[string]string{"input/data/train/x.rec": "\xff\xd8\xff\xe0 0123456789"},
			"is this a RecordIO file?"},
		"two weight files": {map[string]string{"input/data/weights/other.h5": "x"}, "channel weights holds 2 files"},
		"two models": {map[string]string{"input/data/model/a.tar.gz": "x", "input/data/model/b.tar.gz": "x"},
			"channel model holds 2 files"},
		"no model":        {map[string]string{"input/data/model/model.tar.gz": "x"}, "model.tar.gz"},
		"another network": {settings(`{"architecture":"mobilenet_v2"}`), "the network is InceptionV3"},
		"bad percentage":  {settings(`{"testing_percentage":"ten"}`), `"testing_percentage": got "ten"`},
	} {
		t.Run(name, func(t *testing.T) {
			l := jobFolder(t, 2)
			for file, text := range c.files {
				layouttest.Write(t, l, text, filepath.FromSlash(file))
			}
			layouttest.Write(t, l, "the reason of an earlier run", "output", "failure")
			o := inContainer(t, string(l), "train")
			reason, err := os.ReadFile(l.Failure())
			if o.code != exitFailed || err != nil || !strings.Contains(string(reason), c.want) ||
				!strings.Contains(o.stderr, c.want) {
				t.Errorf("code %d, failure file %q, log %q (%v); want %q", o.code, reason, o.stderr, err, c.want)
			}
			if left, err := os.ReadDir(l.Model()); err != nil || len(left) != 0 {
				t.Errorf("a failed job left %v in the model folder (%v)", left, err)
			}
		})
	}
	// Without a job around it, train without a folder is bad usage.
	if o := inContainer(t, filepath.Join(t.TempDir(), "absent"), "train"); o.code != exitUsage {
		t.Errorf("train without a folder: code %d, %s", o.code, o.stderr)
	}
}

// TestJobBeginsAtAnOlderModel gives a second job the first one's model, as an archive and as a
// folder.
func TestJobBeginsAtAnOlderModel(t *testing.T) {
	if testing.Short() {
		t.Skip("slow: the whole run has it")
	}
	first := jobFolder(t, 8)
	trained(t, first)
	for name, channel := range map[string]func(dir string){
		"archive": func(dir string) { must(t, nil, "export", first.Model(), "-o", filepath.Join(dir, "model.tar.gz")) },
		"folder": func(dir string) {
			if err := os.CopyFS(dir, os.DirFS(first.Model())); err != nil {
				t.Fatal(err)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			l := jobFolder(t, 8)
			if err := os.MkdirAll(l.Data("model"), 0o755); err != nil {
				t.Fatal(err)
			}
			channel(l.Data("model"))
			card, _ := trained(t, l)
			var settings struct {
				WarmStart string `json:"warm_start"`
			}
			if err := json.Unmarshal(card.Training, &settings); err != nil || len(settings.WarmStart) != 64 {
				t.Errorf("the settings are %s (%v), want the digest of the head it began at", card.Training, err)
			}
		})
	}
}

// TestJobSaysWhyWithoutAFailureFile: where nothing can be written for the service, the reason is in
// the log all the same.
func TestJobSaysWhyWithoutAFailureFile(t *testing.T) {
	l := jobFolder(t, 8)
	layouttest.Config(t, l, "hyperparameters.json", `{"learning_rate":"abc"}`)
	if err := os.WriteFile(l.Path("output"), nil, 0o600); err != nil { // no folder
		t.Fatal(err)
	}
	o := inContainer(t, string(l), "train")
	if o.code == exitDone || !strings.Contains(o.stderr, `got "abc", want a number`) ||
		!strings.Contains(o.stderr, "not in the failure file") {
		t.Errorf("code %d: %s", o.code, o.stderr)
	}
}

// TestJobNamesCopies: a validation channel with the pictures of the training channel is called so.
func TestJobNamesCopies(t *testing.T) {
	l := jobFolder(t, 8)
	if err := os.CopyFS(l.Data("validation"), os.DirFS(l.Data("train"))); err != nil {
		t.Fatal(err)
	}
	o := inContainer(t, string(l), "train")
	if o.code == exitDone || !strings.Contains(o.stderr, "copies of validation pictures") {
		t.Errorf("code %d: %s", o.code, o.stderr)
	}
}
