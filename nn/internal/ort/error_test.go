package ort

import (
	"strings"
	"testing"
)

// TestFix: words of ONNX Runtime 1.31 with providers for GPUs, on a machine that lacks each in turn,
// and what is said to do.
func TestFix(t *testing.T) {
	const failed = "/onnxruntime_src/onnxruntime/core/session/provider_bridge_ort.cc:2043 onnxruntime::Provider& " +
		"onnxruntime::ProviderLibrary::Get() [ONNXRuntimeError] : 1 : FAIL : Failed to load library " +
		"/opt/libonnxruntime_providers_cuda.so with error: "
	for text, want := range map[string][2]string{
		failed + "libcublasLt.so.13: cannot open shared object file: No such file or directory": {
			"UpdateCUDAProviderOptions: Failed to load library", "pip install \"onnxruntime-gpu[cuda,cudnn]\""},
		failed + "libcuda.so.1: cannot open shared object file: No such file or directory": {
			"libcuda.so.1", "no NVIDIA driver"},
		"[ONNXRuntimeError] : 1 : FAIL : Failed to parse provider option \"device_id\": CUDA failure 35: CUDA driver " +
			"version is insufficient for CUDA runtime version": {"Failed to parse", "nvidia-smi"},
		"Failed to allocate memory for requested buffer of size 1": {"size 1", "smaller batch"},
		" other ": {"UpdateCUDAProviderOptions: other (code 1)", "(code 1)"},
	} {
		e := &Error{Call: "UpdateCUDAProviderOptions", Code: 1, Text: text, Version: "1.31.1"}
		for _, w := range want {
			if got := e.Error(); !strings.Contains(got, w) || strings.Contains(got, "onnxruntime_src") {
				t.Errorf("got %s, want %q in it, and no place in a source", got, w)
			}
		}
	}
}
