// Package dataset reads labelled sets of pictures and deals them to parts.
//
//	folder of label folders --Scan--> Folder  (ReadManifest for lists, Join for parts of their own)
//	Folder --Split--> train, validation, test  (Folds for k parts)
//
// Its rooms: source finds and reads the files, picture turns their bytes into what the network is
// fed, doctor checks a Folder, cache keeps what was computed from pictures.
//
// Functions and methods are safe for concurrent use as long as a Folder is only read. Nothing is
// logged; what is left out of a Folder is listed in its Problems.
package dataset
