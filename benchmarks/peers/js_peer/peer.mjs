// js-libp2p behind the command line that all measured stacks share.
//
// Runs from the folder that `benchmarks.environments` makes, beside its node_modules.
// Verbs: `listen [--port N] [--topic T]`, `dial ADDR --do ping|echo|perf|connect|hold` and
// `gossip ADDR… --topic T --publish N`; one JSON object a line on stdout.
// TCP, Noise and yamux on 127.0.0.1; limits are raised, everything else is as the library has it.

import { randomBytes } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { noise } from '@chainsafe/libp2p-noise'
import { yamux } from '@chainsafe/libp2p-yamux'
import { gossipsub } from '@libp2p/gossipsub'
import { identify } from '@libp2p/identify'
import { ping } from '@libp2p/ping'
import { tcp } from '@libp2p/tcp'
import { multiaddr } from '@multiformats/multiaddr'
import { createLibp2p } from 'libp2p'

// The library calls it, and Node has it since version 22.
Promise.withResolvers ??= function () {
  let resolve, reject
  const promise = new Promise((yes, no) => { [resolve, reject] = [yes, no] })
  return { promise, resolve, reject }
}

const PING = '/ipfs/ping/1.0.0'
const ECHO = '/echo/1.0.0'
const PERF = '/perf/1.0.0'
const BLOCK = new Uint8Array(65_536)
const MANY = 1_000_000
const LIMITS = { maxInboundStreams: MANY, maxOutboundStreams: MANY }

const emit = (event) => process.stdout.write(JSON.stringify(event) + '\n')

const makeNode = (listen, services = {}) => createLibp2p({
  addresses: { listen },
  transports: [tcp()],
  connectionEncrypters: [noise()],
  streamMuxers: [yamux({ ...LIMITS, maxEarlyStreams: MANY })],
  connectionManager: {
    maxConnections: MANY, inboundConnectionThreshold: MANY, maxIncomingPendingConnections: MANY
  },
  services: { ping: ping(LIMITS), identify: identify(LIMITS), ...services }
})

// Give `take` all bytes up to the end of the stream. The stream's own iterator waits for ever when the FIN came first.
function receive (stream, take) {
  return new Promise((resolve, reject) => {
    stream.addEventListener('end', resolve)
    stream.addEventListener('close', (event) => event.error ? reject(event.error) : resolve())
    stream.addEventListener('message', (event) => {
      try {
        take(event.data)
      } catch (error) {
        reject(error)
      }
    })
    if (stream.readableEnded) resolve()
  })
}

// Not `onDrain()`: its promise stays resolved after the first time, and a fast writer fills the memory.
function drained (stream) {
  return new Promise((resolve, reject) => {
    const done = (event) => {
      stream.removeEventListener('drain', done)
      stream.removeEventListener('close', done)
      event.type === 'close' ? reject(event.error ?? new Error('the stream was closed')) : resolve()
    }
    stream.addEventListener('drain', done)
    stream.addEventListener('close', done)
  })
}

async function sendZeros (stream, count) {
  for (let left = count; left > 0; left -= BLOCK.length) {
    if (!stream.send(left < BLOCK.length ? BLOCK.subarray(0, left) : BLOCK)) await drained(stream)
  }
}

async function serveEcho (stream) {
  await receive(stream, (data) => stream.send(data))
  await stream.close()
}

async function servePerf (stream) {
  const head = Buffer.alloc(8)
  let total = 0
  await receive(stream, (data) => {
    if (total < 8) head.set(data.subarray(0, 8 - total), total)
    total += data.byteLength
  })
  await sendZeros(stream, Number(head.readBigUInt64BE()))
  await stream.close()
}

// ns since 1970 in steps of a microsecond: what the other peers write into a message, and finer than Date.now().
const nowNs = () => BigInt(Math.round((performance.timeOrigin + performance.now()) * 1e3)) * 1000n

// Count the messages of others in `topic`; gives the function that sums them up, under the names that all peers use.
function join (pubsub, topic) {
  const received = []
  const latencies = []
  const numbers = new Set()
  pubsub.addEventListener('message', ({ detail: { data } }) => {
    const now = nowNs()
    const view = new DataView(data.buffer, data.byteOffset)
    received.push(now)
    numbers.add(view.getBigUint64(0))
    latencies.push(Number(now - view.getBigUint64(8)) / 1e3)
  })
  pubsub.subscribe(topic)
  return () => {
    const count = received.length
    const span = count > 1 ? Number(received[count - 1] - received[0]) / 1e9 : 0
    const first = latencies[0]
    latencies.sort((a, b) => a - b)
    return {
      received: count,
      distinct: numbers.size,
      receive_span_seconds: span,
      receive_rate: span ? (count - 1) / span : 0,
      latency_us_first: first,
      latency_us_p50: latencies[Math.floor(count / 2)],
      latency_us_p99: latencies[Math.floor(count * 99 / 100)],
      latency_us_max: latencies[count - 1]
    }
  }
}

// Publish `--publish` messages once all that were dialled had time to be in the mesh, then stay for `--settle` seconds.
async function gossip (addresses, options) {
  const node = await makeNode([], { pubsub: gossipsub() })
  const { pubsub } = node.services
  const summary = join(pubsub, options.topic)
  for (const address of addresses) await node.dial(address)
  const begin = performance.now()
  const meshed = async (count, seconds) => {
    while (pubsub.getMeshPeers(options.topic).length < count && performance.now() - begin < seconds * 1e3) await sleep(5)
  }
  await meshed(1, 10)
  await meshed(Math.min(addresses.length, 12), 2)
  const start = performance.now()
  for (let number = 0; number < options.publish; number++) {
    if (options.rate) {
      const early = start + number * 1e3 / options.rate - performance.now()
      if (early >= 1) await sleep(early)
    }
    const data = Buffer.alloc(options.size)
    data.writeBigUInt64BE(BigInt(number))
    data.writeBigUInt64BE(nowNs(), 8)
    await pubsub.publish(options.topic, data)
  }
  const seconds = (performance.now() - start) / 1e3
  await sleep(options.settle * 1e3)
  emit({ event: 'gossip', sent: options.publish, publish_seconds: seconds, ...summary() })
}

async function listen (options) {
  const services = options.topic ? { pubsub: gossipsub() } : {}
  const node = await makeNode([`/ip4/127.0.0.1/tcp/${options.port}`], services)
  const summary = options.topic ? join(node.services.pubsub, options.topic) : () => ({})
  for (const [protocol, serve] of [[ECHO, serveEcho], [PERF, servePerf]]) {
    await node.handle(protocol, (stream) => serve(stream).catch((error) => stream.abort(error)), LIMITS)
  }
  emit({ event: 'listening', addr: node.getMultiaddrs()[0].toString() })
  await new Promise((resolve) => process.stdin.on('end', resolve).resume())
  emit({ event: 'summary', ...summary() })
}

// Pings one after another on one stream, timed here: the library's own opens a stream each and gives whole milliseconds.
async function doPing (connection, options) {
  const stream = await connection.newStream(PING, LIMITS)
  const times = []
  let answer, arrived, fail
  receive(stream, (data) => {
    answer = Buffer.concat([answer, data.subarray()])
    if (answer.length >= 32) arrived()
  }).then(() => fail(new Error('ping: the stream ended')), (error) => fail(error))
  for (let count = 0; count < options.count; count++) {
    const payload = randomBytes(32)
    answer = Buffer.alloc(0)
    const back = new Promise((resolve, reject) => { [arrived, fail] = [resolve, reject] })
    const start = performance.now()
    stream.send(payload)
    await back
    times.push((performance.now() - start) * 1e3)
    if (!payload.equals(answer)) throw new Error('ping: the payload came back changed')
  }
  emit({ event: 'ping', rtts_us: times })
}

// `--streams` echoes, in a row or at most `--workers` at once.
async function doEcho (connection, options) {
  const payload = randomBytes(options.size)
  const once = async () => {
    const stream = await connection.newStream(ECHO, LIMITS)
    const parts = []
    const answer = receive(stream, (data) => parts.push(data.subarray()))
    if (payload.length > 0 && !stream.send(payload)) await drained(stream)
    await Promise.all([stream.close(), answer])
    if (!payload.equals(Buffer.concat(parts))) throw new Error('echo: the payload came back changed')
  }
  let left = options.streams
  const worker = async () => {
    while (left-- > 0) await once()
  }
  const start = performance.now()
  const workers = options.concurrent ? (options.workers || options.streams) : 1
  await Promise.all(Array.from({ length: workers }, worker))
  const seconds = (performance.now() - start) / 1e3
  emit({ event: 'echo', streams: options.streams, bytes: options.size * options.streams, seconds })
}

// One upload, then one download, each on a stream of its own.
async function doPerf (connection, options) {
  const seconds = []
  for (const [up, down] of [[options.up, 0], [0, options.down]]) {
    const start = performance.now()
    if (up || down) {
      const stream = await connection.newStream(PERF, LIMITS)
      let total = 0
      const answer = receive(stream, (data) => { total += data.byteLength })
      const head = Buffer.alloc(8)
      head.writeBigUInt64BE(BigInt(down))
      stream.send(head)
      await sendZeros(stream, up)
      await Promise.all([stream.close(), answer])
      if (total !== down) throw new Error('perf: not all bytes came back')
    }
    seconds.push((performance.now() - start) / 1e3)
  }
  emit({
    event: 'perf', up_bytes: options.up, up_seconds: seconds[0], down_bytes: options.down, down_seconds: seconds[1]
  })
}

// `--count` full upgrades one after another by one host, each connection closed again.
async function doConnect (address, options) {
  const node = await makeNode([])
  const start = performance.now()
  for (let count = 0; count < options.count; count++) await (await node.dial(address)).close()
  emit({ event: 'connect', count: options.count, seconds: (performance.now() - start) / 1e3 })
}

// `--count` hosts with one connection each, kept for `--wait` seconds.
async function doHold (address, options) {
  for (let count = 0; count < options.count; count++) await (await makeNode([])).dial(address)
  emit({ event: 'holding', count: options.count })
  await sleep(options.wait * 1e3)
}

async function dial (address, options) {
  const streamVerb = { ping: doPing, echo: doEcho, perf: doPerf }[options.do]
  const verb = { connect: doConnect, hold: doHold }[options.do]
  if (streamVerb) return streamVerb(await (await makeNode([])).dial(address), options)
  if (verb) return verb(address, options)
  throw new Error(`unknown --do ${options.do}`)
}

async function main () {
  const numbers = { port: 0, count: 10, size: 1, streams: 1, workers: 0, up: 0, down: 0, wait: 10, publish: 0, rate: 0, settle: 0.5 }
  const options = {
    do: { type: 'string' }, topic: { type: 'string' }, concurrent: { type: 'boolean' }, quiet: { type: 'boolean' }
  }
  for (const [name, value] of Object.entries(numbers)) options[name] = { type: 'string', default: String(value) }
  const { values, positionals: [verb, ...addresses] } = parseArgs({ options, allowPositionals: true })
  for (const name of Object.keys(numbers)) values[name] = Number(values[name])
  if (verb === 'listen') await listen(values)
  else if (verb === 'dial' && addresses.length) await dial(multiaddr(addresses[0]), values)
  else if (verb === 'gossip' && addresses.length && values.topic) await gossip(addresses.map(multiaddr), values)
  else throw new Error('usage: listen [--port N] | dial ADDR --do ping|echo|perf|connect|hold | gossip ADDR --topic T')
}

// What the library leaves unhandled when a peer goes away is no reason to end, as it would be for Node.
process.on('unhandledRejection', (error) => console.error(String(error)))
main().then(() => process.exit(0), (error) => {
  emit({ event: 'error', error: String(error) })
  process.exit(1)
})
