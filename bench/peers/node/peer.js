// The rows of bench-peers on Node: peer.js ROW N. Prints nanoseconds of one of N operations, a line
// for each batch after the first.
'use strict';

const http = require('node:http');
const net = require('node:net');
const { setTimeout: sleep } = require('node:timers/promises');
const { Worker, isMainThread, parentPort } = require('node:worker_threads');

const BATCHES = 6;
const SPAWNED = 1000;
const SLEEP_MS = 2000;
const NOT_OFFERED = 77;

const now = () => Number(process.hrtime.bigint());

async function measure(operations, batch) {
  for (let i = 0; i < BATCHES; i++) {
    const begin = now();
    await batch();
    if (i > 0) console.log(((now() - begin) / operations).toFixed(3));
  }
}

// ---- what costs nanoseconds

async function yieldOften(n) {
  for (let i = 0; i < n; i++) await null;
}

const yieldInTurns = (n) => Promise.all([yieldOften(n / 2), yieldOften(n / 2)]);

function nothing() {}

// A function called plainly would run before its caller goes on; a task begins later.
async function spawnNothings(n) {
  for (let i = 0; i < n; i += SPAWNED) {
    const tasks = new Array(SPAWNED);
    for (let k = 0; k < SPAWNED; k++) tasks[k] = Promise.resolve().then(nothing);
    await Promise.all(tasks);
  }
}

let total = 0;

async function add(a, b) {
  return a + b;
}

async function awaitAdds(n) {
  let sum = 0;
  for (let i = 0; i < n; i++) sum += await add(i, 1);
  total = sum;
}

// One place, as everybody writes it.
class Channel {
  #full = false;
  #value;
  #sender = null;
  #receiver = null;

  async send(value) {
    while (this.#full) await new Promise((resolve) => (this.#sender = resolve));
    this.#full = true;
    this.#value = value;
    const receiver = this.#receiver;
    this.#receiver = null;
    if (receiver) receiver();
  }

  async receive() {
    while (!this.#full) await new Promise((resolve) => (this.#receiver = resolve));
    this.#full = false;
    const sender = this.#sender;
    this.#sender = null;
    if (sender) sender();
    return this.#value;
  }
}

async function answer(n, questions, answers) {
  for (let i = 0; i < n; i++) await answers.send(await questions.receive());
}

async function ask(n, questions, answers) {
  for (let i = 0; i < n; i++) {
    await questions.send(i);
    if ((await answers.receive()) !== i) throw new Error('not the answer');
  }
}

function channel(n) {
  const questions = new Channel();
  const answers = new Channel();
  return Promise.all([answer(n, questions, answers), ask(n, questions, answers)]);
}

async function channel2(n) {
  const worker = new Worker(__filename);
  await measure(
    n,
    () =>
      new Promise((resolve) => {
        let i = 0;
        worker.removeAllListeners('message');
        worker.on('message', () => (++i < n ? worker.postMessage(i) : resolve()));
        worker.postMessage(i);
      })
  );
  await worker.terminate();
}

// ---- what sleeps

async function sleepMemory(n) {
  const naps = new Array(n);
  for (let i = 0; i < n; i++) naps[i] = sleep(3600e3);
  await sleep(1);
  if (global.gc) global.gc();
  console.log('asleep');
  await sleep(3600e3);
  await Promise.all(naps);
}

async function sleepTime(n) {
  const begin = now();
  const naps = new Array(n);
  for (let i = 0; i < n; i++) naps[i] = sleep(SLEEP_MS);
  await Promise.all(naps);
  console.log(now() - begin - SLEEP_MS * 1e6);
}

function sleepPairs(n) {
  const pairs = new Array(n);
  for (let i = 0; i < n; i++) pairs[i] = Promise.all([sleep(10), sleep(8)]);
  return Promise.all(pairs);
}

// ---- servers

function echo(port) {
  const server = net.createServer({ noDelay: true }, (socket) => {
    socket.on('data', (bytes) => socket.write(bytes));
    socket.on('error', () => socket.destroy());
  });
  server.listen({ port, host: '127.0.0.1', backlog: 4096 });
}

const BODY = Buffer.from('Hello, World!');
const HEADERS = ['Content-Type', 'text/plain', 'Content-Length', String(BODY.length)];

function plaintext(port) {
  const server = http.createServer((request, response) => {
    response.writeHead(200, HEADERS);
    response.end(BODY);
  });
  server.listen({ port, host: '127.0.0.1', backlog: 4096 });
}

function main(row, n) {
  switch (row) {
    case 'yield':
      return measure(n, () => yieldInTurns(n));
    case 'spawn':
      return measure(n, () => spawnNothings(n));
    case 'await':
      return measure(n, () => awaitAdds(n));
    case 'channel':
      return measure(n, () => channel(n));
    case 'channel_2':
      return channel2(n);
    case 'sleep_memory':
      return sleepMemory(n);
    case 'sleep_time':
      return sleepTime(n);
    case 'sleep_pairs':
      return measure(1, () => sleepPairs(n));
    case 'echo':
      return echo(n);
    case 'http':
      return plaintext(n);
    default:
      process.exitCode = NOT_OFFERED;
  }
}

if (isMainThread) main(process.argv[2], Number(process.argv[3]));
else parentPort.on('message', (question) => parentPort.postMessage(question));
