#!/usr/bin/env bash
# opencv-python-headless 4.14.0.94: the DNN module leaves the border of an ONNX average pool out though
# the file says that it counts.
#
# Versions: opencv-python-headless 4.14.0.94 and 5.0.0.93, onnx 1.23.2, onnxruntime 1.32.0.
# Behaviour: AveragePool with count_include_pad=1 and pads divides by the pixels under the window, as
# with 0, in OpenCV 4. OpenCV 5 and ONNX Runtime divide by the window's size.
# Expected: at the corner of a map of ones, a 3x3 window with one row and column of padding gives 4/9.
