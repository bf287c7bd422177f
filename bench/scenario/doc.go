// Package scenario holds what `oort bench io` can measure, a file each: a
// struct of flags that says at which points, and a point that measures one
// round. See docs/bench.md on how to add one.
package scenario
