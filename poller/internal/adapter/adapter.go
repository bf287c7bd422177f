// Package adapter is what engines have in common whose bytes come from
// elsewhere than a reactor of ours: from a library, or from the goroutines of
// package net. An adapter is a thin layer over it that says what is particular
// to its library.
//
//	Engine   opens, accepts with patience, stops, counts
//	Loop     the contract for the links of one loop: rests, pauses, short
//	         writes, marking and closing, and what a turn is
//	Locked   a Loop that is a lock and a goroutine
//	Link     one connection
//
// A Loop is called as poller.Loop by the handler, and by the adapter: Admit for
// a new link, Deliver for bytes, Close for an end, Pay for a socket that takes
// bytes again, Turn for all else. These calls must not run at the same time;
// how that is so is the adapter's choice. What a library must do, a Loop asks
// for by the methods of Adapter.
package adapter
