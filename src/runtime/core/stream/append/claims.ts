import { columnNamed } from '../../shared/identifier'
import type { Column } from '../../sql/rows'
import type { HeadMode } from './expectation'
import type { AppendInput } from './input'

/** What a batch claims from the heads of its subjects. */
interface Claims {
  subjects: string[]
  /** For each subject the number of its events, and the version it must have. */
  events: number[]
  expected: (number | null)[]
  /** For each event the position of its subject in `subjects`, starting at 1, and how many events of the subject follow it. */
  places: number[]
  later: number[]
}

/** Column names. They contain spaces, so that they can't equal the name of a table's column. */
export const CLAIM = { subject: 'head subject', events: 'head events', expected: 'head expected', place: 'in place', later: 'in later' }

const known = new WeakMap<readonly AppendInput[], Claims>()

/** Events are counted per subject here and not in the statement, which would have to sort and group its rows. */
export function claimColumns(mode: HeadMode): Column<AppendInput>[] {
  return [
    { ...columnNamed(CLAIM.subject), cast: 'text', apart: true, list: inputs => claimsOf(inputs).subjects },
    { ...columnNamed(CLAIM.events), cast: 'bigint', apart: true, list: inputs => claimsOf(inputs).events },
    ...(mode === 'present' ? [{ ...columnNamed(CLAIM.expected), cast: 'bigint', apart: true, list: (inputs: readonly AppendInput[]) => claimsOf(inputs).expected }] : []),
    { ...columnNamed(CLAIM.place), cast: 'int', list: inputs => claimsOf(inputs).places },
    { ...columnNamed(CLAIM.later), cast: 'bigint', list: inputs => claimsOf(inputs).later },
  ]
}

export function claimTable(mode: HeadMode, ref: (name: string) => string): string {
  const lists = [CLAIM.subject, CLAIM.events, ...(mode === 'present' ? [CLAIM.expected] : [])]
  return `rows from (${lists.map(list => `pg_catalog.unnest(${ref(list)})`).join(', ')})`
}

function claimsOf(inputs: readonly AppendInput[]): Claims {
  let claims = known.get(inputs)
  if (!claims) known.set(inputs, claims = countClaims(inputs))
  return claims
}

function countClaims(inputs: readonly AppendInput[]): Claims {
  const claims: Claims = { subjects: [], events: [], expected: [], places: inputs.map(() => 0), later: inputs.map(() => 0) }
  const { subjects, events, expected, places, later } = claims
  const placeOf = new Map<string, number>()
  for (let at = inputs.length - 1; at >= 0; at--) {
    const { route: { subject }, expectation } = inputs[at]!
    let place = placeOf.get(subject)
    if (place === undefined) {
      place = subjects.push(subject)
      placeOf.set(subject, place)
      events.push(0)
      expected.push(expectation.version ?? null)
    }
    places[at] = place
    later[at] = events[place - 1]!++
  }
  return claims
}
