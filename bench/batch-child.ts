/**
 * Sends one request again and again over a few sockets, one in flight each, for a time, and counts the answers. A raw
 * client: it writes the same bytes and reads only as much of an answer as its length takes, so that on a small machine
 * the processor is left to the server, as redis-benchmark leaves it to Redis. In a process of its own.
 *
 * Argument and answer are JSON. The body comes from a file, as it may be binary.
 */
import { readFileSync } from 'node:fs';
import { connect } from 'node:net';

export interface Batches {
  port: number;
  path: string;
  type: string;
  bodyFile: string;
  connections: number;
  seconds: number;
}

export interface BatchesResult {
  requestsPerSecond: number;
  p50: number;
  p99: number;
  /** Answers whose status was not 200. */
  failures: number;
}

const task = JSON.parse(process.argv[2]) as Batches;
const body = readFileSync(task.bodyFile);
const head = Buffer.from(
  `POST ${task.path} HTTP/1.1\r\nHost: 127.0.0.1:${task.port}\r\nContent-Type: ${task.type}\r\n` +
    `Content-Length: ${body.length}\r\n\r\n`,
);
const message = Buffer.concat([head, body]);
const times: number[] = [];
let failures = 0;
const begun = performance.now();
const until = begun + task.seconds * 1000;

function lane(): Promise<void> {
  return new Promise((resolve, reject) => {
    const socket = connect(task.port, '127.0.0.1');
    socket.setNoDelay(true);
    let sent = 0;
    // What is missing of the answer's body; -1 while its head is read into `text`.
    let missing = -1;
    let text = '';
    const next = () => {
      if (performance.now() >= until) {
        socket.end();
        resolve();
        return;
      }
      sent = performance.now();
      missing = -1;
      text = '';
      socket.write(message);
    };
    socket.on('connect', next);
    socket.on('error', reject);
    socket.on('data', (chunk) => {
      let length = chunk.length;
      if (missing < 0) {
        text += chunk.toString('latin1');
        const end = text.indexOf('\r\n\r\n');
        if (end < 0) return;
        const declared = /\r\ncontent-length: *(\d+)/i.exec(text.slice(0, end + 2));
        if (!declared) {
          reject(new Error(`an answer without Content-Length: ${text.slice(0, end)}`));
          return;
        }
        if (!text.startsWith('HTTP/1.1 200')) failures++;
        length = text.length - end - 4;
        missing = Number(declared[1]);
      }
      missing -= length;
      if (missing > 0) return;
      times.push(performance.now() - sent);
      next();
    });
  });
}

await Promise.all(Array.from({ length: task.connections }, lane));
const seconds = (performance.now() - begun) / 1000;
times.sort((a, b) => a - b);
const at = (q: number) => times[Math.min(times.length - 1, Math.floor(times.length * q))] ?? Number.NaN;
const result: BatchesResult = { requestsPerSecond: times.length / seconds, p50: at(0.5), p99: at(0.99), failures };
process.stdout.write(JSON.stringify(result));
