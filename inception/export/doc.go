// Package export writes a rehead model in forms that other programs run: ONNX, which ONNX Runtime,
// OpenVINO, TensorRT and browsers read. What is written computes what the model computes, from
// pixels to probabilities; only decoding and resizing stay with the caller, and the file's metadata
// says how ("recipe").
package export
