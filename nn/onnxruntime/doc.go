// Package onnxruntime makes devices of ONNX Runtime's execution providers: a network is handed to the
// library as an ONNX graph, which the library optimises and runs.
//
//	onnxruntime:cuda[:N]      NVIDIA GPUs; float32, tf32 or float16
//	onnxruntime:cpu           the library's kernels for processors, to compare with; taken only by name
//	onnxruntime:tensorrt[:N]  engines that TensorRT builds at each start; tf32 or float16
//	onnxruntime               the first of these, in this order, that works
//
// The library, libonnxruntime.so, comes with "pip install onnxruntime" (onnxruntime-gpu has the
// providers for GPUs) and is opened when a device of it is first asked for. CUDA and TensorRT have not
// met a GPU yet; the CPU provider passes the suite of every device.
//
// Whoever wants the devices calls [Register] once, before any program is compiled.
package onnxruntime
