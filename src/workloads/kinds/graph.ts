/**
 * A linked graph under churn: tables of pointers, whose entries are replaced by new trees all the time.
 *
 * Only the tables are rooted. A tree is linked node by node, and each node loses its root as soon as another object holds it; what
 * hung at the entry before becomes garbage by being overwritten, without a free. So everything that the collector does about
 * pointers is at work: scanning, the write barrier while it marks, assists.
 */

import type { Batch } from '../batch.js';
import { Lane, type Plan } from '../generator.js';

const TABLE_WORDS = 64;
const NODE_BYTES = 64;
const NODES = 5;
/** alloc, store, drop. */
const RECORDS = NODES * 3;

export class Graph extends Lane {
  private readonly tables = this.newSet();
  private readonly wanted: number;

  constructor(plan: Plan, lane: number) {
    super(plan, lane);
    const full = TABLE_WORDS * (8 + NODES * NODE_BYTES);
    this.wanted = Math.max(1, Math.min(this.most, Math.floor(this.share / full)));
  }

  round(batch: Batch): void {
    const missing = this.wanted - this.tables.promisedObjects;
    for (let i = 0; i < missing && batch.room > 0; i++) batch.alloc(TABLE_WORDS * 8, this.tables, false);
    if (this.tables.length === 0) return;
    while (batch.room >= RECORDS) this.plant(batch);
  }

  private plant(batch: Batch): void {
    const table = this.tables.address(this.rng.below(this.tables.length));
    const nodes: number[] = [];
    for (let i = 0; i < NODES; i++) {
      const node = batch.alloc(NODE_BYTES, null, false);
      if (i === 0) batch.store(this.rng.below(TABLE_WORDS), table);
      else batch.storeIn(i, nodes[this.rng.below(i)]);
      batch.drop(node);
      nodes.push(node);
    }
  }
}
