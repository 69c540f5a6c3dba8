/**
 * Objects that a workload holds: addresses and sizes in two arrays.
 *
 * Removing takes the last into the gap, so that everything is constant time and the choice of a victim is one random index; as long as
 * nothing was removed they stand in the order in which they were allocated. What has been asked for and not been answered counts
 * beside them (`promised`), because that is what a workload's bounds are about. Main thread only.
 */

const FIRST = 256;

export class Objects {
  private addresses = new Float64Array(FIRST);
  private sizes = new Float64Array(FIRST);
  private count = 0;
  private held = 0;
  private comingObjects = 0;
  private comingBytes = 0;

  /** How many are held. */
  get length(): number {
    return this.count;
  }

  /** Sum of their sizes. */
  get bytes(): number {
    return this.held;
  }

  /** The same with those that were asked for and not been answered. */
  get promised(): number {
    return this.held + this.comingBytes;
  }

  get promisedObjects(): number {
    return this.count + this.comingObjects;
  }

  address(i: number): number {
    return this.addresses[i];
  }

  size(i: number): number {
    return this.sizes[i];
  }

  put(address: number, size: number): void {
    if (this.count === this.addresses.length) {
      this.addresses = grown(this.addresses);
      this.sizes = grown(this.sizes);
    }
    this.addresses[this.count] = address;
    this.sizes[this.count++] = size;
    this.held += size;
  }

  remove(i: number): void {
    const last = --this.count;
    this.held -= this.sizes[i];
    this.addresses[i] = this.addresses[last];
    this.sizes[i] = this.sizes[last];
  }

  /** Moves one to another set. */
  give(i: number, to: Objects): void {
    to.put(this.addresses[i], this.sizes[i]);
    this.remove(i);
  }

  /** An object of this size was asked for. */
  expect(size: number): void {
    this.comingObjects++;
    this.comingBytes += size;
  }

  /** It came, or will not come. */
  expected(size: number): void {
    this.comingObjects--;
    this.comingBytes -= size;
  }
}

function grown(old: Float64Array): Float64Array<ArrayBuffer> {
  const out = new Float64Array(old.length * 2);
  out.set(old);
  return out;
}
