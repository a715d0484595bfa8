// Package doctor checks a labelled set of pictures before a head is trained on it.
//
//	Folder --Check--> Checkup      (unreadable files, equal and nearly equal pictures, thin labels, cost)
//	Checkup.Refine, with bottlenecks: near duplicates by the trunk, and doubtful labels
//
// A CheckCache keeps what was seen in a picture, so that a folder that is checked again is not
// decoded again. Check and Refine work on several goroutines; a Checkup belongs to one.
package doctor
