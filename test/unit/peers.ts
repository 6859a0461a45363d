import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { Worker } from 'node:worker_threads'
import { compiled } from '../setup/compiled'

/** Another process or thread with a store of its own, which does what it is asked. */
export interface Peer {
  pid: number
  /** Rejects with `CODE: message` when the call there failed, and when the peer has ended. */
  ask(call: string, ...args: unknown[]): Promise<unknown>
  /** What it says without being asked. */
  onSaid(listener: (value: unknown) => void): void
  /** Ends it without warning. */
  kill(): Promise<void>
}

type Answer = { ready: true } | { said: unknown } | { value: unknown } | { error: string }

const core = () => compiled('src/runtime/core/index.ts')

/** Runs in either kind of peer: takes `[call, ...args]`, posts answers. */
const SCRIPT = `
  const { isMainThread, parentPort, workerData } = require('node:worker_threads')
  // Nothing of the event loop runs meanwhile, and no processor is kept busy with it.
  const blockFor = ms => Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms)
  const post = message => isMainThread ? process.send(message) : parentPort.postMessage(message)
  const warned = []
  const logger = { info() {}, warn: message => warned.push(message), error: message => warned.push(message) }
  let createStore
  let store
  const calls = {
    open(options) {
      store = createStore({ logger, ...options })
      return store.ready()
    },
    // As many connections as there are transactions at the same time.
    fill: count => Promise.all(Array.from({ length: count }, () => store.transaction(tx => tx.query('select pg_sleep(0.2)')))),
    warned: () => warned,
    // Those of its store: a peer has no others.
    sockets: () => process.getActiveResourcesInfo().filter(name => name === 'TCPSocketWrap').length,
    // Writes, with its event loop blocked for so long in the middle.
    async writeBlocked(count, ms) {
      for (let number = 1; number <= count; number++) {
        await store.stream.append('written:all', { type: 'written', data: number })
        if (number === count / 2) blockFor(ms)
      }
      return count
    },
    block(ms) {
      post({ said: 'blocked' })
      blockFor(ms)
    },
    pause: ms => new Promise(resolve => setTimeout(resolve, ms)),
    set: (key, value) => store.kv.set(key, value),
    get: key => store.kv.get(key),
    close: () => store.close(),
    async write(number) {
      for (;;) {
        await store.stream.append('written:all', { type: 'written', data: ++number })
        await store.kv.set('last', number)
        post({ said: number })
      }
    },
  }
  const onAsked = async ([call, ...args]) => {
    try {
      post({ value: await calls[call](...args) ?? null })
    }
    catch (error) {
      post({ error: error.code + ': ' + error.message })
    }
  }
  import(process.env.STORE ?? workerData).then((core) => {
    createStore = core.createStore
    if (isMainThread) process.on('message', onAsked)
    else parentPort.on('message', onAsked)
    post({ ready: true })
  })
`

export async function startProcess(): Promise<Peer> {
  const child = spawn(process.execPath, [...process.execArgv, '--eval', SCRIPT], { env: { ...process.env, STORE: core() }, stdio: ['ignore', 'inherit', 'pipe', 'ipc'] })
  let stderr = ''
  child.stderr!.on('data', chunk => stderr += String(chunk))
  const ended = once(child, 'exit')
  const peer = createPeer(child.pid!, message => void child.send(message), async () => {
    if (child.exitCode === null && child.signalCode === null) child.kill('SIGKILL')
    await ended
  })
  child.on('message', (message: Answer) => peer.heard(message))
  void ended.then(() => peer.heard({ error: `the process has ended: ${stderr.slice(0, 1000)}` }))
  return await peer.ready.then(() => peer)
}

export async function startThread(): Promise<Peer> {
  const worker = new Worker(SCRIPT, { eval: true, workerData: core() })
  const peer = createPeer(process.pid, message => worker.postMessage(message), async () => void await worker.terminate())
  worker.on('message', (message: Answer) => peer.heard(message))
  worker.on('exit', () => peer.heard({ error: 'the thread has ended' }))
  worker.on('error', error => peer.heard({ error: String(error) }))
  return await peer.ready.then(() => peer)
}

function createPeer(pid: number, send: (message: unknown[]) => void, kill: () => Promise<void>) {
  const waiting: { resolve(value: unknown): void, reject(error: Error): void }[] = []
  let said: (value: unknown) => void = () => {}
  let isReady = () => {}
  let isNot: (error: Error) => void = () => {}
  const ready = new Promise<void>((resolve, reject) => {
    isReady = resolve
    isNot = reject
  })
  return {
    pid,
    kill,
    ready,
    ask: (...call: unknown[]) => new Promise((resolve, reject) => {
      waiting.push({ resolve, reject })
      send(call)
    }),
    onSaid(listener: (value: unknown) => void) {
      said = listener
    },
    heard(answer: Answer) {
      if ('ready' in answer) return isReady()
      if ('said' in answer) return said(answer.said)
      if ('value' in answer) return waiting.shift()?.resolve(answer.value)
      const error = new Error(answer.error)
      isNot(error)
      waiting.shift()?.reject(error)
    },
  }
}
