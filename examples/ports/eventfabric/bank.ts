/** Accounts of a bank: aggregates, sessions, a read model, mails. README.md walks through it. */
import type { Store } from 'nvent-store-postgres/core'
import { z } from 'zod'

export interface BankOptions {
  store: Store
  sendMail: (customer: string, text: string) => Promise<void>
  /** For mails; then they are dead letters. */
  maxAttempts?: number
}

/** Described once, when the app starts. */
export function createBank({ store, sendMail, maxAttempts = 10 }: BankOptions) {
  const cents = z.number().int().positive()
  const accounts = store.aggregate({
    name: 'account',
    schema: {
      'account.opened': z.object({ customer: z.string(), cents: z.number().int() }),
      'account.deposited': z.object({ cents }),
      'account.withdrawn': z.object({ cents }),
    },
    initial: { customer: '', balance: 0 },
    evolve(state, event) {
      switch (event.type) {
        case 'account.opened': return { customer: event.data.customer, balance: event.data.cents }
        case 'account.deposited': return { ...state, balance: state.balance + event.data.cents }
        case 'account.withdrawn': return { ...state, balance: state.balance - event.data.cents }
      }
    },
    topics: ['account'],
    snapshot: { every: 50, schemaVersion: 1 },
  })
  const transfers = store.aggregate({
    name: 'transfer',
    schema: { 'transfer.made': z.object({ from: z.string(), to: z.string(), cents }) },
    initial: { made: false },
    evolve: () => ({ made: true }),
    topics: ['transfer'],
  })

  /** A table of the app's own, for searching. */
  const prepare = () => store.transaction(tx => tx.query(
    'create table if not exists account_search (account text primary key, customer text not null, balance bigint not null)'))

  const search = store.project({
    name: 'account-search',
    // In the transaction of the append: what a request has changed is there when it answers. `async` would follow shortly after.
    mode: 'inline',
    subjects: ['account:*'],
    init: { customer: '', balance: 0 },
    async handle(state, event, { tx }) {
      // As it is in the log: with `defineProjection`, a schema checks it and gives it its type.
      const stored = event.data as { customer?: string, cents: number }
      const sign = event.type === 'account.withdrawn' ? -1 : 1
      const next = { customer: stored.customer ?? state.customer, balance: state.balance + sign * stored.cents }
      await tx.query(`insert into account_search (account, customer, balance) values ($1, $2, $3)
        on conflict (account) do update set balance = excluded.balance`, [event.subject, next.customer, next.balance])
      return next
    },
  })

  const welcome = store.consume({
    name: 'welcome-mail',
    topics: { mode: 'include', topics: ['account'] },
    types: ['account.opened'],
    transaction: 'each',
    batchSize: 100,
    maxAttempts,
    handler: ({ data }) => sendMail((data as { customer: string }).customer, 'Your account is open.'),
  })

  return {
    accounts, transfers, search, welcome, prepare,

    /** Runs until the signal aborts. */
    async start(signal: AbortSignal): Promise<void> {
      await prepare()
      await Promise.all([search.start(signal), welcome.start(signal)])
      // What was appended before the app had this projection is in it from here on.
      await search.whenCaughtUp()
    },

    /** A new account: its stream is begun, and must not exist yet. */
    async open(id: string, customer: string, cents = 0): Promise<void> {
      const session = store.session()
      session.start(accounts, id, { type: 'account.opened', data: { customer, cents } })
      await session.save()
    },

    /** Load, change, save: a session for each request. */
    async deposit(id: string, cents: number): Promise<number> {
      const session = store.session()
      const account = await session.load(accounts, id)
      const { balance } = account.append({ type: 'account.deposited', data: { cents } })
      await session.save()
      return balance
    },

    /** Both accounts, the transfer and a message to another system: one transaction. */
    async transfer(id: string, from: string, to: string, cents: number): Promise<void> {
      const session = store.session()
      const [payer, payee] = await Promise.all([session.load(accounts, from), session.load(accounts, to)])
      if (payer.state.balance < cents) throw new Error(`account ${from} has only ${payer.state.balance} cents`)
      payer.append({ type: 'account.withdrawn', data: { cents } })
      payee.append({ type: 'account.deposited', data: { cents } })
      session.start(transfers, id, { type: 'transfer.made', data: { from, to, cents } })
      await session.save(tx => tx.outbox.enqueue({ transfer: id, cents }, { topics: ['ledger'], key: from }))
    },

    /** One event, one aggregate: `handle` loads, decides and appends, and decides again after a conflict. */
    withdraw: (id: string, cents: number) => accounts.handle(id, ({ balance }) => {
      if (balance < cents) throw new Error(`account ${id} has only ${balance} cents`)
      return { type: 'account.withdrawn', data: { cents } }
    }),

    /** The accounts of a customer, as the read model has them. */
    async find(customer: string): Promise<{ account: string, balance: number }[]> {
      const { rows } = await store.transaction(tx => tx.query<{ account: string, balance: string }>(
        'select account, balance from account_search where customer = $1 order by account', [customer]))
      return rows.map(({ account, balance }) => ({ account, balance: Number(balance) }))
    },

    /** Mails that were given up are tried again, at most 100 of them. */
    requeueMails: () => store.deadLetters.requeueRange({ consumer: 'welcome-mail', limit: 100 }),
  }
}
