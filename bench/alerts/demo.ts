/**
 * `npm run demo:alerts`: every alert fires, for real. A server, a Prometheus that scrapes it through /v1/sd with the rules of
 * `prometheus/rules` (the same expressions and thresholds, seconds for minutes: hasty.ts), and one workload after the other; says
 * when each alert fired, and which others did meanwhile. `npm run demo:alerts -- McacheThrash HeapDown` runs only those.
 *
 * Begins with a heap that is well, for which none may fire. Ends with status 1 if one of them did not fire, or one did then.
 */

import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { freePort, type Running, start, stop } from '../processes.js';
import { hasty } from './hasty.js';
import { RemoteHeap } from './heap.js';
import { hasPrometheus, Prometheus } from './prometheus.js';
import { HEALTHY, type Lane, WORKLOADS } from './workloads.js';

/** How long an alert may take. */
const PATIENCE = 90_000;
/** How long a heap that is well is watched. */
const CALM = 30_000;

const HERE = import.meta.dirname;

function root(): string {
  let folder = HERE;
  while (!existsSync(join(folder, 'prometheus/rules'))) folder = dirname(folder);
  return folder;
}

const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));
const heapName = (alert: string): string => alert.replace(/[A-Z]+/g, (s, at) => (at ? '-' : '') + s.toLowerCase());

async function startMortal(): Promise<Running> {
  const port = await freePort();
  const child = start(
    process.execPath,
    ['--import', join(HERE, 'mortal.js'), join(HERE, '../../src/cli.js'), 'serve'],
    {
      env: { ...process.env, HOST: '127.0.0.1', PORT: String(port), LOG_LEVEL: 'silent', NODE_ENV: 'production' },
      stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
    },
  );
  const url = `http://127.0.0.1:${port}`;
  for (let tries = 0; tries < 100; tries++) {
    if ((await fetch(`${url}/readyz`).catch(() => undefined))?.ok) return { url, port, child };
    await pause(100);
  }
  throw new Error('the server does not answer');
}

interface Outcome {
  readonly fired: boolean;
  readonly seconds: number;
  readonly text: string;
  readonly others: readonly string[];
}

class Demo {
  private readonly server: Running;
  private readonly prometheus: Prometheus;

  constructor(server: Running, prometheus: Prometheus) {
    this.server = server;
    this.prometheus = prometheus;
  }

  /** Waits for the alert of this heap. */
  private async watch(alert: string, heap: string): Promise<Outcome> {
    const began = performance.now();
    const others = new Set<string>();
    for (;;) {
      const firing = (await this.prometheus.alerts()).filter((a) => a.state === 'firing');
      for (const { labels } of firing) {
        if (labels.alertname !== alert && labels.heap === heap) others.add(labels.alertname);
      }
      const own = firing.find((a) => a.labels.alertname === alert && a.labels.heap === heap);
      const seconds = (performance.now() - began) / 1000;
      if (own !== undefined || seconds * 1000 > PATIENCE) {
        const text = own === undefined ? 'DID NOT FIRE' : `${own.annotations.summary}. ${own.annotations.description}`;
        return { fired: own !== undefined, seconds, text, others: [...others] };
      }
      await pause(500);
    }
  }

  private async withWorkload(alert: string): Promise<Outcome> {
    const workload = WORKLOADS.find((w) => w.alert === alert);
    if (workload === undefined) throw new Error(`there is no workload for ${alert}`);
    console.log(`${alert}: ${workload.story}`);
    const heap = await RemoteHeap.create(this.server.url, heapName(alert), workload.settings);
    let stopped = false;
    const failed = (error: unknown): void => {
      if (!stopped) console.log(`  the workload ended: ${error}`);
    };
    const keep = async (lane: Lane): Promise<void> => {
      while (!stopped) await lane();
    };
    const lanes = await workload.run(heap);
    for (const lane of lanes) keep(lane).catch(failed);
    const outcome = await this.watch(alert, heap.name);
    stopped = true;
    await heap.delete();
    return outcome;
  }

  private async restartedM(): Promise<Outcome> {
    console.log('MRestarted: one of the threads is killed');
    const heap = await RemoteHeap.create(this.server.url, 'm-restarted', { gomaxprocs: 2 });
    // Prometheus has to see the counter at 0 first, or there is nothing that it increases from.
    while ((await this.prometheus.query(`goheap_heap_thread_restarts_total{heap="${heap.name}"}`)).length === 0) {
      await pause(500);
    }
    this.server.child.send('die');
    const outcome = await this.watch('MRestarted', heap.name);
    await heap.delete();
    return outcome;
  }

  private async down(): Promise<Outcome> {
    console.log('HeapDown: the server is killed');
    this.server.child.kill('SIGKILL');
    return this.watch('HeapDown', 'default');
  }

  /** No alert at all may fire for a heap that is well. */
  async healthy(): Promise<boolean> {
    console.log(`none: ${HEALTHY.story}`);
    const heap = await RemoteHeap.create(this.server.url, 'healthy');
    await HEALTHY.run(heap);
    const until = performance.now() + CALM;
    let fired: string[] = [];
    while (fired.length === 0 && performance.now() < until) {
      await pause(500);
      const alerts = (await this.prometheus.alerts()).filter(
        (a) => a.state === 'firing' && a.labels.heap === heap.name,
      );
      fired = alerts.map((a) => a.labels.alertname);
    }
    await heap.delete();
    console.log(fired.length === 0 ? `  silent for ${CALM / 1000} s` : `  FIRED: ${fired.join(', ')}`);
    return fired.length === 0;
  }

  run(alert: string): Promise<Outcome> {
    if (alert === 'MRestarted') return this.restartedM();
    return alert === 'HeapDown' ? this.down() : this.withWorkload(alert);
  }
}

// The server does not survive the last one.
const ALL = [...WORKLOADS.map((w) => w.alert), 'MRestarted', 'HeapDown'];

async function main(): Promise<number> {
  const asked = process.argv.slice(2);
  const unknown = asked.find((alert) => !ALL.includes(alert));
  if (unknown !== undefined) throw new Error(`${unknown} is none of ${ALL.join(', ')}`);
  if (!hasPrometheus()) throw new Error('prometheus is not installed (Debian: apt-get install prometheus)');
  const chosen = ALL.filter((alert) => asked.length === 0 || asked.includes(alert));
  const server = await startMortal();
  let prometheus: Prometheus | undefined;
  let calm = true;
  let fired = 0;
  try {
    prometheus = await Prometheus.start({ url: server.url, rules: join(root(), 'prometheus/rules'), change: hasty });
    console.log(`goheap at ${server.url}, Prometheus at ${prometheus.url}/alerts\n`);
    const demo = new Demo(server, prometheus);
    if (asked.length === 0) calm = await demo.healthy();
    for (const alert of chosen) {
      const { fired: did, seconds, text, others } = await demo.run(alert);
      if (did) fired++;
      console.log(`  ${did ? `fired after ${seconds.toFixed(0)} s: ` : ''}${text}`);
      if (others.length > 0) console.log(`  meanwhile also: ${others.join(', ')}`);
    }
    console.log(`\n${fired} of ${chosen.length} fired`);
  } finally {
    await prometheus?.stop();
    await stop(server.child);
  }
  return calm && fired === chosen.length ? 0 : 1;
}

process.exit(await main());
