import { fork } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'

const children = new Set()
process.on('exit', () => children.forEach(child => child.kill('SIGKILL')))

/**
 * Starts a module in a process of its own and sends it messages: `ask('run', …)` resolves with what `run` gives.
 * @param {URL} module
 * @param {{ execArgv?: string[], onTold?: (told: any) => void }} options `onTold` hears what the process says unasked
 */
export function startProcess(module, { execArgv = [], onTold = () => {} } = {}) {
  // The peers log to the console; errors are heard.
  const child = fork(fileURLToPath(module), { stdio: ['ignore', 'ignore', 'inherit', 'ipc'], execArgv })
  children.add(child)
  const asked = new Map()
  let last = 0
  child.on('message', ({ id, result, error, told }) => {
    if (told) return onTold(told)
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

/** A contestant (contestants.mjs) in a process of its own. */
export async function startContestant(description) {
  const process = startProcess(new URL('./worker.mjs', import.meta.url))
  await process.ask('open', description)
  return process
}
