// Package malloc is the peer that bench/malloc.ts measures goheap's in-thread malloc against: what the real Go
// runtime takes to make a byte slice of 16, 64 and 256 bytes that escapes to the heap.
//
// Run by hand with:
//
//	GOGC=100 go test -run '^$' -bench Malloc -cpu 1
package malloc

import (
	"strconv"
	"testing"
)

// sink makes every slice escape: the compiler cannot prove that nobody reads it, so none stays on the stack.
var sink []byte

func BenchmarkMalloc(b *testing.B) {
	for _, n := range []int{16, 64, 256} {
		b.Run(strconv.Itoa(n), func(b *testing.B) {
			b.ReportAllocs()
			for i := 0; i < b.N; i++ {
				sink = make([]byte, n)
			}
		})
	}
}
