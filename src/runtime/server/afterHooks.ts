type Call = (...args: never[]) => unknown

/** What is needed of an app's hooks (hookable). */
interface Hooks {
  callHook: Call
  callHookParallel: Call
  callHookWith: Call
}

// How hooks are called, and which argument names them.
const CALLS = [['callHook', 0], ['callHookParallel', 0], ['callHookWith', 1]] as const

/**
 * Runs `work` with the arguments of a hook once all its listeners have ended, whenever they were added, and also when
 * one of them failed. A listener of our own would run in the middle: in the order in which plugins happen to come.
 * `work` may run more than once.
 */
export function afterHooks<Args extends unknown[]>(hooks: object, name: string, work: (...args: Args) => unknown): void {
  const target = hooks as Record<keyof Hooks, (...args: unknown[]) => unknown>
  for (const [method, at] of CALLS) {
    const call = target[method]
    target[method] = (...args) => {
      const called = call.apply(hooks, args)
      return args[at] === name ? finish(called, () => work(...args.slice(args.lastIndexOf(name) + 1) as Args)) : called
    }
  }
}

async function finish(called: unknown, work: () => unknown): Promise<unknown> {
  try {
    return await called
  }
  finally {
    await work()
  }
}
