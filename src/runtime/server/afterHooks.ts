type Call = (...args: never[]) => unknown

/** The part of hookable's interface that is used. */
interface Hooks {
  callHook: Call
  callHookParallel: Call
  callHookWith: Call
}

// The methods that call hooks, with the index of the argument that is the hook's name.
const CALLS = [['callHook', 0], ['callHookParallel', 0], ['callHookWith', 1]] as const

/**
 * Runs `work` with the arguments of a hook after all its listeners have ended, including those added later, and also
 * when one of them failed. A listener would run in between, depending on the order of plugins. `work` may run more than
 * once.
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
