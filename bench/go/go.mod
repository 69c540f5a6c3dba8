module goheap.bench/malloc

go 1.27
