// Package shards keeps labelled bottlenecks in files that any program reads and many machines write:
// what a head is trained on when it is more than memory holds.
//
// A shard is a safetensors file of N rows:
//
//	features         F16 [N,F]            bottlenecks
//	sha256           U8  [N,32]           of the bytes of each row's picture
//	label            I32 [N]              place among the shard's labels, -1: has none
//	paths            U8  [P]              where the pictures were found, UTF-8, one after the other
//	path_offsets     I64 [N+1]            where each path begins in paths, and the last ends
//	features_crc32c  U32 [ceil(N/256)]    CRC-32C of each 256 rows of features
//	part             U8  [N]              only where a row's part was given: 0 no, 1 train,
//	                                      2 validation, 3 test
//
// Where a picture may have several labels, in the place of label:
//
//	labels           I32 [L]              every row's, ascending, one row after the other
//	label_offsets    I64 [N+1]            where each row's begin in labels, and the last's end
//
// Its metadata are texts: format ("rehead-bottlenecks/1"), key (a Key as JSON), labels (a JSON list of
// the names that the rows have, sorted by bytes), index_crc32c (the CRC-32C, hexadecimal, of key, a zero
// byte, labels, a zero byte, and the data of all tensors but features and features_crc32c in the order
// of their names). Checks may be missing in files of other programs; what is there has to hold. Numbers
// are little-endian, and the bytes of a shard follow from its rows alone.
//
//	rows --Writer--> a shard, at once and whole
//	shards --OpenSet--> Set --Each--> blocks of rows
//
// A Set holds a few hundred bytes a shard and opens its files one after the other: Place says how, so
// that they may lie in a bucket. A Writer is used by one goroutine at a time; a Shard and a Set are not
// changed after they were opened and are safe for concurrent use.
package shards
