package channels

import (
	"strings"
	"testing"

	"github.com/c236555e/rehead/cmd/rehead/internal/sagemaker/layout"
	"github.com/c236555e/rehead/cmd/rehead/internal/sagemaker/layout/layouttest"
)

func TestChannels(t *testing.T) {
	l := layout.Tree(t.TempDir())
	if channels, err := Read(l); err != nil || len(channels) != 0 { // contract 15
		t.Errorf("nothing there: got %v, %v; want no channel and no error", channels, err)
	}
	layouttest.Write(t, l, "x", "input", "data", "training", "a", "1.jpg")
	channels, err := Read(l)
	if err != nil || channels["training"].Dir != l.Data("training") {
		t.Errorf("without a configuration: %v, %v", channels, err)
	}
	layouttest.Config(t, l, "inputdataconfig.json", `{"train":{"TrainingInputMode":"FastFile"}}`)
	if channels, err = Read(l); err != nil || len(channels) != 1 || channels["train"].Name != "train" {
		t.Errorf("FastFile: %v, %v", channels, err)
	}
	layouttest.Config(t, l, "inputdataconfig.json", `{
		"train":{"TrainingInputMode":"Pipe","ContentType":"application/x-recordio","S3DistributionType":"ShardedByS3Key"},
		"test":{"TrainingInputMode":"Pipe","RecordWrapperType":"RecordIO"},
		"validation":{"TrainingInputMode":"Pipe","S3DistributionType":"FullyReplicated"}}`)
	channels, err = Read(l)
	if c := channels["train"]; err != nil || !c.Pipe() || !c.RecordIO() || !c.Sharded() {
		t.Errorf("RecordIO objects in Pipe mode: %+v, %v", c, err)
	}
	if c := channels["test"]; !c.Pipe() || !c.RecordIO() || c.Sharded() {
		t.Errorf("wrapped in Pipe mode: %+v", c)
	}
	if c := channels["validation"]; !c.Pipe() || c.RecordIO() || c.Sharded() {
		t.Errorf("plain Pipe mode: %+v", c)
	}
	layouttest.Config(t, l, "inputdataconfig.json",
		`{"train":{"TrainingInputMode":"File","RecordWrapperType":"RecordIO"}}`)
	if _, err := Read(l); err == nil || !strings.Contains(err.Error(), `"train"`) {
		t.Errorf("wrapped in File mode: got %v, want an error that names the channel", err)
	}
}

// What the SDK adds for source code is set aside where there is a channel of pictures.
func TestChannelsOfTheSDK(t *testing.T) {
	for names, want := range map[string]string{
		"photos code sm_drivers": "photos", "code sm_drivers training": "training", "code": "code",
		"photos code flowers": "", "code sm_drivers": "", "photos_lst photos sm_drivers test": "photos",
	} {
		f := Finder{Channels: Set{}}
		for name := range strings.FieldsSeq(names) {
			f.Channels[name] = Channel{Name: name}
		}
		got, err := f.trainingChannel()
		if got != want || (err == nil) != (want != "") {
			t.Errorf("%s: got %q, %v, want %q", names, got, err, want)
		}
	}
}
