// Command rehead-beam embeds or classifies more pictures than one machine should, on Apache Beam.
//
// It is a module of its own, so that who uses the library or the command rehead takes no part of Beam.
// docs/fleet.md says how it is used. The stages:
//
//	match --parts--> work --records--> summary
//
// match lists the pictures of its arguments into a file and names the parts of that list. work reads,
// decodes and embeds or classifies the pictures of a part, and writes one shard: the DoFn's elements are
// parts, not pictures, so that a shard is whole as soon as its element is, whatever bundles a runner
// makes. Its name comes from what it is made of, so another run finds what this one has finished.
// summary writes what became of all. Between the stages go names and counts alone.
package main
