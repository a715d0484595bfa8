// Package inception is InceptionV3: the network as one table, the flavours in which it was
// published, its weights on disk, a trunk that turns pictures into bottlenecks, and the model
// (trunk, head, labels, recipe) that rehead trains and serves.
//
// Pixels and activations are float32 in [N,C,H,W] order. Weights and Model are plain data, not to
// be changed once they are shared; Trunk and Classifier are safe for concurrent use.
package inception
