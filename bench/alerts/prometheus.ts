/**
 * A Prometheus that scrapes one goheap server through /v1/sd, once a second, with the rules of this repository: for the demo of the
 * alerts, and for the test that asks it every question that dashboards and rules ask.
 */

import { type ChildProcess, spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { freePort, ready, start, stop } from '../processes.js';

export interface Sample {
  readonly metric: Record<string, string>;
  readonly value: number;
}

export interface Alert {
  readonly labels: Record<string, string>;
  readonly annotations: Record<string, string>;
  readonly state: 'pending' | 'firing' | 'inactive';
  readonly activeAt: string;
}

export interface Rule {
  readonly name: string;
  readonly query: string;
  readonly type: 'alerting' | 'recording';
  readonly health: string;
  readonly lastError?: string;
}

export interface PrometheusOptions {
  /** The server, as `http://127.0.0.1:8080`. */
  readonly url: string;
  /** Files with rules. */
  readonly rules: string;
  /** What becomes of the text of each of them. */
  readonly change?: (text: string) => string;
}

export const hasPrometheus = (): boolean =>
  spawnSync('prometheus', ['--version'], { stdio: 'ignore' }).error === undefined;

interface Answer<T> {
  readonly status: string;
  readonly error?: string;
  readonly data: T;
}

export class Prometheus {
  private readonly child: ChildProcess;
  private readonly folder: string;
  readonly url: string;

  private constructor(child: ChildProcess, folder: string, url: string) {
    this.child = child;
    this.folder = folder;
    this.url = url;
  }

  static async start({ url, rules, change = (text) => text }: PrometheusOptions): Promise<Prometheus> {
    const folder = mkdtempSync(join(tmpdir(), 'goheap-prometheus-'));
    mkdirSync(join(folder, 'rules'));
    for (const file of readdirSync(rules)) {
      writeFileSync(join(folder, 'rules', file), change(readFileSync(join(rules, file), 'utf8')));
    }
    // JSON is YAML.
    const config = {
      global: { scrape_interval: '1s', scrape_timeout: '1s', evaluation_interval: '1s' },
      rule_files: ['rules/*.yml'],
      scrape_configs: [{ job_name: 'goheap', http_sd_configs: [{ url: `${url}/v1/sd`, refresh_interval: '1s' }] }],
    };
    writeFileSync(join(folder, 'prometheus.yml'), JSON.stringify(config));
    // It does not say which port it was given, so one is chosen here. Another process may be faster to take it.
    for (let tries = 1; ; tries++) {
      const port = await freePort();
      const child = start(
        'prometheus',
        [
          `--config.file=${join(folder, 'prometheus.yml')}`,
          `--storage.tsdb.path=${join(folder, 'data')}`,
          `--web.listen-address=127.0.0.1:${port}`,
        ],
        { stdio: 'ignore' },
      );
      const prometheus = new Prometheus(child, folder, `http://127.0.0.1:${port}`);
      try {
        if (await ready(`${prometheus.url}/-/ready`, child)) return prometheus;
        if (tries === 3) throw new Error(`prometheus ended with ${child.exitCode}`);
      } catch (error) {
        await prometheus.stop();
        throw error;
      }
    }
  }

  private async get<T>(path: string): Promise<T> {
    const response = await fetch(`${this.url}/api/v1/${path}`);
    const answer = (await response.json()) as Answer<T>;
    if (answer.status !== 'success') throw new Error(`${decodeURIComponent(path)}: ${answer.error}`);
    return answer.data;
  }

  /** What an expression is now. Throws where it is not PromQL. */
  async query(expr: string): Promise<Sample[]> {
    const { resultType, result } = await this.get<{ resultType: string; result: unknown }>(
      `query?query=${encodeURIComponent(expr)}`,
    );
    if (resultType === 'scalar') return [{ metric: {}, value: Number((result as [number, string])[1]) }];
    return (result as { metric: Record<string, string>; value: [number, string] }[]).map(({ metric, value }) => ({
      metric,
      value: numberOf(value[1]),
    }));
  }

  async rules(): Promise<Rule[]> {
    const { groups } = await this.get<{ groups: { rules: Rule[] }[] }>('rules');
    return groups.flatMap((g) => g.rules);
  }

  async alerts(): Promise<Alert[]> {
    return (await this.get<{ alerts: Alert[] }>('alerts')).alerts;
  }

  /** Names of all series that were ever scraped or recorded. */
  names(): Promise<string[]> {
    return this.get<string[]>('label/__name__/values');
  }

  async stop(): Promise<void> {
    await stop(this.child);
    rmSync(this.folder, { recursive: true, force: true });
  }
}

function numberOf(text: string): number {
  if (text === '+Inf') return Number.POSITIVE_INFINITY;
  if (text === '-Inf') return Number.NEGATIVE_INFINITY;
  return Number(text);
}
