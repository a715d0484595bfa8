// Package sagemaker reads what SageMaker hands a training container: hyperparameters in every
// client's spelling, channels and the list of hosts, below /opt/ml or another base folder. It
// decides nothing about training itself.
//
// A missing or empty file is as good as one without entries, so that `docker run` on a laptop needs
// none of them.
package sagemaker
