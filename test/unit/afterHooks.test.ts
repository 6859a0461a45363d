import { createHooks } from 'hookable'
import { setImmediate as turn } from 'node:timers/promises'
import { describe, expect, it } from 'vitest'
import { afterHooks } from '../../src/runtime/server/afterHooks'

/** An app with listeners before and after ours, each of which takes a while and notes its end. */
function app() {
  const hooks = createHooks<{ close: () => void | Promise<void> }>()
  const ended: string[] = []
  const listen = (name: string) => hooks.hook('close', async () => {
    for (let at = 0; at < 3; at++) await turn()
    ended.push(name)
  })
  listen('before')
  afterHooks(hooks, 'close', () => void ended.push('ours'))
  listen('after')
  return { hooks, ended, listen }
}

/** `work` may run more than once: the first time counts. */
const order = (ended: string[]) => [...new Set(ended)]

describe('what comes after the listeners of a hook', () => {
  it.each(['callHook', 'callHookParallel'] as const)('waits for all of them, called by %s', async (method) => {
    const { hooks, ended, listen } = app()
    listen('added late')
    await hooks[method]('close')
    expect(order(ended)).toEqual(['before', 'after', 'added late', 'ours'])
  })

  it('waits for a caller of its own', async () => {
    const { hooks, ended } = app()
    await hooks.callHookWith(listeners => Promise.all(listeners.map(listener => listener())), 'close')
    expect(order(ended)).toEqual(['before', 'after', 'ours'])
  })

  it('comes also when a listener fails, and the failure is the caller\'s', async () => {
    const { hooks, ended } = app()
    hooks.hook('close', () => {
      throw new Error('not drained')
    })
    await expect(hooks.callHook('close')).rejects.toThrow('not drained')
    expect(order(ended)).toEqual(['before', 'after', 'ours'])
  })

  it('comes when there is no listener, and not with another hook', async () => {
    const hooks = createHooks()
    const given: unknown[][] = []
    afterHooks(hooks, 'close', (...args) => void given.push(args))
    await hooks.callHook('request')
    expect(given).toEqual([])
    await hooks.callHook('close')
    expect(given.length).toBeGreaterThan(0)
  })

  it('gets what the listeners get', async () => {
    const hooks = createHooks<{ error: (...args: unknown[]) => void }>()
    const given: unknown[][] = []
    afterHooks(hooks, 'error', (...args) => void given.push(args))
    const [error, context] = [new Error('error'), { event: {} }]
    await hooks.callHookParallel('error', error, context)
    for (const args of given) expect(args).toEqual([error, context])
    expect(given.length).toBeGreaterThan(0)
  })
})
