// Command mark is the real Go that bench/mark.ts and bench/gc-throughput.ts measure goheap's collector against.
//
// It holds one live heap and does one measurement for each line that it reads from its standard input, so that the
// benchmark can let the two sides take turns. Its argument says which:
//
//	tree       2^20-1 nodes of 64 bytes, a binary tree; answers "whole mark": ns of runtime.GC(), and of its mark alone
//	wide       2^20-1 nodes of 256 bytes with 8 children each; answers the same
//	noscan     64 MiB live, allocates 64-byte objects without pointers; answers "on off": ns per allocation with
//	           GOGC=100, and with a collection only off the clock
//	scan       the same with pointers: the live heap is the tree, the garbage nodes like its nodes
//
// Run by hand with:
//
//	yes | head -11 | GOMAXPROCS=1 go run ./mark tree
package main

import (
	"bufio"
	"fmt"
	"os"
	"runtime"
	"runtime/debug"
	"time"
)

const (
	nodes       = 1<<20 - 1
	allocations = 1 << 20 // between two collections: as many bytes as live, which is what GOGC=100 means
	cycles      = 8
)

type narrow struct {
	left, right *narrow
	data        [6]uint64
}

type wide struct {
	child [8]*wide
	data  [24]uint64
}

// A node, then its subtrees from the left, each with its share of the nodes that are left: 2^20-1 make the binary tree
// perfect. Every node is written to, so that none lies in the kernel's one page of zeros.

func buildNarrow(n int) *narrow {
	if n == 0 {
		return nil
	}
	t := new(narrow)
	t.data[0] = uint64(n)
	left := n / 2
	t.left = buildNarrow(left)
	t.right = buildNarrow(n - 1 - left)
	return t
}

func buildWide(n int) *wide {
	t := new(wide)
	t.data[0] = uint64(n)
	left := n - 1
	for i := 0; i < 8 && left > 0; i++ {
		share := (left + 7 - i) / (8 - i)
		t.child[i] = buildWide(share)
		left -= share
	}
	return t
}

// Package variables: roots, and what makes every object escape to the heap.
var (
	tree       *narrow
	wideTree   *wide
	blocks     []*[64]byte
	blockSink  *[64]byte
	narrowSink *narrow
)

// collect times a whole forced cycle (mark, then sweep of everything) and its part up to the end of the mark.
func collect() (whole, mark int64) {
	start := time.Now()
	runtime.GC()
	whole = time.Since(start).Nanoseconds()
	var stats debug.GCStats
	debug.ReadGCStats(&stats)
	// LastGC is when the mark ended: runtime.GC has swept since.
	mark = stats.LastGC.UnixNano() - start.UnixNano()
	return whole, mark
}

// throughput answers ns per allocation with the collector on, and with it off.
func throughput(allocate func(n int)) (on, off float64) {
	const total = cycles * allocations
	debug.SetGCPercent(100)
	start := time.Now()
	allocate(total)
	on = float64(time.Since(start).Nanoseconds()) / total
	debug.SetGCPercent(-1)
	for range cycles {
		runtime.GC()
		start = time.Now()
		allocate(allocations)
		off += float64(time.Since(start).Nanoseconds()) / total
	}
	runtime.GC()
	return on, off
}

func allocateBlocks(n int) {
	for range n {
		blockSink = new([64]byte)
	}
}

func allocateNarrow(n int) {
	for range n {
		narrowSink = new(narrow)
	}
}

func main() {
	debug.SetGCPercent(-1)
	var measure func() string
	forced := func() string {
		whole, mark := collect()
		return fmt.Sprintln(whole, mark)
	}
	rate := func(allocate func(n int)) func() string {
		return func() string {
			on, off := throughput(allocate)
			return fmt.Sprintln(on, off)
		}
	}
	mode := ""
	if len(os.Args) > 1 {
		mode = os.Args[1]
	}
	switch mode {
	case "tree":
		tree = buildNarrow(nodes)
		measure = forced
	case "wide":
		wideTree = buildWide(nodes)
		measure = forced
	case "noscan":
		for range allocations {
			blocks = append(blocks, new([64]byte))
		}
		measure = rate(allocateBlocks)
	case "scan":
		tree = buildNarrow(nodes)
		measure = rate(allocateNarrow)
	default:
		fmt.Fprintln(os.Stderr, "usage: mark tree|wide|noscan|scan")
		os.Exit(2)
	}
	for lines := bufio.NewScanner(os.Stdin); lines.Scan(); {
		os.Stdout.WriteString(measure())
	}
}
