import { checkArray, checkFunction, checkMembers, checkName, checkOptions, rejecting } from '../../shared/checks'
import type { Call } from '../../batch/operation'
import { invalidValue } from '../../shared/errors'
import { APPEND_ENTRY, APPEND_MANY_OPTIONS, APPEND_OPTIONS } from './types'
import type { StreamOperations } from '../types'
import { ANY, checkExpectation } from './expectation'
import { appendWith } from './appendHook'
import { appendInput, appendInputs, partitionOf } from './input'
import type { AppendInput } from './input'
import type { SubjectAppend } from './locked'
import { MAX_STEP, appendLocked, appendToSubject } from './locked'
import { appendOperation, needsLock } from './appendOperation'
import type { StreamScope } from '../streamScope'

/** The calls that append events. */
export function createStreamAppends(scope: StreamScope): Pick<StreamOperations, 'append' | 'appendMany' | 'appendAll'> {
  const { context, hook } = scope
  const append = appendOperation(scope)

  /** Appends with several statements in one transaction: the caller's, or a new one. */
  const locked = (entries: SubjectAppend[]) => scope.inOrder(entries.map(({ subject }) => subject), async (session, tables) => {
    const records = await appendWith(hook, { context, session, tables }, entries.flatMap(({ inputs }) => inputs), on =>
      on.session.atomic(transaction => appendLocked({ ...on, session: transaction }, entries)))
    if (!session.inTransaction) await tables.afterTransaction()
    for (const { subject, inputs } of entries) if (inputs.length > 0) scope.appended?.(subject)
    return records
  })

  return {
    append: rejecting((subject, event, options) => {
      const route = scope.streamRoute(checkName('subject', subject))
      return scope.send(append, callOf(appendInput(route, event, checkOptions('options', options, APPEND_OPTIONS))))
    }),

    async appendMany(subject, events, options) {
      const route = scope.streamRoute(checkName('subject', subject))
      const given = checkOptions('options', options, APPEND_MANY_OPTIONS)
      const inputs = appendInputs(route, events, given, { events: 'events', options: 'options.' })
      const { onProgress } = given
      if (onProgress !== undefined) checkFunction('options.onProgress', onProgress)
      const expectation = inputs[0]?.expectation ?? checkExpectation('options.expectedVersion', given.expectedVersion)
      const entry = { subject, expectation, inputs }
      if (inputs.length === 0 && expectation === ANY) return []
      if (inputs.length === 0) return (await locked([entry]))[0]!
      return scope.inOrder([subject], async (session, tables) => {
        // The subject's table is created first: an import may have too many events to move into it later.
        const isSmall = inputs.length <= MAX_STEP && !onProgress && !needsLock({ session }, inputs[0]!)
        if (!isSmall) await tables.place(session, partitionOf(inputs[0]!))
        const records = await appendWith(hook, { context, session, tables }, inputs, async (on) => {
          // With `onProgress` a transaction is needed even for a small import: an error in the callback rolls it back.
          if (isSmall && !needsLock(on, inputs[0]!)) return appendToSubject(on, inputs)
          const [appended] = await scope.progress.importing(subject, onProgress, report =>
            on.session.atomic(transaction => appendLocked({ ...on, session: transaction }, [entry], report)))
          return appended!
        })
        scope.appended?.(subject)
        return records
      })
    },

    async appendAll(entries) {
      const subjects = new Set<string>()
      const appends = checkArray('entries', entries).map((given, at): SubjectAppend => {
        const { subject, events, ...options } = checkMembers(`entries.${at}`, given, APPEND_ENTRY)
        const route = scope.streamRoute(checkName(`entries.${at}.subject`, subject))
        if (subjects.has(subject)) throw invalidValue(`entries.${at}.subject`, `${JSON.stringify(subject)} comes twice: put its events into one entry`)
        subjects.add(subject)
        const path = `entries.${at}.`
        return {
          subject,
          expectation: checkExpectation(`${path}expectedVersion`, options.expectedVersion),
          inputs: appendInputs(route, events, options, { events: `${path}events`, options: path }),
        }
      })
      return appends.length === 0 ? [] : locked(appends)
    },
  }
}

function callOf(input: AppendInput): Call<AppendInput> {
  const { route, expectation: { mode }, eventId } = input
  return {
    // Calls of one kind share a statement: an append that can fail must not be combined with appends that can't.
    kind: `${route.spec.table} ${partitionOf(input)} ${mode} ${eventId !== undefined}`,
    key: route.subject,
    input,
    bytes: sizeOf(input),
  }
}

function sizeOf(input: AppendInput): number {
  return input.columns.reduce<number>((size, value) => size + (typeof value === 'string' ? value.length : 8), 64 + (input.rest?.length ?? 0))
}
