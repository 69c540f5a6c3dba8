/**
 * Larson and Krishnan's server: requests that each keep a few small objects for a while, on threads that hand their work on.
 *
 * Every P holds its share of objects of 16 to 1,024 bytes and replaces one after another at random. From time to time the Ps pass
 * their objects on to the next, so that what one allocated another frees. The picture of a healthy heap.
 */

import type { Batch } from '../batch.js';
import { type Generator, Lane, type Plan } from '../generator.js';
import type { Objects } from '../objects.js';

/** Rounds between two handings-over. */
const ROTATE = 50;

class Server extends Lane {
  round(): void {}

  serve(batch: Batch, objects: Objects): void {
    this.churn(
      batch,
      objects,
      () => this.rng.size(16, 1024),
      () => this.rng.chance(0.7),
    );
  }

  make(): Objects {
    return this.newSet();
  }
}

export class Larson implements Generator {
  private readonly servers: Server[];
  private readonly held: Objects[];
  private rounds = 0;

  constructor(plan: Plan) {
    this.servers = Array.from({ length: plan.lanes }, (_, lane) => new Server(plan, lane));
    this.held = this.servers.map((server) => server.make());
  }

  get sets(): readonly (readonly Objects[])[] {
    return this.held.map((set) => [set]);
  }

  round(batches: readonly Batch[]): void {
    if (++this.rounds % ROTATE === 0) this.held.unshift(this.held.pop()!);
    for (let i = 0; i < batches.length; i++) this.servers[i].serve(batches[i], this.held[i]);
  }
}
