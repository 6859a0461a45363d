import { fork } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'

const children = new Set()
process.on('exit', () => children.forEach(child => child.kill('SIGKILL')))

/**
 * Starts a module in its own process and sends it messages: `ask('run', …)` resolves with the result of `run`.
 * @param {URL} module
 * @param {{ execArgv?: string[], onReport?: (report: any) => void }} options `onReport` gets messages that are not replies
 */
export function startProcess(module, { execArgv = [], onReport = () => {} } = {}) {
  // The peers log to the console: stdout is ignored, errors are shown.
  const child = fork(fileURLToPath(module), { stdio: ['ignore', 'ignore', 'inherit', 'ipc'], execArgv })
  children.add(child)
  const asked = new Map()
  let last = 0
  child.on('message', ({ id, result, error, report }) => {
    if (report) return onReport(report)
    const { resolve, reject } = asked.get(id)
    asked.delete(id)
    if (error) reject(new Error(error))
    else resolve(result)
  })
  child.on('exit', (code) => {
    children.delete(child)
    asked.forEach(({ reject }) => reject(new Error(`the process of ${module.pathname} ended with code ${code}`)))
  })
  const ask = (action, ...parameters) => new Promise((resolve, reject) => {
    const id = ++last
    asked.set(id, { resolve, reject })
    child.send({ id, action, parameters })
  })
  return {
    ask,
    async close() {
      await ask('close')
      const ended = once(child, 'exit')
      child.disconnect()
      await ended
    },
  }
}

/** Starts a contestant (contestants.mjs) in its own process. */
export async function startContestant(description) {
  const process = startProcess(new URL('./worker.mjs', import.meta.url))
  await process.ask('open', description)
  return process
}
