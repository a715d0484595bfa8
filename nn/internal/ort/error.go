package ort

import (
	"fmt"
	"strings"
)

// Error is a call of ONNX Runtime's that failed.
type Error struct {
	Call    string // such as "CreateSessionFromArray"
	Code    int    // OrtErrorCode
	Text    string // the library's words
	Version string // of the library
}

func (e *Error) Error() string {
	return fmt.Sprintf("onnxruntime %s: %s: %s (code %d)%s", e.Version, e.Call, e.reason(), e.Code, e.fix())
}

// reason is the library's words without the place in its source that they may begin with.
func (e *Error) reason() string {
	text := e.Text
	if at := strings.LastIndex(text, "[ONNXRuntimeError] : "); at >= 0 {
		if parts := strings.SplitN(text[at:], " : ", 4); len(parts) == 4 { // its name, the code, the code's name
			text = parts[3]
		}
	}
	return strings.TrimSpace(text)
}

// fix is what may be done about it, as the end of a sentence, where the words are known.
func (e *Error) fix() string {
	has := func(words ...string) bool {
		for _, w := range words {
			if strings.Contains(e.Text, w) {
				return true
			}
		}
		return false
	}
	switch {
	case has("out of memory", "Failed to allocate memory", "CUBLAS_STATUS_ALLOC_FAILED", "CUDNN_STATUS_ALLOC_FAILED"):
		return "; the device's memory is full: choose a smaller batch or another device"
	case has("libcuda.so"):
		return "; there is no NVIDIA driver here, or a container does not see the machine's; use --device cpu"
	case has("libcublas", "libcudnn", "libcudart", "libcufft", "libcurand", "libnvrtc", "libnvinfer",
		"libnvonnxparser"):
		return "; the provider's own libraries are not found: pip install \"onnxruntime-gpu[cuda,cudnn]\" brings CUDA's and " +
			"cuDNN's, pip install tensorrt TensorRT's; put their folders into LD_LIBRARY_PATH"
	case has("invalid device ordinal", "no CUDA-capable device", "driver version is insufficient"):
		return "; see that nvidia-smi lists the GPU and its driver is as new as this library's CUDA, or use --device cpu"
	case has("fallback to CPU EP has been explicitly disabled"):
		return "; part of the network would run on the processor: take another version of onnxruntime-gpu, or use --device cpu"
	}
	return ""
}
