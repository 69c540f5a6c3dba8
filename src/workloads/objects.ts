/**
 * Objects that a workload holds: addresses and sizes in two arrays, in no order that means anything.
 *
 * Removing takes the last into the gap, so that everything is constant time and the choice of a victim is one random index. Sets of one
 * workload share a `Holdings`, which is what its bounds are checked against. Main thread only.
 */

/** What all sets of a workload hold together, counting what has been sent and not been answered. */
export class Holdings {
  objects = 0;
  bytes = 0;
}

const FIRST = 256;

export class Objects {
  private readonly holdings: Holdings;
  private addresses = new Float64Array(FIRST);
  private sizes = new Float64Array(FIRST);
  private count = 0;
  private held = 0;

  constructor(holdings: Holdings) {
    this.holdings = holdings;
  }

  get length(): number {
    return this.count;
  }

  /** Sum of their sizes. */
  get bytes(): number {
    return this.held;
  }

  address(i: number): number {
    return this.addresses[i];
  }

  size(i: number): number {
    return this.sizes[i];
  }

  /** Puts in an object that the holdings count already (see `Batch.alloc`). */
  put(address: number, size: number): void {
    if (this.count === this.addresses.length) {
      this.addresses = grown(this.addresses);
      this.sizes = grown(this.sizes);
    }
    this.addresses[this.count] = address;
    this.sizes[this.count++] = size;
    this.held += size;
  }

  /** Takes one out; the holdings count it until its free is answered. */
  remove(i: number): void {
    const last = --this.count;
    this.held -= this.sizes[i];
    this.addresses[i] = this.addresses[last];
    this.sizes[i] = this.sizes[last];
  }

  reserve(size: number): void {
    this.holdings.objects++;
    this.holdings.bytes += size;
  }

  release(size: number): void {
    this.holdings.objects--;
    this.holdings.bytes -= size;
  }
}

function grown(old: Float64Array): Float64Array<ArrayBuffer> {
  const out = new Float64Array(old.length * 2);
  out.set(old);
  return out;
}
