/** What a handler leaves behind for each event, so that a lost, doubled or reordered one shows. Runs in worker processes, too. */
export interface Effect extends Record<string, unknown> {
  subject: string
  n: number
}

export const EFFECTS = 'create table effects (at bigint generated always as identity, subject text, n int, worker text)'
export const NOTE_EFFECT = 'insert into effects (subject, n, worker) values ($1, $2, $3)'
export const READ_EFFECTS = 'select subject, n from effects order by at'
