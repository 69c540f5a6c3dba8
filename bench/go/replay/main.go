// Replay does to real Go's heap what a recording says: the peer of bench/replay-sim.ts and bench/replay-fidelity.ts.
//
//	replay [-scan] [-samples n] [-rounds n] events.bin
//
// The file is the event stream of src/replay/events.ts without its header: two little-endian uint32 a record. An object is a []byte (with -scan a
// []*byte) held by a table, as in the program that made the golden data. The stream is mapped, outside of Go's heap. Each round prints one line of JSON.
package main

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"runtime"
	"syscall"
	"time"
	"unsafe"
)

const (
	kindShift = 28
	mask      = 1<<kindShift - 1
	free      = 4
)

var table []unsafe.Pointer

type result struct {
	NumGC        uint32  `json:"numGC"`
	MeanInuse    float64 `json:"meanInuse"`
	EventsPerSec float64 `json:"eventsPerSec"`
	HeapSys      uint64  `json:"heapSys"`
}

func main() {
	scan := flag.Bool("scan", false, "objects hold pointers")
	samples := flag.Int("samples", 0, "ReadMemStats at so many moments")
	rounds := flag.Int("rounds", 1, "how often")
	flag.Parse()
	runtime.MemProfileRate = 0
	events := mapFile(flag.Arg(0))
	slots := uint32(0)
	for i := 0; i < len(events); i += 2 {
		if events[i]>>kindShift <= free && events[i]&mask >= slots {
			slots = events[i]&mask + 1
		}
	}
	out := json.NewEncoder(os.Stdout)
	for r := 0; r < *rounds; r++ {
		table = make([]unsafe.Pointer, slots)
		runtime.GC()
		runtime.GC()
		if err := out.Encode(replay(events, *scan, *samples)); err != nil {
			fail(err)
		}
	}
}

func replay(events []uint32, scan bool, samples int) result {
	var before, now runtime.MemStats
	runtime.ReadMemStats(&before)
	n := len(events) / 2
	next, taken := n+1, 0
	if samples > 0 {
		next = n / samples
	}
	sum := 0.0
	start := time.Now()
	for i := 0; i < n; i++ {
		head, size := events[2*i], events[2*i+1]
		switch kind := head >> kindShift; {
		case kind == free:
			table[head&mask] = nil
		case kind > free:
		case scan:
			table[head&mask] = unsafe.Pointer(unsafe.SliceData(make([]*byte, (size+7)/8)))
		default:
			table[head&mask] = unsafe.Pointer(unsafe.SliceData(make([]byte, size)))
		}
		if i+1 >= next {
			runtime.ReadMemStats(&now)
			sum += float64(now.HeapInuse) - float64(before.HeapInuse)
			taken++
			next = n * (taken + 1) / samples
		}
	}
	took := time.Since(start)
	runtime.ReadMemStats(&now)
	r := result{NumGC: now.NumGC - before.NumGC, EventsPerSec: float64(n) / took.Seconds(), HeapSys: now.HeapSys}
	if taken > 0 {
		r.MeanInuse = sum / float64(taken)
	}
	return r
}

func mapFile(path string) []uint32 {
	f, err := os.Open(path)
	if err != nil {
		fail(err)
	}
	info, err := f.Stat()
	if err != nil {
		fail(err)
	}
	data, err := syscall.Mmap(int(f.Fd()), 0, int(info.Size()), syscall.PROT_READ, syscall.MAP_PRIVATE|syscall.MAP_POPULATE)
	if err != nil {
		fail(err)
	}
	return unsafe.Slice((*uint32)(unsafe.Pointer(&data[0])), len(data)/4)
}

func fail(err error) {
	fmt.Fprintln(os.Stderr, err)
	os.Exit(1)
}
