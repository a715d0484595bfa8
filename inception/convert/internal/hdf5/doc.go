// Package hdf5 lists the datasets of an HDF5 file as h5py writes it by default (libver "earliest"),
// which is how every Keras .h5 file is laid out: superblock 0, groups as symbol tables (B-trees and
// local heaps of version 1), object headers of version 1 with continuations, and float data that is
// compact, contiguous, or chunked with the shuffle and deflate filters. What else the format
// knows is refused by name.
//
// Source: "HDF5 File Format Specification Version 3.0", The HDF Group.
//
// Every address and length is checked against the file before it is followed, and no object or tree
// node is visited twice, so a hostile file costs time and memory in proportion to its size.
package hdf5
