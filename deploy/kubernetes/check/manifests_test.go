package check

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	"k8s.io/apiextensions-apiserver/pkg/apis/apiextensions"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema/pruning"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/validation"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
	serializer "k8s.io/apimachinery/pkg/runtime/serializer/json"
	"k8s.io/apimachinery/pkg/util/intstr"
	kyaml "k8s.io/apimachinery/pkg/util/yaml"
	"sigs.k8s.io/yaml"
)

// kserve is the release whose types the manifests are held to.
const kserve = "github.com/kserve/kserve@v0.17.0"

// documents cuts a file of manifests.
func documents(t *testing.T, text []byte) (docs [][]byte) {
	t.Helper()
	r := kyaml.NewYAMLReader(bufioReader(text))
	for {
		doc, err := r.Read()
		if errors.Is(err, io.EOF) {
			return docs
		}
		if err != nil {
			t.Fatal(err)
		}
		docs = append(docs, doc)
	}
}

func read(t *testing.T, path ...string) []byte {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(path...))
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// decode reads manifests into Kubernetes's own types, and refuses a field that they do not have.
func decode(t *testing.T, text []byte) (objects []runtime.Object, err error) {
	t.Helper()
	scheme := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{appsv1.AddToScheme, corev1.AddToScheme, autoscalingv2.AddToScheme,
		policyv1.AddToScheme} {
		if err := add(scheme); err != nil {
			t.Fatal(err)
		}
	}
	strict := serializer.NewSerializerWithOptions(serializer.DefaultMetaFactory, scheme, scheme,
		serializer.SerializerOptions{Yaml: true, Strict: true})
	for _, doc := range documents(t, text) {
		object, _, err := strict.Decode(doc, nil, nil)
		if err != nil {
			return nil, err
		}
		objects = append(objects, object)
	}
	return objects, nil
}

// all is what rehead.yaml has.
type all struct {
	deployment appsv1.Deployment
	service    corev1.Service
	scaler     autoscalingv2.HorizontalPodAutoscaler
	budget     policyv1.PodDisruptionBudget
}

func objects(t *testing.T) (a all) {
	t.Helper()
	list, err := decode(t, read(t, "..", "rehead.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	for _, o := range list {
		switch o := o.(type) {
		case *appsv1.Deployment:
			a.deployment = *o
		case *corev1.Service:
			a.service = *o
		case *autoscalingv2.HorizontalPodAutoscaler:
			a.scaler = *o
		case *policyv1.PodDisruptionBudget:
			a.budget = *o
		default:
			t.Errorf("got a %T", o)
		}
	}
	if len(list) != 4 {
		t.Errorf("got %d objects, want 4", len(list))
	}
	return a
}

// The manifests are of Kubernetes's types, and of the right groups; wrong fields and values are seen.
func TestKubernetes(t *testing.T) {
	objects(t)
	text := string(read(t, "..", "rehead.yaml"))
	for right, wrong := range map[string]string{"readinessProbe:": "readynessProbe:", "minReplicas: 2": "minReplicas: two",
		"apiVersion: policy/v1": "apiVersion: policy/v9", "maxSurge: 1": "maxSurge: 1, maxSurge: 2"} {
		spoilt := strings.Replace(text, right, wrong, 1)
		if spoilt == text {
			t.Errorf("%q is not in the manifests", right)
		}
		if _, err := decode(t, []byte(spoilt)); err == nil {
			t.Errorf("%q is not refused", wrong)
		}
	}
}

// The objects find each other, and no server is missed while it is replaced.
func TestObjectsFit(t *testing.T) {
	a := objects(t)
	pod := a.deployment.Spec.Template
	selects := func(what string, selector map[string]string) {
		if len(selector) == 0 || !labels.SelectorFromSet(selector).Matches(labels.Set(pod.Labels)) {
			t.Errorf("%s selects %v, and pods have %v", what, selector, pod.Labels)
		}
	}
	selects("the deployment", a.deployment.Spec.Selector.MatchLabels)
	selects("the service", a.service.Spec.Selector)
	selects("the budget", a.budget.Spec.Selector.MatchLabels)
	if to := a.scaler.Spec.ScaleTargetRef; to.Kind != "Deployment" || to.Name != a.deployment.Name ||
		a.deployment.Spec.Replicas != nil {
		t.Errorf("the autoscaler scales %+v, and the deployment has %v replicas", to, a.deployment.Spec.Replicas)
	}
	if got := *a.scaler.Spec.MinReplicas; got < 2 {
		t.Errorf("got %d replicas at least, want 2", got)
	}
	if u := a.deployment.Spec.Strategy.RollingUpdate; u.MaxUnavailable.IntValue() != 0 || u.MaxSurge.IntValue() < 1 {
		t.Errorf("an update may leave %v servers out and add %v", u.MaxUnavailable, u.MaxSurge)
	}
	if p := a.service.Spec.Ports[0]; p.TargetPort != intstr.FromString(pod.Spec.Containers[0].Ports[0].Name) {
		t.Errorf("the service asks port %v", p.TargetPort)
	}
	checkServer(t, &pod.Spec)
}

// flag is the value of a flag among a server's arguments.
func flag(args []string, name string) string {
	for _, a := range args {
		if value, ok := strings.CutPrefix(a, "--"+name+"="); ok {
			return value
		}
	}
	return ""
}

// checkServer holds a pod to the server's own routes and flags.
func checkServer(t *testing.T, pod *corev1.PodSpec) {
	t.Helper()
	c := pod.Containers[0]
	help := string(read(t, "..", "..", "..", "docs", "cli.md"))
	for _, a := range c.Args {
		if name, _, _ := strings.Cut(a, "="); strings.HasPrefix(a, "-") && !strings.Contains(help, "`"+name+" ") && !strings.Contains(help, "`"+name+"`") {
			t.Errorf("rehead has no flag %s", name)
		}
	}
	var api struct{ Paths map[string]any }
	if err := json.Unmarshal(read(t, "..", "..", "..", "serve", "openapi.json"), &api); err != nil {
		t.Fatal(err)
	}
	for name, p := range map[string]*corev1.Probe{"startup": c.StartupProbe, "readiness": c.ReadinessProbe, "liveness": c.LivenessProbe} {
		if p == nil || api.Paths[p.HTTPGet.Path] == nil {
			t.Errorf("the %s probe asks %+v", name, p)
		}
	}
	if !strings.HasSuffix(flag(c.Args, "addr"), ":8080") || c.Ports[0].ContainerPort != 8080 {
		t.Errorf("listens on %q, and the port is %d", flag(c.Args, "addr"), c.Ports[0].ContainerPort)
	}
	drain, shutdown := seconds(t, flag(c.Args, "drain-delay")), seconds(t, flag(c.Args, "shutdown-timeout"))
	if got := float64(*pod.TerminationGracePeriodSeconds); got < drain+shutdown+5 {
		t.Errorf("got %v s to end in, want %v and %v and 5", got, drain, shutdown)
	}
	// a pod is out of rotation before it stops accepting
	if out := float64(c.ReadinessProbe.PeriodSeconds * c.ReadinessProbe.FailureThreshold); drain <= out {
		t.Errorf("drains for %v s, and a probe sees it after %v", drain, out)
	}
	if s := c.SecurityContext; !*s.ReadOnlyRootFilesystem || *s.AllowPrivilegeEscalation || !slices.Equal(s.Capabilities.Drop, []corev1.Capability{"ALL"}) {
		t.Errorf("got the rights %+v", s)
	}
}

// kserveTypes are the schemas of KServe's release by kind, and by version.
func kserveTypes(t *testing.T) map[string]map[string]*apiextensions.JSONSchemaProps {
	t.Helper()
	out, err := exec.Command("go", "mod", "download", "-json", kserve).Output()
	var module struct{ Dir string }
	if err == nil {
		err = json.Unmarshal(out, &module)
	}
	if err != nil {
		t.Skipf("go mod download %s: %v", kserve, err)
	}
	types := map[string]map[string]*apiextensions.JSONSchemaProps{}
	for _, file := range []string{"servingruntimes", "inferenceservices"} {
		var crd apiextensionsv1.CustomResourceDefinition
		if err := yaml.Unmarshal(read(t, module.Dir, "config", "crd", "full", "serving.kserve.io_"+file+".yaml"), &crd); err != nil {
			t.Fatal(err)
		}
		versions := map[string]*apiextensions.JSONSchemaProps{}
		for _, v := range crd.Spec.Versions {
			var props apiextensions.JSONSchemaProps
			if err := apiextensionsv1.Convert_v1_JSONSchemaProps_To_apiextensions_JSONSchemaProps(v.Schema.OpenAPIV3Schema,
				&props, nil); err != nil {
				t.Fatal(err)
			}
			versions[crd.Spec.Group+"/"+v.Name] = &props
		}
		types[crd.Spec.Names.Kind] = versions
	}
	return types
}

// faults are what KServe's types have against manifests.
func faults(t *testing.T, types map[string]map[string]*apiextensions.JSONSchemaProps, text []byte) (kinds, faults []string) {
	t.Helper()
	for _, doc := range documents(t, text) {
		var object map[string]any
		if err := yaml.UnmarshalStrict(doc, &object); err != nil {
			t.Fatal(err)
		}
		kind, _ := object["kind"].(string)
		version, _ := object["apiVersion"].(string)
		props := types[kind][version]
		if props == nil {
			faults = append(faults, "there is no "+kind+" of "+version)
			continue
		}
		kinds = append(kinds, kind)
		validator, _, err := validation.NewSchemaValidator(props)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range validation.ValidateCustomResource(nil, object, validator) {
			faults = append(faults, e.Error())
		}
		structural, err := schema.NewStructural(props)
		if err != nil {
			t.Fatal(err)
		}
		for _, field := range pruning.PruneWithOptions(object, structural, true,
			schema.UnknownFieldPathOptions{TrackUnknownFieldPaths: true}) {
			faults = append(faults, "there is no field "+field)
		}
	}
	return kinds, faults
}

// KServe's types have nothing against its manifests, and something against spoilt ones.
func TestKServe(t *testing.T) {
	types := kserveTypes(t)
	text := read(t, "..", "kserve.yaml")
	kinds, found := faults(t, types, text)
	if !slices.Equal(kinds, []string{"ServingRuntime", "InferenceService"}) || len(found) > 0 {
		t.Errorf("got %q, %q", kinds, found)
	}
	for right, wrong := range map[string]string{"storageUri:": "storageURI:", "autoSelect: true": "autoSelect: yes please",
		"serving.kserve.io/v1alpha1": "serving.kserve.io/v7", "readinessProbe:": "readynessProbe:"} {
		if _, found := faults(t, types, bytes.Replace(text, []byte(right), []byte(wrong), 1)); len(found) == 0 {
			t.Errorf("%q is not seen", wrong)
		}
	}
	var runtimeSpec struct{ Spec corev1.PodSpec }
	var service struct {
		Spec struct {
			Predictor struct {
				corev1.PodSpec
				Model struct{ ModelFormat struct{ Name string } }
			}
		}
	}
	docs := documents(t, text)
	if err := errors.Join(yaml.Unmarshal(docs[0], &runtimeSpec), yaml.Unmarshal(docs[1], &service)); err != nil {
		t.Fatal(err)
	}
	pod := runtimeSpec.Spec
	pod.TerminationGracePeriodSeconds = service.Spec.Predictor.TerminationGracePeriodSeconds
	checkServer(t, &pod)
}
